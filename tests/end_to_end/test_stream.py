"""A stream that ends leaves no query behind, for its lease is given back and another process may write."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from faults.bench import stream
from sandbox import WINE, Sandbox, csv_file

from penstock.errors import LeaseError
from penstock.models.prefetch import Preparation
from penstock.pipeline.context import Pipeline
from penstock.pipeline.lease import Holder, Lease, file_path, lease_path, read_holder
from penstock.pipeline.microbatch import run_microbatch


@pytest.fixture
def quiet(sandbox: Sandbox) -> Iterator[Sandbox]:
    """A pipeline without files; a query of it that a test leaves behind is not left to the tests after it."""
    yield sandbox
    for query in sandbox.spark.streams.active:
        query.stop()


def out_of_reach(thing: object) -> bool:
    raise OSError("the storage is out of reach")


@pytest.mark.parametrize(("asked", "method"), [(Preparation, "look"), (Lease, "check")])
def test_an_error_beside_the_batches_stops_the_query(
    quiet: Sandbox, monkeypatch: pytest.MonkeyPatch, asked: type, method: str
) -> None:
    monkeypatch.setattr(asked, method, out_of_reach)
    with pytest.raises(OSError, match="out of reach"):
        stream(quiet)
    assert quiet.spark.streams.active == []
    assert read_holder(quiet.storage, lease_path(quiet.config().tables.root)) is None


def test_who_finished_the_batch_in_its_place_is_named(quiet: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that Spark says is that there is a file in its checkpoint."""
    monkeypatch.setattr("penstock.pipeline.lease.RENEW_SECONDS", 0.2)
    quiet.drop("a.csv", csv_file(WINE))

    def overtaken(pipeline: Pipeline, **batch: Any) -> object:
        record = run_microbatch(pipeline, **batch)
        commits = quiet.root / "checkpoint" / "commits"
        (commits / "0").write_text('v1\n{"nextBatchWatermarkMs":0}')
        other = replace(Holder.this_process("score_stream"), host="elsewhere", pid=77)
        path = lease_path(pipeline.config.tables.root)
        assert quiet.storage.create(file_path(path, 1_000_000), other.to_json())
        while not pipeline.lease._lost:
            time.sleep(0.05)
        return record

    monkeypatch.setattr("penstock.pipeline.stream.run_microbatch", overtaken)
    with pytest.raises(LeaseError, match=r"the lease is lost: score_stream, pid 77 on elsewhere.* holds it now"):
        stream(quiet)
