"""Promotions that are killed at every write, made by two processes at once, and met by a person who moves the alias."""

import json
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


@dataclass(frozen=True, kw_only=True)
class Move:
    """What a person does in MLflow while version 2 is promoted over 1; promoted: what the promotion sets there."""

    alias: str
    to: str
    promoted: str


MOVES = (
    Move(alias="champion", to="3", promoted="2"),
    # Back to the old one: before it was set to the new one, this is no move at all.
    Move(alias="champion", to="1", promoted="2"),
    Move(alias="candidate", to="3", promoted="1"),
)
#: By how much of a promotion the moves may come after its end.
BEYOND = 1.2
#: One in so many is in the way of a promotion at least; only those of the champion can be.
LEAST_SUPERSEDED = 6


def promote_timed(place: Place, times_file: Path) -> None:
    """Keeps when each alias was read before it was set, when it was set, and how long it took since the decision."""
    bench = place.bench
    moments = {alias: {"read": 0.0, "set": 0.0} for alias in ("champion", "candidate")}
    decider = bench.decider()
    read, set_alias = type(bench.aliases).read, type(bench.aliases).set

    def timed_read(aliases: Any, alias: str) -> Any:
        began = time.monotonic()
        if not moments[alias]["set"]:
            moments[alias]["read"] = began
        return read(aliases, alias)

    def timed_set(aliases: Any, alias: str, version: str) -> None:
        set_alias(aliases, alias, version)
        moments[alias]["set"] = time.monotonic()

    with patch.multiple(type(bench.aliases), read=timed_read, set=timed_set):
        decider.decide(lambda history: promotion())
    times_file.write_text(json.dumps(moments | {"ended": time.monotonic()}))


def run_flips(bench: Bench, progress: Progress, times: int) -> Seen:
    """A person moves an alias at any moment of a promotion of version 2."""
    while progress.done < times:
        place, move = (
            Place.of(bench, f"flipped-{progress.done}-{time.monotonic_ns()}"),
            MOVES[progress.done % len(MOVES)],
        )
        process = in_process(promote_timed, place, times_file := place.root / "times")
        wait_for_decision(place.root / "tables" / "_decisions" / "0.json", process)
        decided = time.monotonic()
        # From the decision to the end of its steps, by how long they took before.
        took = [float(one["seconds"]) for one in progress.repetitions] or [0.1]
        time.sleep(random.Random(progress.done).uniform(0.0, BEYOND * sum(took) / len(took)))
        began = time.monotonic()
        place.bench.point(**{move.alias: move.to})
        was_set = time.monotonic()
        code = ended(process)
        moments = json.loads(times_file.read_text())
        of_alias = moments[move.alias]
        outcome = place.bench.files.history().decisions[0].outcome
        now = dict(zip(("champion", "candidate"), place.bench.pair, strict=True))
        progress.add(
            code=code,
            moved=f"{move.alias} to {move.to}",
            outcome=outcome.outcome if outcome else None,
            seconds=moments["ended"] - decided,
            stays=now[move.alias] == move.to,
            says=outcome is not None
            and (outcome.outcome == "superseded" or getattr(outcome, move.alias) == now[move.alias]),
            is_superseded=outcome is not None and outcome.outcome == "superseded",
            # A move between the reading and the setting; of a champion that is set to what it is, any before that.
            in_window=now[move.alias] == move.promoted
            and bool(of_alias["set"])
            and began <= of_alias["set"]
            and (was_set >= of_alias["read"] or (move.alias, move.to) == ("champion", "1")),
        )
    stays, windows, superseded = map(progress.total, ("stays", "in_window", "is_superseded"))
    says = sum(one["says"] or one["stays"] for one in progress.repetitions)
    return Seen(
        seen=f"{stays} times the person's version stays, {windows} times it was set before the decision's setting "
        f"reached the registry; {says} times version or decision says so; {superseded} were superseded",
        # Else the moves came too late or too early to be in the way of anything.
        passed=stays + windows == says == times
        and superseded >= times // LEAST_SUPERSEDED
        and not any(one["code"] for one in progress.repetitions),
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
    done="a person sets champion or candidate at any moment of a promotion, to a third version or back",
    must="the person's version stays, or the decision says what does; one in six moves ends the promotion",
    times=150,
    run=run_flips,
)
