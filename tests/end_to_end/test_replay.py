"""A micro-batch may run again at any point of its way."""

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from power_cuts import run_cut_off
from pyspark.sql import SparkSession
from sandbox import WINE, Sandbox, TestRegistry, csv_file, wine, with_damaged_pages

import penstock.pipeline.workload
from penstock.errors import AccountingError, EnvironmentCheckError, LeaseError, LedgerError, PlanError
from penstock.pipeline.lease import Lease
from penstock.pipeline.plan import SCORING_VERSION, fix_plan
from penstock.spark.errors import SPARK_ERRORS
from penstock.spark.tables import PreparedAppend
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
    left_out = {"query_id", "batch_id", clock, "source_file", "row_id"}
    return sorted(
        (row["batch_id"], Path(row["source_file"]).name, *[row[name] for name in row if name not in left_out])
        for row in rows
    )


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


def made_by_other_code(sandbox: Sandbox, batch: int = 0) -> Path:
    """The plan of a batch as 0.2.0 wrote it."""
    path = sandbox.root / "checkpoint" / "plan" / f"{batch}.json"
    plan = json.loads(path.read_text())
    del plan["penstock"], plan["scoring_version"]
    path.write_text(json.dumps(plan))
    return path


def test_a_batch_that_has_written_nothing_is_planned_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The power goes before its predictions are there. Files vanish, or are delivered again: with the same bytes and
    another time, and with others."""
    names = ("same.csv", "other.csv", "gone.csv")
    for name in names:
        sandbox.drop(name, csv_file(WINE))
    run_cut_off(sandbox, monkeypatch, before="predictions")

    sandbox.changes = {"source": {"csv": {"null_marker": "NA"}}}
    with pytest.raises(PlanError, match="planned under another config"):
        sandbox.run()
    sandbox.changes = {}
    for name in names:
        (sandbox.inbox / name).unlink()
    # An inbox without any file may be one that is not mounted.
    with pytest.raises(PlanError, match=r"is gone, and .*/inbox has no file at all: is it mounted"):
        sandbox.run()
    sandbox.drop("same.csv", csv_file(WINE), age_seconds=30)
    sandbox.drop("other.csv", csv_file(WINE, WINE), age_seconds=30)
    sandbox.drop("new.csv", csv_file(WINE))
    run_cut_off(sandbox, monkeypatch, before="predictions", batch=1)
    [batch] = sandbox.rows("batches")
    assert (batch.accepted, batch.files_refused) == (3, 1)
    assert sandbox.reasons("gone.csv") == [["file: vanished between listing and reading"]]
    [again] = [record.getMessage() for record in caplog.records if "it is planned again: " in record.getMessage()]
    assert sorted(again.partition("it is planned again: ")[2].split(", ")) == sorted(
        str(sandbox.inbox / name) for name in names
    )
    lengths = {file.path: file.length for file in batch.files}
    for name, rows in (("same.csv", 1), ("other.csv", 2)):
        assert lengths[str(sandbox.inbox / name)] == (sandbox.inbox / name).stat().st_size
        assert len(sandbox.rows("predictions", file=name)) == rows

    path = made_by_other_code(sandbox, batch=1)
    [record] = sandbox.run()
    assert record.plan.scoring_version == SCORING_VERSION
    assert json.loads(path.read_text())["scoring_version"] == SCORING_VERSION
    assert len(sandbox.rows("predictions", file="new.csv")) == 1


def test_a_batch_that_has_written_a_part_is_finished_by_its_plan_or_fails_loudly(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power goes when the rejected row is in the quarantine, and before the predictions are there."""
    one = pd.DataFrame([WINE])
    planned = sandbox.registry.register("wine-replay", "linear", example=one, outputs=pd.Series([1.5]))
    sandbox.changes = {"model": {"name": "wine-replay"}}
    frame = pd.DataFrame([wine(alcohol=9 + number / 1000) for number in range(2000)])
    parquet = sandbox.drop("late.parquet", frame.to_parquet(index=False))
    file = sandbox.drop("a.csv", csv_file(WINE, wine(alcohol="abc")))
    run_cut_off(sandbox, monkeypatch, before="predictions")
    assert sandbox.count("quarantine") == 1
    sandbox.registry.register("wine-replay", "fussy", example=one, outputs=pd.Series([1.5]))

    content, times = file.read_bytes(), file.stat()
    file.unlink()
    with pytest.raises(PlanError, match=r"a\.csv was planned and is gone"):
        sandbox.run()
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    plan = sandbox.root / "checkpoint" / "plan" / "0.json"
    as_planned = plan.read_text()
    made_by_other_code(sandbox)
    with pytest.raises(PlanError, match=r"batch 0 was begun by penstock 0\.2\.0 or earlier.*run its backfill once"):
        sandbox.run()
    plan.write_text(as_planned)

    # Its refusal could not be recorded any more: the quarantine has the batch's rows already.
    content = parquet.read_bytes()
    rewrite(parquet, with_damaged_pages(content))
    with pytest.raises(SPARK_ERRORS):
        sandbox.run()
    rewrite(parquet, content)
    with pytest.raises(LedgerError, match=r"batch 0 of the stream has begun and is not finished; run jobs/backfill"):
        sandbox.replay()
    assert (sandbox.count("predictions"), sandbox.count("quarantine")) == (0, 1)

    sandbox.run()
    [batch] = sandbox.rows("batches")
    assert (batch.accepted, batch.quarantined, batch.files_refused) == (2001, 1, 0)
    assert len(sandbox.rows("predictions", file="a.csv")) == 1
    assert {row.model_version for row in sandbox.rows("predictions")} == {planned}


def test_files_that_change_in_the_hands_of_a_batch_are_in_no_table_as_they_were(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One changes between its plan and its reading: the batch is planned again. Of the other, a rejected row is a good
    one when it is read for the quarantine; neither size nor time of its file tell."""
    sandbox.drop("longer.csv", csv_file(WINE))
    file = sandbox.drop("same_size.csv", csv_file(WINE, wine(alcohol="abc")))
    content, prepare = file.read_bytes(), penstock.pipeline.workload.prepare_append

    def fix_then_change(*arguments: Any) -> Any:
        plan = fix_plan(*arguments)
        sandbox.drop("longer.csv", csv_file(WINE, WINE))
        return plan

    def prepare_then_change(*write: Any) -> PreparedAppend:
        append = prepare(*write)
        rewrite(file, content.replace(b"abc", b"9.5"))
        return append

    with monkeypatch.context() as patch:
        patch.setattr("penstock.pipeline.planning.fix_plan", fix_then_change)
        patch.setattr("penstock.pipeline.workload.prepare_append", prepare_then_change)
        with pytest.raises(AccountingError, match=r"1 rows were rejected when the others were scored, and 0 when"):
            sandbox.run()
    assert (sandbox.count("predictions"), sandbox.count("quarantine")) == (0, 0)
    [record] = sandbox.run()
    assert (record.accepted, record.quarantined) == (4, 0)
    assert [len(sandbox.rows("predictions", file=name)) for name in ("longer.csv", "same_size.csv")] == [2, 2]
    assert sandbox.count("quarantine") == 0


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
