"""Replays of the quarantine that were cut off: each is finished or rolled back, and no row is lost or scored twice."""

import shutil
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from delta.tables import DeltaTable
from power_cuts import PowerCutError, cut_off, replay_cut_off
from pyspark.sql import SparkSession
from quarantines import scored, use_echo, waiting
from sandbox import Sandbox, TestRegistry, with_damaged_pages
from snapshots import Snapshot

from penstock.errors import LedgerError, PlanError
from penstock.operations.reconcile.reconcile import Reconciliation, reconcile
from penstock.spark.tables import PreparedAppend

BEFORE = [("a.csv", 1.0, "ok")]
FIXED = [*BEFORE, ("a.csv", 11.0, "large"), ("a.csv", 11.0, "large"), ("refused.csv", 5.0, "late")]
STILL_WAITING = [
    ("a.csv", "row: is the header line again"),
    ("a.csv", "x: 'abc' is not a double"),
    ("gone.csv", "file: vanished between listing and reading"),
    ("refused.csv", "x: is null, and the contract wants a value"),
]


def new_sandbox(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(root=tmp_path_factory.mktemp("replayed"), spark=spark, registry=registry)
    use_echo(sandbox)
    return sandbox


@dataclass(frozen=True)
class Begun:
    """Replay 1 has written its rows and not its marker; replay 0 had written nothing. found: after each cut."""

    snapshot: Snapshot
    found: tuple[Reconciliation, ...]


@pytest.fixture(scope="module")
def begun(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Begun:
    """Interrupted before each of its writes: each attempt gets one further. gone.csv goes after the first."""
    sandbox = new_sandbox(spark, registry, tmp_path_factory)
    sandbox.drop("a.csv", b"x,note\n1,ok\n11,large\nabc,bad\n11,large\nx,note\n")
    for name in ("refused.csv", "gone.csv"):
        sandbox.drop(name, b"x\n5\n", age_seconds=30)
    sandbox.run()
    assert (scored(sandbox), len(waiting(sandbox))) == (BEFORE, 6)
    sandbox.changes |= {"contract": "sample_contracts:SMALL"}
    for name in ("refused.csv", "gone.csv"):
        sandbox.drop(name, b"x,note\n5,late\n,empty\n")
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for step in ("pipeline.microbatch.commit_quarantine", "predictions", "pipeline.microbatch.commit_marker"):
            replay_cut_off(sandbox, patch, before=step)
            (sandbox.inbox / "gone.csv").unlink(missing_ok=True)
            found.append(reconcile(sandbox.spark, sandbox.config()))
    return Begun(snapshot=Snapshot.of(sandbox), found=tuple(found))


@pytest.fixture
def half_written(begun: Begun) -> Sandbox:
    return begun.snapshot.restored()


def assert_only_the_fix_is_a_difference(found: Reconciliation) -> None:
    """refused.csv was put right in its place: its two rows are in no table yet."""
    assert [one.kind for one in found.differences] == ["changed"]
    assert (found.balance.scored, found.balance.unaccounted) == (1, 2)


def test_what_a_replay_has_written_does_not_count_before_its_marker(begun: Begun) -> None:
    for found in begun.found:
        assert_only_the_fix_is_a_difference(found)


@pytest.fixture(scope="module")
def marked(begun: Begun) -> Snapshot:
    """The rows that the replay took are not marked yet. Of its rows, some are scored, some rejected for another
    reason, and a file of its first plan is gone since."""
    sandbox = begun.snapshot.restored()
    with pytest.MonkeyPatch.context() as patch:
        replay_cut_off(sandbox, patch, before="pipeline.replay.quarantine.mark_replayed")
    return Snapshot.of(sandbox)


def test_a_replay_that_was_cut_off_is_finished_by_the_next(marked: Snapshot) -> None:
    """One with its marker is not rolled back."""
    sandbox = marked.restored()
    assert_only_the_fix_is_a_difference(reconcile(sandbox.spark, sandbox.config()))
    with pytest.raises(LedgerError, match=r"replay 1 of .* was cut off; run jobs/replay_quarantine\.py"):
        sandbox.run()
    with pytest.raises(LedgerError, match="replay 1 has its marker, and its rows are there to stay"):
        sandbox.replay(aborts=True)
    assert [record.plan.batch_id for record in sandbox.replay()] == [1]
    assert (scored(sandbox), waiting(sandbox)) == (FIXED, STILL_WAITING)
    assert sandbox.run() == []


def test_a_replay_with_its_marker_is_finished_without_the_versions_that_it_read(marked: Snapshot) -> None:
    sandbox = marked.restored()
    forget_versions(sandbox, "quarantine")
    assert [record.plan.batch_id for record in sandbox.replay()][:1] == [1]
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


def test_a_replay_that_can_not_be_finished_is_rolled_back(
    half_written: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planned file is gone, when some of the replay is in the tables already. What was rolled back in part is not
    finished by the next: its writes would be dropped, and what it took be marked as scored."""
    sandbox = half_written
    (sandbox.inbox / "refused.csv").unlink()
    with pytest.raises(PlanError, match=r"replay 1: .*refused\.csv was planned and is gone"):
        sandbox.replay()
    with pytest.raises(LedgerError, match=r"or with --give-up to roll it back"):
        sandbox.run()
    replay_cut_off(sandbox, monkeypatch, before="pipeline.replay.abort.commit_nothing", aborts=True)
    replay_cut_off(sandbox, monkeypatch, before="pipeline.replay.abort.delete_batch_rows")
    assert len(scored(sandbox)) > len(BEFORE)
    replay_cut_off(sandbox, monkeypatch, before="pipeline.replay.abort.log.warning")
    assert sandbox.replay(aborts=True) == []
    assert (scored(sandbox), len(waiting(sandbox))) == (BEFORE, 6)
    assert [record.plan.batch_id for record in sandbox.replay()] == [2]
    assert scored(sandbox) == [row for row in FIXED if row[0] != "refused.csv"]
    assert sorted(row.batch_id for row in sandbox.rows("batches")) == [0, 2]
    assert sandbox.run() == []


def test_a_replay_that_was_cut_off_and_whose_plan_is_lost_leaves_no_rows(half_written: Sandbox) -> None:
    sandbox = half_written
    shutil.rmtree(sandbox.root / "tables" / "_replays")
    [record] = sandbox.replay()
    assert (record.plan.batch_id, record.accepted) == (2, 3)
    assert (scored(sandbox), waiting(sandbox)) == (FIXED, STILL_WAITING)
    assert reconcile(sandbox.spark, sandbox.config()).differences == ()


def test_a_replay_whose_first_write_is_of_predictions_is_fenced_off_and_finished(
    spark: SparkSession,
    registry: TestRegistry,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is rejected when it is replayed. Replay 1 is paused before it writes: it continues after the next one
    found that it had written nothing, before that one writes the same row. A damaged file stays refused, and stops
    no replay; nor does it stop one of which nothing is accepted."""
    sandbox = new_sandbox(spark, registry, tmp_path_factory)
    whole = sandbox.drop("damaged.parquet", b"")
    pq.write_table(pa.table({"x": [float(n) for n in range(4000)], "note": [str(n) for n in range(4000)]}), whole)
    sandbox.drop("damaged.parquet", with_damaged_pages(whole.read_bytes()))
    sandbox.drop("a.csv", b"x,note\n11,large\n")
    sandbox.run()
    sandbox.changes |= {"contract": "sample_contracts:MORE_LIMITED"}
    [record] = sandbox.replay()
    assert (record.plan.batch_id, record.accepted, record.quarantined) == (0, 0, 1)
    sandbox.changes |= {"contract": "sample_contracts:SMALL"}
    late: list[PreparedAppend] = []
    commit = PreparedAppend.commit

    def after_the_late_one(append: PreparedAppend) -> None:
        commit(late[0])
        commit(append)

    with monkeypatch.context() as patch:
        patch.setattr(PreparedAppend, "commit", lambda append: late.append(append) or cut_off())
        with pytest.raises(PowerCutError):
            sandbox.replay()
        assert late[0].path.endswith("/predictions")
        patch.setattr(PreparedAppend, "commit", after_the_late_one)
        patch.setattr("penstock.pipeline.microbatch.commit_marker", cut_off)
        with pytest.raises(PowerCutError):
            sandbox.replay()
    [record] = sandbox.replay()
    assert (record.plan.batch_id, record.accepted, record.quarantined) == (2, 1, 0)
    assert [(row.x, row.batch_id) for row in sandbox.rows("predictions")] == [(11.0, 2)]
    [(file, reason)] = waiting(sandbox)
    assert (file, reason.split(": ")[:2]) == ("damaged.parquet", ["file", "its footer is whole, its pages are damaged"])
    assert sandbox.run() == []
