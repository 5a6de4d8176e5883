"""Promotions that are killed at every write, made by two processes at once, and met by a person who moves the alias."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mlflow.store.model_registry.sqlalchemy_store  # noqa: F401 - MLflow imports it when it is first used
from decision_bench import Cut, CutAliases, CutStorage, DecisionBench, choose
from sandbox import TestRegistry

from faults.bench import Bench
from faults.result import Fault, Progress, Seen
from penstock.pipeline.decisions import table
from penstock.pipeline.decisions.decider import Draft
from penstock.storage.delta_append import append_row_once

#: The seven steps of a promotion, and the mark between the first two that the champion was set.
WRITES = ("0.json", "set champion", "0.moved", "set candidate", "tag 2", "tag 1", "0.done", "row 0")
MOMENTS = [(at, when) for at in range(len(WRITES)) for when in ("before", "after")]
KILLS_OF_EACH = 20
#: A process begins by a fork of one that has imported everything.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["faults.decisions"])


@dataclass(kw_only=True)
class Kill(Cut):
    """SIGKILL in place of an exception."""

    def around(self, what: str, write: Callable[[], Any]) -> Any:
        number = len(self.writes)
        self.writes.append(what)
        if (number, self.when) == (self.at, "before"):
            os.kill(os.getpid(), signal.SIGKILL)
        answer = write()
        if number == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer


@dataclass(frozen=True)
class Place:
    """What a process needs to find a pipeline and its model again."""

    root: Path
    registry: Path
    name: str

    @classmethod
    def of(cls, bench: Bench, name: str) -> "Place":
        """A new one, with the versions 1 (champion), 2 (candidate) and 3."""
        root = bench.folder / name
        made = DecisionBench(root, bench.registry)
        return cls(root=root, registry=bench.registry.folder, name=made.name)

    @property
    def bench(self) -> DecisionBench:
        return DecisionBench(self.root, TestRegistry(self.registry), name=self.name)


def promotion(candidate: str = "2", champion: str = "1") -> Draft:
    return Draft(kind="promote", champion=champion, candidate=candidate, reason="because")


def promote(place: Place, at: int | None, when: str) -> None:
    """In a process of its own, which is killed there; None: nowhere."""
    bench, cut = place.bench, Kill(at=at, when=when)
    decider = bench.decider(storage=CutStorage(cut))
    vars(decider)["aliases"] = CutAliases(registry=bench.aliases.registry, name=bench.name, cut=cut)

    def append(config: Any, spec: Any, row: Any, transaction: Any) -> Any:
        return cut.around(f"row {transaction.batch_id}", lambda: append_row_once(config, spec, row, transaction))

    with patch.object(table, "append_row_once", append):
        decider.decide(choose(promotion()))


def in_process(function: Callable[..., None], *arguments: Any) -> BaseProcess:
    process = PROCESSES.Process(target=function, args=arguments)
    process.start()
    return process


def ended(process: BaseProcess) -> int:
    process.join(timeout=300)
    if process.exitcode is None:
        process.kill()
        raise AssertionError("a promotion hangs")
    return process.exitcode


def is_promoted_once(bench: DecisionBench) -> bool:
    """Aliases, tags, files and row, of the one promotion."""
    [decided] = bench.files.history().decisions
    rows = [(row.batch_id, row.kind, row.outcome) for row in bench.rows()]
    return (
        decided.is_done
        and bench.pair == ("2", "1")
        and rows == [(0, "promote", "done")]
        and (bench.tags("2").get("promoted"), bench.tags("1").get("decision")) == ("0", "0")
    )


def run_kills(bench: Bench, progress: Progress, times: int) -> Seen:
    while progress.done < times:
        at, when = MOMENTS[progress.done % len(MOMENTS)]
        place = Place.of(bench, f"killed-promotion-{progress.done}-{time.monotonic_ns()}")
        code = ended(in_process(promote, place, at, when))
        finished = ended(in_process(promote, place, None, when))
        table.write_rows(place.bench.config, place.bench.files.history())
        progress.add(
            killed=f"{when} {WRITES[at]}",
            was_killed=code == -signal.SIGKILL,
            is_promoted=finished == 0 and is_promoted_once(place.bench),
        )
    killed, promoted = progress.total("was_killed"), progress.total("is_promoted")
    return Seen(
        seen=f"{killed} killed at {min(times, len(MOMENTS))} moments, {promoted} finished once by the next process",
        passed=killed == promoted == times,
    )


def compete(place: Place, candidate: str, begins_at: float, has_lease: bool) -> None:
    """Promotes a candidate over whatever is the champion, beside another process that does so."""
    bench = place.bench
    decider = bench.decider(wait_seconds=60.0)
    while time.monotonic() < begins_at:
        time.sleep(0.0005)

    def over_the_champion(history: Any) -> Draft | None:
        champion = bench.aliases.read("champion")
        if champion == candidate or any(one.decision.candidate == candidate for one in history.decisions):
            return None
        return promotion(candidate, str(champion))

    without = patch("penstock.pipeline.decisions.decider.held_lease", lambda *_, **__: nullcontext(NoLease()))
    with nullcontext() if has_lease else without:
        decider.decide(over_the_champion)


class NoLease:
    """As if it was lost, and nobody had noticed."""

    def check(self) -> None:
        pass


def run_two(bench: Bench, progress: Progress, times: int) -> Seen:
    """By turns both want the same version, or another one each; every fourth time both without a lease."""
    while progress.done < times:
        place = Place.of(bench, f"two-controllers-{progress.done}-{time.monotonic_ns()}")
        wanted = ("2", "2") if progress.done % 2 == 0 else ("2", "3")
        has_lease = progress.done % 4 < 2
        begins_at = time.monotonic() + 2.0
        processes = [in_process(compete, place, version, begins_at, has_lease) for version in wanted]
        codes = [ended(process) for process in processes]
        progress.add(codes=codes, wanted=wanted, has_lease=has_lease, **judged(place.bench, wanted))
    agreed = sum(one["is_once"] and one["is_last"] and one["codes"] == [0, 0] for one in progress.repetitions)
    return Seen(
        seen=f"{agreed} times each version was promoted by one decision, and the last one's is the champion",
        passed=agreed == times,
    )


def judged(bench: DecisionBench, wanted: tuple[str, str]) -> dict[str, bool]:
    history = bench.files.history()
    table.write_rows(bench.config, history)
    last = history.decisions[-1]
    candidates = [one.decision.candidate for one in history.decisions]
    is_once = sorted(map(str, candidates)) == sorted(set(wanted)) and all(one.is_done for one in history.decisions)
    numbers = [row.batch_id for row in bench.rows()]
    return {
        "is_once": is_once and numbers == list(range(len(candidates))),
        "is_last": bench.pair[0] == last.decision.candidate,
    }


def promote_timed(place: Place, times_file: Path) -> None:
    """Keeps when the champion was read before it was set, and when it was set."""
    bench, moments = place.bench, {"read": 0.0, "set": 0.0}
    decider = bench.decider()
    read, set_alias = type(bench.aliases).read, type(bench.aliases).set

    def timed_read(aliases: Any, alias: str) -> Any:
        began = time.monotonic()
        if alias == "champion" and not moments["set"]:
            moments["read"] = began
        return read(aliases, alias)

    def timed_set(aliases: Any, alias: str, version: str) -> None:
        set_alias(aliases, alias, version)
        if alias == "champion":
            moments["set"] = time.monotonic()

    with patch.multiple(type(bench.aliases), read=timed_read, set=timed_set):
        decider.decide(lambda history: promotion())
    times_file.write_text(f"{moments['read']} {moments['set']}")


def run_flips(bench: Bench, progress: Progress, times: int) -> Seen:
    """A person sets version 3 at any moment of a promotion of version 2."""
    while progress.done < times:
        place = Place.of(bench, f"flipped-{progress.done}-{time.monotonic_ns()}")
        process = in_process(promote_timed, place, times_file := place.root / "times")
        wait_for_decision(place.root / "tables" / "_decisions" / "0.json", process)
        # From the decision to the end of its steps.
        time.sleep(random.Random(progress.done).uniform(0.0, 0.25))
        began = time.monotonic()
        place.bench.point(champion="3")
        was_set = time.monotonic()
        code = ended(process)
        read, set_at = map(float, times_file.read_text().split())
        outcome = place.bench.files.history().decisions[0].outcome
        champion = place.bench.pair[0]
        progress.add(
            code=code,
            outcome=outcome.outcome if outcome else None,
            stays=champion == "3",
            says=outcome is not None and (outcome.outcome == "superseded" or outcome.champion == champion),
            # The one window: a move between the reading and the setting.
            in_window=champion == "2" and bool(set_at) and began <= set_at and was_set >= read,
        )
    stays, windows = progress.total("stays"), progress.total("in_window")
    says = sum(one["says"] or one["stays"] for one in progress.repetitions)
    return Seen(
        seen=f"{stays} times the person's version stays, {windows} times it was set between the decision's reading and "
        f"its setting; {says} times version or decision says so",
        passed=stays + windows == says == times and not any(one["code"] for one in progress.repetitions),
    )


def wait_for_decision(path: Path, process: BaseProcess) -> None:
    deadline = time.monotonic() + 300
    while not path.exists():
        if not process.is_alive() or time.monotonic() > deadline:
            raise AssertionError("nothing was decided")
        time.sleep(0.001)


KILLS = Fault(
    name="promotion killed",
    done="SIGKILL before and after each write of a promotion",
    must="the next process finishes it: aliases, tags, one row",
    times=KILLS_OF_EACH * len(MOMENTS),
    run=run_kills,
)
CONTROLLERS = Fault(
    name="two controllers",
    done="two processes decide together, with a lease and without",
    must="one decision each, the champion is the last one's",
    times=50,
    run=run_two,
)
FLIPS = Fault(
    name="alias moved in a promotion",
    done="a person sets the alias at any moment of a promotion",
    must="the person's version stays, or the decision says what does",
    times=100,
    run=run_flips,
)
