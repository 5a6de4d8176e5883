"""Every fault in short; `make faults` brings them with the full numbers."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry

from faults import run, shorts
from faults.bench import PATIENCE_SECONDS, Bench, streaming
from faults.feeds import FEEDS, ROWS_FEED, Feed, delivered
from faults.result import Fault
from faults.shorts import Short
from penstock.errors import LeaseError
from penstock.pipeline.lease import Holder, file_path, lease_path
from penstock.storage.files import LocalStorage


@pytest.fixture(scope="module")
def shared_bench(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(folder=tmp_path_factory.mktemp("shared"), spark=spark, registry=registry)


@pytest.fixture
def bench(spark: SparkSession, registry: TestRegistry, tmp_path: Path) -> Bench:
    return Bench(folder=tmp_path, spark=spark, registry=registry)


@pytest.fixture
def process_bench(bench: Bench) -> Bench:
    """For faults that strike jobs as processes."""
    return bench


@pytest.mark.parametrize("short", shorts.HERE, ids=str)
def test_nothing_is_lost_twice_or_misplaced(shared_bench: Bench, short: Short) -> None:
    short.holds(shared_bench)


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name)
def test_a_ledger_sees_what_is_lost_and_what_is_twice(shared_bench: Bench, feed: Feed) -> None:
    """The judge of the others can say no: of a stream that they have run, if it is there."""
    sandbox = feed.sandbox(shared_bench, f"whole-{feed.name}")
    if not (files := delivered(sandbox)):
        for number in range(files := 2):
            feed.deliver(sandbox, number)
        sandbox.run()
    assert feed.ledger(sandbox, range(files)).is_clean
    assert feed.ledger(sandbox, range(files + 1)).lost > 0
    assert feed.ledger(sandbox, range(files - 1)).twice > 0
    before = feed.contents(sandbox)
    double(sandbox, table := next(iter(before)))
    assert feed.ledger(sandbox, range(files)).twice > 0
    assert feed.contents(sandbox)[table] != before[table]


def double(sandbox: Sandbox, table: str) -> None:
    rows = sandbox.table(table)
    rows.limit(12).write.format("delta").mode("append").save(str(sandbox.root / "tables" / table))


@pytest.mark.parametrize("short", shorts.PROCESSES, ids=str)
def test_processes_leave_what_they_promise(process_bench: Bench, short: Short) -> None:
    short.holds(process_bench)


@pytest.mark.parametrize(
    ("brought", "in_short"),
    [(run.FAULTS, (*shorts.HERE, *shorts.PROCESSES)), (run.ON_S3, shorts.ON_S3)],
    ids=["local", "on S3"],
)
def test_every_fault_is_in_a_tier(brought: Sequence[Fault], in_short: Sequence[Short]) -> None:
    """On S3, tests/s3/test_pipelines_on_s3.py brings them."""
    found = [fault.key for one in in_short for fault, _ in one.faults]
    assert sorted(found) == sorted(fault.key for fault in brought)


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
