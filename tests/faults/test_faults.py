"""The faults in short, as many as there is time for; `make faults` brings all of them with the full numbers."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry

from faults import (
    batch_replay,
    crash_at_every_step,
    cut_after_each_write,
    fuzz_files,
    fuzz_lines,
    hot_swap,
    two_writers,
    zombie,
)
from faults.bench import PATIENCE_SECONDS, Bench, streaming
from faults.feeds import ROWS_FEED
from faults.result import Fault, Progress
from penstock.errors import LeaseError
from penstock.pipeline.lease import Holder, file_path, lease_path
from penstock.storage.files import LocalStorage


@pytest.fixture
def bench(spark: SparkSession, registry: TestRegistry, tmp_path: Path) -> Bench:
    return Bench(folder=tmp_path, spark=spark, registry=registry)


def holds(bench: Bench, fault: Fault, times: int) -> None:
    result = fault.examine(bench, times=times)
    assert result.passed, result


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (cut_after_each_write.FAULT, 1),
        (batch_replay.FAULT, 2),
        (hot_swap.FAULT, 4),
        (fuzz_lines.FAULT, 1_000),
        (fuzz_files.FAULT, 15),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_nothing_is_lost_twice_or_misplaced(bench: Bench, fault: Fault, times: int) -> None:
    holds(bench, fault, times)


@pytest.mark.integration
def test_processes_leave_what_they_promise(bench: Bench) -> None:
    holds(bench, crash_at_every_step.FAULT, 1)


@pytest.mark.integration
def test_one_of_two_writers_runs(bench: Bench) -> None:
    """However slow the machine is: how soon the other says why, `make faults` judges."""
    seen = two_writers.run(bench, Progress(), 1, within_seconds=PATIENCE_SECONDS)
    assert seen.passed, seen


@pytest.mark.integration
def test_a_zombie_is_fenced_off(bench: Bench) -> None:
    """With a lease of 3 s in place of 45 s."""
    seen = partial(zombie.run, lease_seconds=3.0)(bench, Progress(), 1)
    assert seen.passed, seen


def test_a_stream_without_files_ends_when_its_lease_is_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would look alive to its operator for ever."""
    monkeypatch.setattr("penstock.pipeline.lease.RENEW_SECONDS", 0.2)
    sandbox = ROWS_FEED.sandbox(bench, "idle")
    with pytest.raises(LeaseError, match=r"pid 77 on elsewhere.* holds it now"), streaming(sandbox) as check:
        lose_the_lease(sandbox, check)


def lose_the_lease(sandbox: Sandbox, check: Callable[[], None]) -> None:
    """Another takes it as soon as the stream runs; waits for the stream's end, and raises its error."""
    thief = replace(Holder.this_process("thief"), host="elsewhere", pid=77)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        check()
        if (sandbox.root / "checkpoint" / "metadata").exists():
            LocalStorage().create(file_path(lease_path(sandbox.config().tables.root), 1_000), thief.to_json())
        time.sleep(0.1)
    raise AssertionError("the stream continues without its lease")
