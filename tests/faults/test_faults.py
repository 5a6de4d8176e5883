"""The faults in short, as many as there is time for; `make faults` brings all of them with the full numbers."""

from functools import partial
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from sandbox import TestRegistry

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
from faults.bench import Bench
from faults.result import Fault, Progress


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
@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (crash_at_every_step.FAULT, 1),
        (two_writers.FAULT, 1),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_processes_leave_what_they_promise(bench: Bench, fault: Fault, times: int) -> None:
    holds(bench, fault, times)


@pytest.mark.integration
def test_a_zombie_is_fenced_off(bench: Bench) -> None:
    """With a lease of 3 s in place of 45 s."""
    seen = partial(zombie.run, lease_seconds=3.0)(bench, Progress(), 1)
    assert seen.passed, seen
