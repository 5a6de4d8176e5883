"""Quarantined rows and files, put through again after a fix."""

import math
import shutil
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from chispa import assert_df_equality
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sample_contracts import EXACT
from sandbox import WINE, Sandbox, TestRegistry, csv_file
from snapshots import Snapshot

from penstock.errors import ConfigError, LedgerError, PlanError
from penstock.operations.reconcile.reconcile import reconcile
from penstock.spark.tables import PreparedAppend


class PowerCutError(Exception):
    """What the tests raise in the middle of a replay."""


def cut(*arguments: Any, **options: Any) -> None:
    raise PowerCutError


def replay_cut_off(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, *, before: str, aborts: bool = False) -> None:
    """Replay, and let the power go just before a step, or before the commit of what is prepared for a table."""
    commit = PreparedAppend.commit

    def commit_others(append: PreparedAppend) -> None:
        cut() if append.path.endswith(f"/{before}") else commit(append)

    with monkeypatch.context() as patch:
        patch.setattr(PreparedAppend, "commit", commit_others)
        if "." in before:
            patch.setattr(f"penstock.{before}", cut)
        with pytest.raises(PowerCutError):
            sandbox.replay(aborts=aborts)


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
    rows = [row for row in sandbox.rows("quarantine") if row.replayed_in is None]
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
def filled(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """After the first batch, with nothing put right."""
    sandbox = Sandbox(root=tmp_path_factory.mktemp("filled"), spark=spark, registry=registry)
    fill(sandbox)
    sandbox.run()
    assert scored(sandbox) == [("a.csv", 1.0, "ok"), ("b.parquet", 3.0, "fine")]
    assert len(waiting(sandbox)) == 8
    return Snapshot.of(sandbox)


@pytest.fixture(scope="module")
def finished(filled: Snapshot) -> Snapshot:
    """After the replay, with all put right."""
    sandbox = filled.restored()
    fix(sandbox)
    [record] = sandbox.replay()
    assert (record.accepted, record.quarantined) == (6, 1)
    return Snapshot.of(sandbox)


@pytest.fixture
def replayed(finished: Snapshot) -> Sandbox:
    return finished.restored()


def test_what_passes_now_is_scored_and_the_rest_stays(replayed: Sandbox) -> None:
    assert scored(replayed) == FIXED
    assert waiting(replayed) == STILL_WAITING
    assert [row.replayed_in for row in replayed.rows("quarantine")].count(0) == 6
    stream = [row for row in replayed.rows("batches") if row.query_id == "replay"]
    assert [(row.batch_id, row.accepted, row.quarantined) for row in stream] == [(0, 6, 1)]
    files = {file.path.rsplit("/", 1)[1]: file.rows for file in stream[0].files}
    assert files == {"a.csv": 2, "b.parquet": 1, "latin.csv": 1, "other-order.csv": 1, "refused.csv": 2}


def test_a_replay_leaves_the_books_balanced(replayed: Sandbox) -> None:
    found = reconcile(replayed.spark, replayed.config())
    assert found.differences == ()
    assert (found.balance.inbox, found.balance.scored, found.balance.quarantined) == (11, 8, 3)


def test_a_second_replay_and_a_backfill_change_nothing(replayed: Sandbox) -> None:
    before = {name: replayed.count(name) for name in ("predictions", "quarantine", "batches")}
    assert replayed.replay() == []
    assert replayed.run() == []
    assert {name: replayed.count(name) for name in before} == before


def test_other_reasons_make_a_new_row(filled: Snapshot) -> None:
    sandbox = filled.restored()
    sandbox.changes |= {"contract": "sample_contracts:MORE_LIMITED"}
    [record] = sandbox.replay(reason="rule small")
    assert (record.accepted, record.quarantined) == (0, 4)
    reasons = [reason for _, reason in waiting(sandbox)]
    assert sorted(reason.split(":")[0] for reason in reasons) == sorted(
        ["rule tiny"] * 4 + ["row", "row", "x", "header"]
    )


def test_a_replay_that_was_cut_off_is_finished_by_the_next(filled: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted before each of its writes: each attempt gets one further. The first one is planned again."""
    sandbox = filled.restored()
    fix(sandbox)
    for step in (
        "pipeline.microbatch.commit_quarantine",
        "predictions",
        "pipeline.microbatch.commit_marker",
        "pipeline.replay.quarantine.mark_replayed",
    ):
        replay_cut_off(sandbox, monkeypatch, before=step)
        found = reconcile(sandbox.spark, sandbox.config())
        assert [one.kind for one in found.differences] == ["changed"], step  # refused.csv, put right in its place
        assert (found.balance.scored, found.balance.unaccounted) == (2, 2)
    with pytest.raises(LedgerError, match=r"replay 1 of .* was cut off; run jobs/replay_quarantine\.py"):
        sandbox.run()
    assert [record.plan.batch_id for record in sandbox.replay()] == [1]
    assert scored(sandbox) == FIXED
    assert waiting(sandbox) == STILL_WAITING
    assert sandbox.run() == []


def test_a_replay_that_wrote_nothing_is_planned_again(filled: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it planned may never go through: here a file is gone since."""
    sandbox = filled.restored()
    fix(sandbox)
    replay_cut_off(sandbox, monkeypatch, before="pipeline.microbatch.commit_quarantine")
    (sandbox.inbox / "refused.csv").unlink()
    assert [record.plan.batch_id for record in sandbox.replay()] == [1]
    assert scored(sandbox) == [row for row in FIXED if row[0] != "refused.csv"]
    assert sandbox.run() == []


@pytest.fixture(scope="module")
def one_waiting(shared_sandbox: Sandbox) -> Snapshot:
    """Nothing is rejected when it is replayed: the first write is that of the predictions."""
    sandbox = shared_sandbox
    sandbox.registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {"contract": "sample_contracts:LIMITED", "model": {"name": "echo"}}
    sandbox.drop("a.csv", b"x,note\n11,large\n")
    sandbox.run()
    sandbox.changes |= {"contract": "sample_contracts:SMALL"}
    return Snapshot.of(sandbox)


@pytest.fixture(scope="module")
def cut_at_marker(one_waiting: Snapshot) -> Snapshot:
    """The replay has written the row and not its marker."""
    sandbox = one_waiting.restored()
    with pytest.MonkeyPatch.context() as patch:
        replay_cut_off(sandbox, patch, before="pipeline.microbatch.commit_marker")
    return Snapshot.of(sandbox)


def test_what_a_paused_replay_still_writes_is_dropped(one_waiting: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """It continues after another replay found that it had written nothing, before that one writes the same row."""
    sandbox = one_waiting.restored()
    late: list[PreparedAppend] = []
    commit = PreparedAppend.commit

    def after_the_late_one(append: PreparedAppend) -> None:
        commit(late[0])
        commit(append)

    with monkeypatch.context() as patch:
        patch.setattr(PreparedAppend, "commit", lambda append: late.append(append) or cut())
        with pytest.raises(PowerCutError):
            sandbox.replay()
        patch.setattr(PreparedAppend, "commit", after_the_late_one)
        assert [record.plan.batch_id for record in sandbox.replay()] == [1]
    assert [(row.x, row.batch_id) for row in sandbox.rows("predictions")] == [(11.0, 1)]


def test_a_replay_whose_first_write_was_of_predictions_is_finished(
    cut_at_marker: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = cut_at_marker.restored()
    assert [record.plan.batch_id for record in sandbox.replay()] == [0]
    assert (scored(sandbox), waiting(sandbox)) == ([("a.csv", 11.0, "large")], [])


def test_a_replay_that_can_not_be_finished_is_taken_back(filled: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a planned file is gone, when some of the replay is in the tables already."""
    sandbox = filled.restored()
    before = scored(sandbox)
    fix(sandbox)
    replay_cut_off(sandbox, monkeypatch, before="pipeline.microbatch.commit_marker")
    (sandbox.inbox / "refused.csv").unlink()
    with pytest.raises(PlanError, match=r"replay 0: .*refused\.csv was planned and is gone"):
        sandbox.replay()
    with pytest.raises(LedgerError, match=r"or with --give-up to roll it back"):
        sandbox.run()
    assert sandbox.replay(aborts=True) == []
    assert (scored(sandbox), len(waiting(sandbox))) == (before, 8)
    assert [record.plan.batch_id for record in sandbox.replay()] == [1]
    assert scored(sandbox) == [row for row in FIXED if row[0] != "refused.csv"]
    assert sandbox.run() == []


GIVING_UP = ("commit_nothing", "delete_batch_rows", "log.warning")


@pytest.mark.parametrize("step", GIVING_UP)
def test_a_replay_that_was_taken_back_in_part_is_not_finished_by_the_next(
    cut_at_marker: Snapshot, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Its writes would be dropped, and what it took be marked as scored."""
    sandbox = cut_at_marker.restored()
    replay_cut_off(sandbox, monkeypatch, before=f"pipeline.replay.abort.{step}", aborts=True)
    assert [record.plan.batch_id for record in sandbox.replay()] == [1]
    assert (scored(sandbox), waiting(sandbox)) == ([("a.csv", 11.0, "large")], [])
    assert sorted(row.batch_id for row in sandbox.rows("batches")) == [0, 1]


def test_a_replay_with_its_marker_is_not_taken_back(one_waiting: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = one_waiting.restored()
    replay_cut_off(sandbox, monkeypatch, before="pipeline.replay.quarantine.mark_replayed")
    with pytest.raises(LedgerError, match="replay 0 has its marker, and its rows are there to stay"):
        sandbox.replay(aborts=True)
    assert [record.plan.batch_id for record in sandbox.replay()] == [0]
    assert (scored(sandbox), waiting(sandbox)) == ([("a.csv", 11.0, "large")], [])


def test_a_replay_with_its_marker_is_finished_without_the_versions_that_it_read(
    filled: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its rows, some are scored, and some rejected for another reason."""
    sandbox = filled.restored()
    fix(sandbox)
    replay_cut_off(sandbox, monkeypatch, before="pipeline.replay.quarantine.mark_replayed")
    forget_versions(sandbox, "quarantine")
    assert [record.plan.batch_id for record in sandbox.replay()][:1] == [0]
    assert (scored(sandbox), waiting(sandbox)) == (FIXED, STILL_WAITING)
    assert sandbox.replay() == []
    assert reconcile(sandbox.spark, sandbox.config()).differences == ()


def forget_versions(sandbox: Sandbox, table: str) -> None:
    """As maintenance does a week later."""
    key = "spark.databricks.delta.retentionDurationCheck.enabled"
    sandbox.spark.conf.set(key, "false")
    found = DeltaTable.forPath(sandbox.spark, f"{sandbox.root}/tables/{table}")
    found.optimize().executeCompaction()
    found.vacuum(0)
    sandbox.spark.conf.unset(key)


def test_a_damaged_file_stays_refused_and_stops_no_replay(sandbox: Sandbox) -> None:
    sandbox.registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {"contract": "sample_contracts:LIMITED", "model": {"name": "echo"}}
    whole = sandbox.drop("damaged.parquet", b"")
    pq.write_table(pa.table({"x": [float(n) for n in range(4000)], "note": [str(n) for n in range(4000)]}), whole)
    content = whole.read_bytes()
    sandbox.drop("damaged.parquet", content[:200] + bytes(len(content) // 2) + content[200 + len(content) // 2 :])
    sandbox.drop("a.csv", b"x,note\n11,large\n")
    sandbox.run()
    sandbox.changes |= {"contract": "sample_contracts:SMALL"}
    [record] = sandbox.replay()
    assert (record.accepted, record.quarantined) == (1, 0)
    [(file, reason)] = waiting(sandbox)
    assert (file, reason.split(": ")[:2]) == ("damaged.parquet", ["file", "its footer is whole, its pages are damaged"])
    assert sandbox.run() == []


def test_a_replay_waits_for_the_batch_that_was_cut_off(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.drop("a.csv", csv_file(WINE))
    with monkeypatch.context() as patch:
        patch.setattr(
            "penstock.pipeline.microbatch.commit_marker", lambda *arguments: (_ for _ in ()).throw(PowerCutError())
        )
        with pytest.raises(PowerCutError):
            sandbox.run()
    with pytest.raises(LedgerError, match=r"batch 0 of the stream has begun and is not finished; run jobs/backfill"):
        sandbox.replay()


def exact_table() -> pa.Table:
    """Values that are easily lost in a text. Days and microseconds are since 1970; the last are beyond Python's own."""
    microseconds = [1_709_208_000_000_001, -62_135_596_800_000_000, 253_402_300_800_123_456, -70_000_000_000_000_001]
    decimals = {
        "small": (["0E-8", "0.00000001", "-0.00000120", "1234567890.12345678"], pa.decimal128(18, 8)),
        "smallest": (["0", "1E-38", "-0.12345678901234567890123456789012345678", "1.20E-7"], pa.decimal128(38, 38)),
        "large": (["0", "9" * 38, "-" + "9" * 38, "1E+30"], pa.decimal128(38, 0)),
        "divided": (["0.0000000", "0.0000001", "-922337203685.4775807", "1.1"], pa.decimal128(19, 7)),
    }
    return pa.table(
        {
            "x": pa.array([0.1, 5e-324, 1.7976931348623157e308, -0.0]),
            "widened": pa.array([0.1, 1e-45, 3.4028235e38, 16777217.0], pa.float32()),
            "narrow": pa.array([0.1, 1e-45, 3.4028235e38, 16777217.0], pa.float32()),
            "kept": pa.array([math.nan, 1 / 3, 1e22, -1e-7]),
            "emptied": pa.array([math.nan, None, 123456789.123456789, 1e7], pa.float64()),
            "at": pa.array(microseconds, pa.timestamp("us", tz="UTC")),
            "local_at": pa.array(microseconds, pa.timestamp("us")),
            "day": pa.array([19_782, -719_162, 2_932_897, -800_000], pa.int32()).cast(pa.date32()),
            **{name: pa.array(map(Decimal, texts), kind) for name, (texts, kind) in decimals.items()},
            "big": pa.array([2**63 - 1, -(2**63), 0, 2**53 + 1]),
            "note": pa.array(['"\\\n', "", "null \1 \U0001f377", " {1.0} "]),
            "released": pa.array([False] * 4),
        }
    )


def test_a_parquet_row_keeps_its_values_through_the_quarantine(sandbox: Sandbox) -> None:
    """The same file is replayed, and accepted at once under another name."""
    sandbox.registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {"contract": "sample_contracts:EXACT_HELD", "model": {"name": "echo"}}
    sandbox.inbox.mkdir()
    pq.write_table(exact_table(), sandbox.inbox / "held.parquet")
    sandbox.age(sandbox.inbox / "held.parquet")
    sandbox.run()
    assert sandbox.reasons("held.parquet") == [["rule hold: not true: released"]] * 4
    sandbox.changes["contract"] = "sample_contracts:EXACT"
    [record] = sandbox.replay()
    assert waiting(sandbox) == []
    assert (record.accepted, record.quarantined) == (4, 0)
    sandbox.drop("again.parquet", (sandbox.inbox / "held.parquet").read_bytes())
    sandbox.run()
    assert_df_equality(stored(sandbox, "held.parquet"), stored(sandbox, "again.parquet"))


def stored(sandbox: Sandbox, file: str) -> DataFrame:
    """A file's values in comparable form: as text, since Python has no year 10000, and NaN is not equal to itself."""
    rows = sandbox.table("predictions").where(F.col("source_file").endswith(f"/{file}"))
    columns = [F.col(field.name).cast("string").alias(field.name) for field in EXACT.fields]
    return rows.select(*columns).orderBy("big")


def test_late_is_for_series(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigError, match="--late is for series"):
        sandbox.replay(late=True)


def test_a_replay_does_not_take_a_number_that_the_tables_have(finished: Snapshot) -> None:
    """The plans are lost: Delta would drop the rows of another replay 0, and they would count as replayed."""
    sandbox = finished.restored()
    shutil.rmtree(sandbox.root / "tables" / "_replays")
    sandbox.drop("more.csv", b"x\n7\n")
    sandbox.run()
    sandbox.drop("more.csv", b"x,note\n7,more\n")
    [record] = sandbox.replay()
    assert (record.plan.batch_id, record.accepted) == (1, 1)
    assert scored(sandbox) == sorted([*FIXED, ("more.csv", 7.0, "more")])
    assert waiting(sandbox) == STILL_WAITING


def test_a_replay_that_was_cut_off_and_whose_plan_is_lost_leaves_no_rows(
    filled: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = filled.restored()
    fix(sandbox)
    replay_cut_off(sandbox, monkeypatch, before="pipeline.microbatch.commit_marker")
    shutil.rmtree(sandbox.root / "tables" / "_replays")
    [record] = sandbox.replay()
    assert (record.plan.batch_id, record.accepted) == (1, 6)
    assert scored(sandbox) == FIXED
    assert waiting(sandbox) == STILL_WAITING
    assert reconcile(sandbox.spark, sandbox.config()).differences == ()
