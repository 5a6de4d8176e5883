"""The power goes between two writes of a series batch; the replay must find state, forecasts and marker in step."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import penstock.spark.merge
import penstock.spark.tables
from faults.bench import Bench
from faults.feeds import SERIES_FEED
from faults.launcher import replace_everywhere
from faults.result import Fault, Progress, Seen

WRITES = ("lags", "observations", "forecasts", "quarantine", "batches")


class PowerCutError(Exception):
    """What is raised in the middle of a batch."""


@contextmanager
def cut_after(table: str) -> Iterator[None]:
    """Let the writes up to that into `table` happen, and raise then."""
    replaced = []
    for original in (penstock.spark.tables.append_once, penstock.spark.merge.merge_once):

        def write_then_cut(frame: Any, path: str, transaction: Any, original: Any = original, **options: Any) -> None:
            original(frame, path, transaction, **options)
            if Path(path).name == table:
                raise PowerCutError

        replace_everywhere(original, write_then_cut)
        replaced.append((write_then_cut, original))
    commit = penstock.spark.tables.PreparedAppend.commit

    def commit_then_cut(append: penstock.spark.tables.PreparedAppend) -> None:
        commit(append)
        if Path(append.path).name == table:
            raise PowerCutError

    penstock.spark.tables.PreparedAppend.commit = commit_then_cut  # type: ignore[method-assign]
    try:
        yield
    finally:
        penstock.spark.tables.PreparedAppend.commit = commit  # type: ignore[method-assign]
        for replacement, original in replaced:
            replace_everywhere(replacement, original)


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    cut, whole = SERIES_FEED.sandbox(bench, "cut"), SERIES_FEED.sandbox(bench, "cut-whole")
    for number in range(times + 1):
        for sandbox in (cut, whole):
            SERIES_FEED.deliver(sandbox, number)
        whole.run()
        if number == 0:
            cut.run()
        elif number > progress.done:
            was_cut = False
            with cut_after(write := WRITES[(number - 1) % len(WRITES)]):
                try:
                    cut.run()
                except PowerCutError:
                    was_cut = True
            cut.run()
            progress.add(write=write, cut=was_cut)
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
