"""A micro-batch may run again at any point of its way, and checkpoint and tables must belong together."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from power_cuts import PowerCutError, cut_off, run_cut_off
from pyspark.sql import SparkSession
from sandbox import WINE, Sandbox, TestRegistry, csv_file, wine, with_damaged_pages
from snapshots import Snapshot

import penstock.pipeline.workload
from penstock.errors import AccountingError, EnvironmentCheckError, LeaseError, LedgerError, PlanError
from penstock.pipeline.lease import Lease
from penstock.pipeline.plan import SCORING_VERSION, fix_plan
from penstock.spark.errors import SPARK_ERRORS
from penstock.spark.tables import PreparedAppend, commit_nothing
from penstock.storage.files import LocalStorage


def contents(sandbox: Sandbox) -> dict[str, list[Any]]:
    """All rows, less what the clock and the folder put into them."""
    return {
        "predictions": plain_rows(sandbox, "predictions", "scored_at"),
        "quarantine": plain_rows(sandbox, "quarantine", "quarantined_at"),
        "batches": sorted(
            (row.batch_id, row.rows_in, row.accepted, row.quarantined, [Path(file.path).name for file in row.files])
            for row in sandbox.rows("batches")
        ),
    }


def plain_rows(sandbox: Sandbox, table: str, clock: str) -> list[Any]:
    """The first of each row is its batch."""
    rows = [row.asDict() for row in sandbox.rows(table)]
    left_out = {"query_id", "batch_id", clock, "source_file"}
    return sorted(
        (row["batch_id"], Path(row["source_file"]).name, *[row[name] for name in row if name not in left_out])
        for row in rows
    )


def scored_files(sandbox: Sandbox) -> list[str]:
    """The file of each prediction, in their order."""
    return sorted(row.source_file.rsplit("/", 1)[1] for row in sandbox.rows("predictions"))


def rewrite(file: Path, content: bytes) -> None:
    """In place, with the time that it had."""
    times = file.stat()
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


STEPS = (
    "pipeline.workload.prepare_append",
    "pipeline.microbatch.commit_quarantine",
    "quarantine",
    "predictions",
    "pipeline.microbatch.count_rows",
    "pipeline.microbatch.commit_marker",
)


def deliver(sandbox: Sandbox, number: int) -> None:
    rows = [WINE, wine(alcohol="abc"), wine(alcohol=12), wine(alcohol=-1)]
    sandbox.drop(f"{number}.csv", csv_file(*rows[number % 2 :]), age_seconds=60 - number)


def one_file_a_batch(folder: Path, spark: SparkSession, registry: TestRegistry) -> Sandbox:
    return Sandbox(root=folder, spark=spark, registry=registry, changes={"source": {"max_files_per_trigger": 1}})


@pytest.fixture(scope="module")
def expected(
    spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Any]]:
    """The tables after an uninterrupted run."""
    sandbox = one_file_a_batch(tmp_path_factory.mktemp("uninterrupted"), spark, registry)
    for number in range(len(STEPS)):
        deliver(sandbox, number)
    sandbox.run()
    return contents(sandbox)


@pytest.fixture(scope="module")
def interrupted(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """One stream whose power goes in every micro-batch, each time before another step; then it is finished."""
    sandbox = one_file_a_batch(tmp_path_factory.mktemp("interrupted"), spark, registry)
    with pytest.MonkeyPatch.context() as patch:
        for number, step in enumerate(STEPS):
            deliver(sandbox, number)
            run_cut_off(sandbox, patch, before=step, batch=number)
    sandbox.run()
    return sandbox


@pytest.fixture(scope="module")
def found(interrupted: Sandbox) -> dict[str, list[Any]]:
    return contents(interrupted)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"before {step.rpartition('.')[2]}")
def test_a_batch_that_was_cut_off_runs_again_from_its_plan(
    found: dict[str, list[Any]], expected: dict[str, list[Any]], step: str
) -> None:
    for table, rows in expected.items():
        of_batch = [row for row in rows if row[0] == STEPS.index(step)]
        assert of_batch
        assert [row for row in found[table] if row[0] == STEPS.index(step)] == of_batch


def test_nothing_else_is_in_the_tables(found: dict[str, list[Any]], expected: dict[str, list[Any]]) -> None:
    assert found == expected


def test_a_finished_batch_that_spark_runs_again_changes_nothing(
    interrupted: Sandbox, expected: dict[str, list[Any]]
) -> None:
    commits, last = interrupted.root / "checkpoint" / "commits", len(STEPS) - 1
    for _ in range(2):
        (commits / str(last)).unlink()
        (commits / f".{last}.crc").unlink(missing_ok=True)
        interrupted.run()
    assert contents(interrupted) == expected


@pytest.fixture(scope="module")
def first_batch(shared_sandbox: Sandbox) -> Snapshot:
    shared_sandbox.drop("a.csv", csv_file(WINE))
    shared_sandbox.run()
    return Snapshot.of(shared_sandbox)


@pytest.fixture
def begun(first_batch: Snapshot) -> Sandbox:
    """A pipeline that has scored a.csv, of one row."""
    return first_batch.restored()


def test_a_replay_keeps_the_planned_model(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    one = pd.DataFrame([WINE])
    first = sandbox.registry.register("wine-replay", "linear", example=one, outputs=pd.Series([1.5]))
    sandbox.changes = {"model": {"name": "wine-replay"}}
    sandbox.drop("a.csv", csv_file(WINE))

    run_cut_off(sandbox, monkeypatch, before="predictions")
    sandbox.registry.register("wine-replay", "fussy", example=one, outputs=pd.Series([1.5]))
    sandbox.run()
    assert [row.model_version for row in sandbox.rows("predictions")] == [first]


@pytest.fixture(scope="module")
def cut_batch(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The power went before the predictions of a.csv were there."""
    sandbox = Sandbox(root=tmp_path_factory.mktemp("cut"), spark=spark, registry=registry)
    sandbox.drop("a.csv", csv_file(WINE))
    with pytest.MonkeyPatch.context() as patch:
        run_cut_off(sandbox, patch, before="predictions")
    return Snapshot.of(sandbox)


def test_a_file_that_vanished_before_anything_was_written_is_refused(
    cut_batch: Snapshot, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = cut_batch.restored()
    (sandbox.inbox / "a.csv").unlink()
    # An inbox without any file may be one that is not mounted.
    with pytest.raises(PlanError, match=r"is gone, and .*/inbox has no file at all: is it mounted"):
        sandbox.run()
    sandbox.drop("b.csv", csv_file(WINE))
    record, _ = sandbox.run()
    assert (record.accepted, record.files_refused) == (0, 1)
    assert sandbox.reasons("a.csv") == [["file: vanished between listing and reading"]]
    assert f"it is planned again: {sandbox.inbox / 'a.csv'}" in caplog.text


def test_a_file_delivered_again_before_anything_was_written_is_planned_again(cut_batch: Snapshot) -> None:
    """Once with the same bytes and another time, once with others."""
    for rows in (1, 2):
        sandbox = cut_batch.restored()
        sandbox.drop("a.csv", csv_file(*[WINE] * rows), age_seconds=30)
        [record] = sandbox.run()
        assert (record.accepted, record.files_refused) == (rows, 0)
        [batch] = sandbox.rows("batches")
        assert batch.files[0].length == (sandbox.inbox / "a.csv").stat().st_size
        assert sandbox.count("predictions") == rows


def test_a_file_that_changes_between_its_plan_and_its_reading_is_planned_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.drop("a.csv", csv_file(WINE))

    def fix_then_change(*arguments: Any) -> Any:
        plan = fix_plan(*arguments)
        sandbox.drop("a.csv", csv_file(WINE, WINE))
        return plan

    monkeypatch.setattr("penstock.pipeline.planning.fix_plan", fix_then_change)
    [record] = sandbox.run()
    assert (record.accepted, sandbox.count("predictions")) == (2, 2)


def test_a_file_that_vanished_after_a_part_was_written_fails_loudly(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = sandbox.drop("a.csv", csv_file(WINE, wine(alcohol="abc")))
    run_cut_off(sandbox, monkeypatch, before="predictions")
    assert sandbox.count("quarantine") == 1
    content, times = file.read_bytes(), file.stat()
    file.unlink()
    with pytest.raises(PlanError, match=r"a\.csv was planned and is gone"):
        sandbox.run()
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    sandbox.run()
    assert sandbox.count("predictions") == 1


def test_a_file_damaged_after_a_part_of_its_batch_was_written_is_not_refused(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its refusal could not be recorded any more: the quarantine has the batch's rows already."""
    frame = pd.DataFrame([wine(alcohol=9 + number / 1000) for number in range(2000)])
    file = sandbox.drop("late.parquet", frame.to_parquet(index=False))
    sandbox.drop("a.csv", csv_file(WINE, wine(alcohol="abc")))
    run_cut_off(sandbox, monkeypatch, before="predictions")
    assert sandbox.count("quarantine") == 1
    content = file.read_bytes()
    rewrite(file, with_damaged_pages(content))
    with pytest.raises(SPARK_ERRORS):
        sandbox.run()
    rewrite(file, content)
    sandbox.run()
    [batch] = sandbox.rows("batches")
    assert (batch.accepted, batch.quarantined, batch.files_refused) == (2001, 1, 0)


def test_rows_that_change_between_two_looks_at_them_are_in_no_table(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rejected row is a good one when it is read for the quarantine; neither size nor time of its file tell."""
    file = sandbox.drop("a.csv", csv_file(WINE, wine(alcohol="abc")))
    content = file.read_bytes()
    prepare = penstock.pipeline.workload.prepare_append

    def prepare_then_change(*write: Any) -> PreparedAppend:
        append = prepare(*write)
        rewrite(file, content.replace(b"abc", b"9.5"))
        return append

    with monkeypatch.context() as patch:
        patch.setattr("penstock.pipeline.workload.prepare_append", prepare_then_change)
        with pytest.raises(AccountingError, match=r"1 rows were rejected when the others were scored, and 0 when"):
            sandbox.run()
    assert (sandbox.count("predictions"), sandbox.count("quarantine")) == (0, 0)
    sandbox.run()
    assert (sandbox.count("predictions"), sandbox.count("quarantine")) == (2, 0)


def test_a_contract_changed_between_crash_and_replay_is_refused(cut_batch: Snapshot) -> None:
    sandbox = cut_batch.restored()
    sandbox.changes = {"source": {"csv": {"null_marker": "NA"}}}
    with pytest.raises(PlanError, match="planned under another config"):
        sandbox.run()


def test_new_checkpoint_beside_old_tables_is_refused(begun: Sandbox) -> None:
    shutil.rmtree(begun.root / "checkpoint")
    with pytest.raises(LedgerError, match="--resume-from-ledger"):
        begun.run()
    assert begun.count("predictions") == 1


def test_resume_from_the_ledger_scores_only_what_is_new(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.drop("a.csv", csv_file(WINE, WINE))
    sandbox.run()
    sandbox.drop("b.csv", csv_file(WINE, wine(alcohol="abc")))

    run_cut_off(sandbox, monkeypatch, before="pipeline.microbatch.commit_marker")
    shutil.rmtree(sandbox.root / "checkpoint")
    sandbox.drop("c.csv", csv_file(WINE))
    sandbox.run(resume=True)
    sandbox.drop("d.csv", csv_file(WINE))
    sandbox.run()
    assert scored_files(sandbox) == ["a.csv", "a.csv", "b.csv", "c.csv", "d.csv"]
    assert sandbox.reasons("b.csv") == [["alcohol: 'abc' is not a double"]]


def test_a_first_batch_without_marker_counts_as_begun(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are in the tables already: a new checkpoint must not score them again."""
    sandbox.drop("a.csv", csv_file(WINE, wine(alcohol="abc")))
    run_cut_off(sandbox, monkeypatch, before="pipeline.microbatch.commit_marker")
    shutil.rmtree(sandbox.root / "checkpoint")
    with pytest.raises(LedgerError, match=r"or begun batches of another one.*--resume-from-ledger"):
        sandbox.run()
    sandbox.run(resume=True)
    assert (sandbox.count("predictions"), sandbox.count("quarantine")) == (1, 1)


def test_a_query_that_has_written_nothing_is_closed_too(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was about to: the first write of its first batch comes after another query went on from the ledger."""
    sandbox.drop("a.csv", csv_file(wine(alcohol="abc")))
    late: list[PreparedAppend] = []
    monkeypatch.setattr(PreparedAppend, "commit", lambda append: late.append(append) or cut_off())
    with pytest.raises(PowerCutError):
        sandbox.run()
    monkeypatch.undo()
    shutil.rmtree(sandbox.root / "checkpoint")
    sandbox.run(resume=True)
    late[0].commit()
    assert sandbox.count("quarantine") == 1


def test_a_checkpoint_that_was_given_up_is_refused(begun: Sandbox) -> None:
    """All that its query writes is dropped: its batches would be empty, and their files count as done."""
    checkpoint, given_up, new = (begun.root / name for name in ("checkpoint", "given-up", "new"))
    checkpoint.rename(given_up)
    begun.run(resume=True)
    checkpoint.rename(new)
    given_up.rename(checkpoint)
    begun.drop("b.csv", csv_file(WINE))
    with pytest.raises(
        LedgerError, match=r"was given up: another one was resumed from the ledger.*--resume-from-ledger"
    ):
        begun.run()
    checkpoint.rename(given_up)
    new.rename(checkpoint)
    begun.run()
    assert scored_files(begun) == ["a.csv", "b.csv"]


def test_a_checkpoint_is_given_up_as_soon_as_a_resume_has_begun(
    begun: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resume is cut off when it has closed the first table, and the old checkpoint is put back."""
    checkpoint, old = begun.root / "checkpoint", begun.root / "old"
    checkpoint.rename(old)
    closed: list[Any] = []

    def first_only(*arguments: Any) -> None:
        cut_off() if closed else closed.append(commit_nothing(*arguments))

    monkeypatch.setattr("penstock.spark.tables.commit_nothing", first_only)
    with pytest.raises(PowerCutError):
        begun.run(resume=True)
    monkeypatch.undo()
    shutil.rmtree(checkpoint)
    old.rename(checkpoint)
    begun.drop("b.csv", csv_file(WINE))
    with pytest.raises(LedgerError, match="was given up"):
        begun.run()
    shutil.rmtree(checkpoint)
    begun.run(resume=True)
    assert scored_files(begun) == ["a.csv", "b.csv"]


def test_a_checkpoint_emptied_in_part_is_refused(begun: Sandbox) -> None:
    """What Spark keeps is removed, the plans are not: the first would be obeyed, and its file scored once more."""
    for name in ("metadata", ".metadata.crc"):
        (begun.root / "checkpoint" / name).unlink(missing_ok=True)
    for name in ("offsets", "commits", "sources"):
        shutil.rmtree(begun.root / "checkpoint" / name)
    with pytest.raises(PlanError, match=r"is a plan of query .* is of query .*emptied in part only"):
        begun.run(resume=True)
    shutil.rmtree(begun.root / "checkpoint")
    begun.run(resume=True)
    assert scored_files(begun) == ["a.csv"]


def test_a_file_that_a_replay_took_is_not_scored_again_when_the_stream_forgets_it(sandbox: Sandbox) -> None:
    """It is so much older than the newest file that Spark forgets it, and takes it for new when it is put right."""
    sandbox.changes = {"source": {"max_file_age": 3600}}
    sandbox.drop("a.csv", b"another header\n1\n", age_seconds=10_000)
    sandbox.run()
    sandbox.drop("a.csv", csv_file(WINE), age_seconds=50)
    [record] = sandbox.replay()
    assert record.accepted == 1
    sandbox.drop("b.csv", csv_file(WINE), age_seconds=40)
    sandbox.run()
    sandbox.run()
    assert scored_files(sandbox) == ["a.csv", "b.csv"]


def test_a_file_that_a_replay_took_is_not_scored_again_after_a_resume(sandbox: Sandbox) -> None:
    sandbox.drop("a.csv", b"another header\n1\n")
    sandbox.run()
    sandbox.drop("a.csv", csv_file(WINE), age_seconds=50)
    [record] = sandbox.replay()
    assert record.accepted == 1
    shutil.rmtree(sandbox.root / "checkpoint")
    sandbox.drop("b.csv", csv_file(WINE))
    sandbox.run(resume=True)
    assert scored_files(sandbox) == ["a.csv", "b.csv"]


def test_tables_gone_but_checkpoint_there_is_refused(begun: Sandbox) -> None:
    shutil.rmtree(begun.root / "tables")
    with pytest.raises(LedgerError, match="hold none of them"):
        begun.run()


def test_a_checkpoint_of_another_pipeline_is_refused(sandbox: Sandbox) -> None:
    sandbox.run()
    sandbox.changes = {"pipeline": "beer", "tables": {"root": str(sandbox.root / "beer")}}
    with pytest.raises(LedgerError, match="belongs to the pipeline 'wine'"):
        sandbox.run()


def test_a_second_writer_is_told_who_the_first_is(sandbox: Sandbox) -> None:
    (sandbox.root / "tables").mkdir()
    lease = Lease(storage=LocalStorage(), path=str(sandbox.root / "tables" / "_lease"), job="score_stream")
    with lease, pytest.raises(LeaseError, match=r"written by score_stream, pid \d+ on "):
        sandbox.run()


def test_a_new_nullable_column_is_merged_and_another_change_refused(sandbox: Sandbox) -> None:
    sandbox.registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    model = {"name": "echo"}
    sandbox.changes = {"contract": "sample_contracts:SMALL", "model": model}
    sandbox.drop("a.csv", b"x,note\n1,a\n")
    sandbox.run()
    sandbox.changes = {"contract": "sample_contracts:SMALL_AND_MORE", "model": model}
    sandbox.drop("b.csv", b"x,note,more\n2,b,7\n")
    sandbox.run()
    rows = sorted((row.x, row.note, row.more) for row in sandbox.rows("predictions"))
    assert rows == [(1.0, "a", None), (2.0, "b", 7)]
    sandbox.changes = {"contract": "sample_contracts:SMALL_CHANGED", "model": model}
    with pytest.raises(EnvironmentCheckError, match="note is string, expected int"):
        sandbox.run()


def older(folder: Path, newer: Path, *tables: str) -> None:
    """Put tables of an older copy in place of what is there."""
    for table in tables:
        shutil.rmtree(newer / table)
        shutil.copytree(folder / table, newer / table)


@pytest.fixture(scope="module")
def two_batches(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """a.csv and b.csv are scored, each with a rejected row; `backup` has the tables with a.csv only."""
    sandbox = Sandbox(root=tmp_path_factory.mktemp("two"), spark=spark, registry=registry)
    sandbox.drop("a.csv", csv_file(WINE, wine(alcohol="abc")))
    sandbox.run()
    shutil.copytree(sandbox.root / "tables", sandbox.root / "backup")
    sandbox.drop("b.csv", csv_file(WINE, wine(alcohol="abc")), age_seconds=50)
    sandbox.run()
    return Snapshot.of(sandbox)


def test_tables_older_than_the_checkpoint_are_refused_and_caught_up_from_the_ledger(two_batches: Snapshot) -> None:
    """Restored from a backup: b.csv would never be scored, for the checkpoint has it as done."""
    sandbox = two_batches.restored()
    older(sandbox.root / "backup", sandbox.root / "tables", "predictions", "quarantine", "batches")
    sandbox.drop("c.csv", csv_file(WINE), age_seconds=40)
    message = r"are older than the checkpoint.*up to 1, they hold batches up to 0.*\(b\.csv\).*--resume-from-ledger"
    with pytest.raises(LedgerError, match=message):
        sandbox.run()
    with pytest.raises(LedgerError, match="are older than the checkpoint"):
        sandbox.replay()
    assert scored_files(sandbox) == ["a.csv"]
    shutil.rmtree(sandbox.root / "checkpoint")
    sandbox.run(resume=True)
    assert scored_files(sandbox) == ["a.csv", "b.csv", "c.csv"]


@pytest.mark.parametrize("table", ["predictions", "quarantine"])
def test_a_table_older_than_the_ledger_is_refused_also_with_a_new_checkpoint(two_batches: Snapshot, table: str) -> None:
    sandbox = two_batches.restored()
    older(sandbox.root / "backup", sandbox.root / "tables", table)
    message = rf"{table} is older than the table batches: it has no write of batch 1 .* \(its last one .* is 0\)"
    with pytest.raises(LedgerError, match=message):
        sandbox.run()
    shutil.rmtree(sandbox.root / "checkpoint")
    with pytest.raises(LedgerError, match="is older than the table batches"):
        sandbox.run(resume=True)
    shutil.rmtree(sandbox.root / "tables" / table)
    with pytest.raises(LedgerError, match=r"is older than the table batches.* is none\)"):
        sandbox.run(resume=True)


def made_by_other_code(sandbox: Sandbox) -> Path:
    """The plan of batch 0 as 0.2.0 wrote it."""
    path = sandbox.root / "checkpoint" / "plan" / "0.json"
    plan = json.loads(path.read_text())
    del plan["penstock"], plan["scoring_version"]
    path.write_text(json.dumps(plan))
    return path


def test_a_plan_of_other_code_is_made_anew_where_nothing_is_written(cut_batch: Snapshot) -> None:
    sandbox = cut_batch.restored()
    path = made_by_other_code(sandbox)
    [record] = sandbox.run()
    assert record.plan.scoring_version == SCORING_VERSION
    assert json.loads(path.read_text())["scoring_version"] == SCORING_VERSION
    assert scored_files(sandbox) == ["a.csv"]


def test_a_batch_that_other_code_has_begun_is_not_finished(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.drop("a.csv", csv_file(WINE, wine(alcohol="abc")))
    run_cut_off(sandbox, monkeypatch, before="predictions")
    assert sandbox.count("quarantine") == 1
    made_by_other_code(sandbox)
    with pytest.raises(PlanError, match=r"batch 0 was begun by penstock 0\.2\.0 or earlier.*run its backfill once"):
        sandbox.run()
    assert sandbox.count("predictions") == 0
