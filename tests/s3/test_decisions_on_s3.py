"""Decisions of a pipeline whose tables lie on S3: files, and rows that writers who begin together append once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from decision_bench import DecisionBench
from deltalake import DeltaTable
from s3_server import S3Server
from sandbox import TestRegistry

from penstock.pipeline.decisions.files import DecisionFiles
from penstock.pipeline.decisions.table import write_rows
from penstock.storage.files import Storage
from penstock.storage.routing import storage_of

ROUNDS, WRITERS = 3, 3


def test_decisions_and_their_rows(
    buckets: S3Server, registry: TestRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in buckets.environment().items():
        monkeypatch.setenv(name, value)
    root = f"s3a://direct/{tmp_path.name}/tables"
    bench = DecisionBench(tmp_path, registry, sections={"tables": {"root": root}})
    storage = storage_of(bench.config)
    for number in range(ROUNDS):
        with monkeypatch.context() as patch:
            # The rows are written below.
            patch.setattr("penstock.pipeline.decisions.decider.try_to_write_rows", lambda config, history: True)
            pair = ("1", "2") if number % 2 == 0 else ("2", "1")
            assert bench.decide("promote", *pair, storage=storage).is_done
        write_by_several(bench, storage)
    assert bench.pair == ("2", "1")
    location = f"s3://direct/{tmp_path.name}/tables/decisions"
    table = DeltaTable(location, storage_options=buckets.environment() | {"AWS_ALLOW_HTTP": "true"})
    assert sorted(table.to_pyarrow_table().column("batch_id").to_pylist()) == list(range(ROUNDS))


def write_by_several(bench: DecisionBench, storage: Storage) -> None:
    """The first time, they make the table, too."""
    history, barrier = DecisionFiles(storage=storage, root=bench.config.tables.root).history(), Barrier(WRITERS)

    def write(_: int) -> None:
        barrier.wait()
        write_rows(bench.config, history)

    with ThreadPoolExecutor(max_workers=WRITERS) as executor:
        list(executor.map(write, range(WRITERS)))
