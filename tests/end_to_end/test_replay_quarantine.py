"""Quarantined rows and files, put through again after a fix."""

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from sandbox import WINE, Sandbox, TestRegistry, csv_file

from penstock.errors import ConfigError, LedgerError
from penstock.reconciliation import reconcile


class PowerCutError(Exception):
    """What the tests raise in the middle of a replay."""


def fill(sandbox: Sandbox) -> None:
    """Under LIMITED two rows are accepted, five rejected, and a file is refused."""
    sandbox.registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {"contract": "sample_contracts:LIMITED", "model": {"name": "echo"}}
    sandbox.drop("a.csv", b"x,note\n1,ok\n11,large\nabc,bad\n11,large\nx,note\n")
    sandbox.drop("other-order.csv", b'note,x\n"said ""no"", twice",12\n', age_seconds=50)
    sandbox.drop("latin.csv", "x,note\n2,caf\xe9 \\x41\n".encode("latin-1"), age_seconds=40)
    sandbox.drop("refused.csv", b"x\n5\n", age_seconds=30)
    pq.write_table(pa.table({"x": [3.0, 13.0], "note": ["fine", None]}), sandbox.inbox / "b.parquet")
    sandbox.age(sandbox.inbox / "b.parquet")


def fix(sandbox: Sandbox) -> None:
    """No rule any more, the right encoding, and the refused file put right in its place."""
    sandbox.changes |= {"contract": "sample_contracts:SMALL", "source": {"csv": {"encoding": "ISO-8859-1"}}}
    sandbox.drop("refused.csv", b"x,note\n5,late\n,empty\n")


def scored(sandbox: Sandbox) -> list[tuple[Any, ...]]:
    return sorted((row.source_file.rsplit("/", 1)[1], row.x, row.note or "") for row in sandbox.rows("predictions"))


def waiting(sandbox: Sandbox) -> list[tuple[str, str]]:
    rows = sandbox.table("quarantine").where("replayed_in IS NULL").collect()
    return sorted((row.source_file.rsplit("/", 1)[1], row.reasons[0]) for row in rows)


FIXED = [
    ("a.csv", 1.0, "ok"),
    ("a.csv", 11.0, "large"),
    ("a.csv", 11.0, "large"),
    ("b.parquet", 3.0, "fine"),
    ("b.parquet", 13.0, ""),
    ("latin.csv", 2.0, "caf\xe9 \\x41"),
    ("other-order.csv", 12.0, 'said "no", twice'),
    ("refused.csv", 5.0, "late"),
]
STILL_WAITING = [
    ("a.csv", "row: is the header line again"),
    ("a.csv", "x: 'abc' is not a double"),
    ("refused.csv", "x: is null, and the contract wants a value"),
]


@pytest.fixture(scope="module")
def replayed(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(root=tmp_path_factory.mktemp("replayed"), spark=spark, registry=registry)
    fill(sandbox)
    sandbox.run()
    assert scored(sandbox) == [("a.csv", 1.0, "ok"), ("b.parquet", 3.0, "fine")]
    assert len(waiting(sandbox)) == 8
    fix(sandbox)
    [record] = sandbox.replay()
    assert (record.accepted, record.quarantined) == (6, 1)
    return sandbox


def test_what_passes_now_is_scored_and_the_rest_stays(replayed: Sandbox) -> None:
    assert scored(replayed) == FIXED
    assert waiting(replayed) == STILL_WAITING
    marked = replayed.table("quarantine").where("replayed_in = 0")
    assert marked.count() == 6
    stream = replayed.table("batches").where("query_id = 'replay'").collect()
    assert [(row.batch_id, row.accepted, row.quarantined) for row in stream] == [(0, 6, 1)]
    files = {file.path.rsplit("/", 1)[1]: file.rows for file in stream[0].files}
    assert files == {"a.csv": 2, "b.parquet": 1, "latin.csv": 1, "other-order.csv": 1, "refused.csv": 2}


def test_a_replay_leaves_the_books_balanced(replayed: Sandbox) -> None:
    found = reconcile(replayed.spark, replayed.config())
    assert found.differences == ()
    assert (found.balance.inbox, found.balance.scored, found.balance.quarantined) == (11, 8, 3)


def test_a_second_replay_and_a_backfill_change_nothing(replayed: Sandbox) -> None:
    before = {name: replayed.table(name).count() for name in ("predictions", "quarantine", "batches")}
    assert replayed.replay() == []
    assert replayed.run() == []
    assert {name: replayed.table(name).count() for name in before} == before


def test_other_reasons_make_a_new_row(sandbox: Sandbox) -> None:
    fill(sandbox)
    sandbox.run()
    sandbox.changes |= {"contract": "sample_contracts:MORE_LIMITED"}
    [record] = sandbox.replay(reason="rule small")
    assert (record.accepted, record.quarantined) == (0, 4)
    reasons = [reason for _, reason in waiting(sandbox)]
    assert sorted(reason.split(":")[0] for reason in reasons) == sorted(
        ["rule tiny"] * 4 + ["row", "row", "x", "header"]
    )


def test_a_replay_that_was_cut_off_is_finished_by_the_next(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off before each of its writes: each attempt comes one further."""
    fill(sandbox)
    sandbox.run()
    fix(sandbox)

    def cut(*arguments: Any) -> None:
        raise PowerCutError

    for step in ("replaying.write_quarantine", "workload.append_once", "replaying.write_marker", "replaying.mark"):
        with monkeypatch.context() as patch:
            patch.setattr(f"penstock.{step}", cut)
            with pytest.raises(PowerCutError):
                sandbox.replay()
        found = reconcile(sandbox.spark, sandbox.config())
        assert [one.kind for one in found.differences] == ["changed"], step  # refused.csv, put right in its place
        assert (found.balance.scored, found.balance.unaccounted) == (2, 2)
    with pytest.raises(LedgerError, match=r"replay 0 of .* was cut off; run jobs/replay_quarantine\.py"):
        sandbox.run()
    assert [record.plan.batch_id for record in sandbox.replay()] == [0]
    assert scored(sandbox) == FIXED
    assert waiting(sandbox) == STILL_WAITING
    assert sandbox.run() == []


def test_a_replay_waits_for_the_batch_that_was_cut_off(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.drop("a.csv", csv_file(WINE))
    with monkeypatch.context() as patch:
        patch.setattr("penstock.batch.write_marker", lambda *arguments: (_ for _ in ()).throw(PowerCutError()))
        with pytest.raises(PowerCutError):
            sandbox.run()
    with pytest.raises(LedgerError, match=r"batch 0 of the stream has begun and is not finished; run jobs/backfill"):
        sandbox.replay()


def test_late_is_for_series(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigError, match="--late is for series"):
        sandbox.replay(late=True)
