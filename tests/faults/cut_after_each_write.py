"""The power goes between two writes of a series batch; the replay must find state, forecasts and marker in step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox import Sandbox

import penstock.spark.tables
from faults.bench import Bench, last_commit
from faults.feeds import SERIES_FEED
from faults.launcher import replace_everywhere
from faults.result import Fault, Progress, Seen

WRITES = ("forecasts", "lags", "observations", "quarantine", "batches")


class PowerCutError(Exception):
    """What is raised in the middle of a batch."""


@contextmanager
def cut_after(table: str, is_near: Callable[[], bool]) -> Iterator[None]:
    """Let the writes up to that into `table` happen, and raise then. is_near: not before that."""

    def cut(path: str) -> None:
        if Path(path).name == table and is_near():
            raise PowerCutError

    append_once = penstock.spark.tables.append_once

    def append_then_cut(frame: Any, path: str, transaction: Any) -> None:
        append_once(frame, path, transaction)
        cut(path)

    replace_everywhere(append_once, append_then_cut)
    commit = penstock.spark.tables.PreparedAppend.commit

    def commit_then_cut(append: penstock.spark.tables.PreparedAppend) -> None:
        commit(append)
        cut(append.path)

    penstock.spark.tables.PreparedAppend.commit = commit_then_cut  # type: ignore[method-assign]
    try:
        yield
    finally:
        penstock.spark.tables.PreparedAppend.commit = commit  # type: ignore[method-assign]
        replace_everywhere(append_then_cut, append_once)


def run_with(sandbox: Sandbox, number: int) -> None:
    """Finish the batch of that file: a run takes all that is there as one batch."""
    if last_commit(sandbox) < number:
        SERIES_FEED.deliver(sandbox, number)
        sandbox.run()


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    """One stream whose power goes in every micro-batch after the first; each run finishes the batch before."""
    cut, whole = SERIES_FEED.sandbox(bench, "cut"), SERIES_FEED.sandbox(bench, "whole-series")
    run_with(cut, 0)
    while progress.done < times:
        SERIES_FEED.deliver(cut, number := progress.done + 1)
        offset, was_cut = cut.root / "checkpoint" / "offsets" / str(number), False
        with cut_after(write := WRITES[(number - 1) % len(WRITES)], offset.exists):
            try:
                cut.run()
            except PowerCutError:
                was_cut = True
        progress.add(write=write, cut=was_cut)
    run_with(cut, times)
    for number in range(times + 1):
        run_with(whole, number)
    found, expected = SERIES_FEED.contents(cut), SERIES_FEED.contents(whole)
    different = [table for table in expected if found[table] != expected[table]]
    return Seen(
        seen=f"{progress.total('cut')} batches cut, tables that differ: {', '.join(different) or 'none'}",
        passed=not different and progress.total("cut") == times,
    )


FAULT = Fault(
    name="crash between marker and state",
    done="series; cut after each single write, replayed",
    must="state, forecasts and marker as uninterrupted",
    times=25,
    run=run,
)
