"""The reconciliation over real tables: it must find nothing in a healthy pipeline, and each thing that is broken."""

import gzip
import os
from pathlib import Path

import pytest
from power_cuts import run_cut_off
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from reconciliations import BAD, append, delta, equation, files_and_rows, is_from, kinds, reconciled
from sandbox import WINE, Sandbox, TestRegistry, csv_file
from series_sandbox import FITTED, HORIZON, VARIABLES, SeriesSandbox, quarters, two_series_model

from penstock.operations.reconcile.files import State
from penstock.operations.reconcile.reconcile import Reconciliation
from penstock.operations.reconcile.report import as_text


def overwrite(path: Path, content: bytes) -> None:
    """With the modification time that it had."""
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.fixture(scope="module")
def broken(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Two finished batches and one cut off before its marker; nothing is broken yet."""
    sandbox = Sandbox(root=tmp_path_factory.mktemp("broken"), spark=spark, registry=registry)
    sandbox.drop("whole.csv", csv_file(WINE, BAD))
    sandbox.drop("overwritten.csv", csv_file(WINE, WINE))
    sandbox.drop("touched.csv.gz", gzip.compress(csv_file(WINE, BAD)))
    sandbox.drop("row_deleted.csv", csv_file(WINE, WINE, WINE))
    sandbox.drop("rows_doubled.csv", csv_file(WINE, WINE))
    sandbox.drop("reason_deleted.csv", csv_file(WINE, BAD, BAD))
    sandbox.drop("refusal_deleted.csv", b"no,header\n1,2\n")
    sandbox.drop("refused.csv", b"")
    sandbox.drop("rewritten.csv", csv_file(WINE, WINE))
    sandbox.drop("forgotten 100%.csv", csv_file(WINE))
    sandbox.drop("cleaned.csv", csv_file(WINE, WINE, BAD))
    sandbox.run()
    sandbox.drop("marker_deleted.csv", csv_file(WINE, BAD), age_seconds=50)
    sandbox.run()
    sandbox.drop("half.csv", csv_file(WINE, BAD, WINE), age_seconds=40)
    sandbox.drop("vanished.csv", csv_file(WINE), age_seconds=40)
    with pytest.MonkeyPatch.context() as patch:
        run_cut_off(sandbox, patch, before="pipeline.microbatch.commit_marker")
    sandbox.drop("waiting.csv", csv_file(WINE, WINE), age_seconds=30)
    (sandbox.inbox / "_half_copied.csv").write_bytes(csv_file(WINE))
    return sandbox


@pytest.fixture(scope="module")
def healthy(broken: Sandbox) -> Reconciliation:
    return reconciled(broken)


@pytest.fixture(scope="module")
def damage(broken: Sandbox, healthy: Reconciliation) -> Reconciliation:
    """What is found after everything was broken."""
    inbox = broken.inbox
    broken.drop("overwritten.csv", csv_file(WINE, WINE, WINE, WINE), age_seconds=5)
    broken.age(inbox / "touched.csv.gz", 5)
    overwrite(inbox / "rewritten.csv", csv_file(WINE, WINE).replace(b"\n7.4", b" 7.4", 1))
    (inbox / "cleaned.csv").unlink()
    (inbox / "vanished.csv").unlink()

    predictions = broken.table("predictions")
    append(broken, "predictions", predictions.where(is_from("rows_doubled.csv")))
    one = predictions.where(is_from("rows_doubled.csv")).limit(1)
    append(broken, "predictions", one.withColumn("query_id", F.lit("zombie")))
    delta(broken, "predictions").delete(is_from("forgotten 100%.csv"))
    delete_one(broken, "predictions", "row_deleted.csv")
    delete_one(broken, "quarantine", "reason_deleted.csv")
    delta(broken, "quarantine").delete(is_from("refusal_deleted.csv"))
    batches = delta(broken, "batches")
    batches.delete("batch_id = 1")
    batches.update(set={"files": F.expr("filter(files, one -> one.path NOT LIKE '%/forgotten%')")})
    return reconciled(broken)


def delete_one(sandbox: Sandbox, table: str, file: str) -> None:
    """Delete all rows of a file, and put back all but one."""
    rows = sandbox.rows(table, file=file)
    schema = sandbox.table(table).schema
    delta(sandbox, table).delete(is_from(file))
    append(sandbox, table, sandbox.spark.createDataFrame(rows[1:], schema))


def test_a_healthy_pipeline_has_no_differences(healthy: Reconciliation) -> None:
    assert kinds(healthy) == []
    assert files_and_rows(healthy) == {"scored": (10, 22), "refused": (2, 0), "pending": (3, 6)}
    assert equation(healthy) == (28, 0, 16, 6, 6, 0)
    assert "inbox rows 28 = scored 16 + quarantined 6 + pending 6" in as_text(healthy)
    assert "no differences" in as_text(healthy)


def test_a_batch_without_marker_is_pending_and_said_so(healthy: Reconciliation) -> None:
    assert "batch 2 is planned and not finished; its files are pending" in healthy.notes
    assert "no writer is running" in healthy.notes


def test_everything_that_is_broken_is_found_once(damage: Reconciliation) -> None:
    zombie = "batch 0 of query zombie"
    assert sorted(kinds(damage)) == sorted(
        [
            ("changed", "overwritten.csv"),
            ("changed", "touched.csv.gz"),
            ("miscounted", "rewritten.csv"),
            ("lost", "forgotten 100%.csv"),
            ("lost", "marker_deleted.csv"),
            ("vanished", "vanished.csv"),
            ("surplus rows", "rows_doubled.csv"),
            ("missing rows", "row_deleted.csv"),
            ("missing rows", "reason_deleted.csv"),
            ("missing refusal", "refusal_deleted.csv"),
            ("left behind", zombie),
            ("left behind", next(one.subject for one in damage.differences if one.subject.startswith("batch 1 "))),
        ]
    )


def test_files_and_rows_of_the_broken_pipeline(damage: Reconciliation) -> None:
    assert files_and_rows(damage) == {
        "scored": (5, 11),
        "refused": (2, 0),
        "pending": (2, 5),
        "no longer there": (1, 3),
        "changed": (2, 6),
        "lost": (2, 3),
        "vanished": (1, 0),
    }


def test_the_balance_says_by_how_much_it_is_wrong(damage: Reconciliation) -> None:
    """Not accounted for: 4 + 2 rows overwritten, 3 lost, 1 + 1 deleted; too many: 2 doubled, 1 in rewritten.csv."""
    inbox, elsewhere, scored, quarantined, pending, unaccounted = equation(damage)
    assert (inbox, elsewhere, pending) == (11 + 5 + 6 + 3, 4 + 3, 5)
    assert (scored, quarantined) == (1 + 2 + 1 + 2 + 4 + 1 + 2 + 2, 1 + 1 + 1 + 1)
    assert unaccounted == 4 + 2 + 3 + 1 + 1 - 2 - 1
    assert ": 8 rows too few in the tables" in as_text(damage)


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("overwritten.csv", "the stream will not see it again: deliver the new content under a new name"),
        ("rows_doubled.csv", "the ledger says 2 rows, the tables hold 4"),
        ("row_deleted.csv", "the ledger says 3 rows, the tables hold 2"),
        ("reason_deleted.csv", "the tables hold 2 (1 accepted, 1 quarantined)"),
        ("refusal_deleted.csv", "0 quarantine rows say why"),
        ("rewritten.csv", "has 1 rows, the ledger says 2"),
        ("forgotten 100%.csv", "deliver it again under a new name"),
        ("marker_deleted.csv", "see `left behind` below"),
        ("query zombie", "has 1 rows and 0 refused files of 1 files in the tables, and no marker"),
    ],
)
def test_a_difference_says_what_was_found_and_what_to_do(damage: Reconciliation, subject: str, words: str) -> None:
    [line] = [str(one) for one in damage.differences if one.subject.endswith(subject)]
    assert words in line


def test_without_counting_the_ledger_is_believed(broken: Sandbox, damage: Reconciliation) -> None:
    found = reconciled(broken, count=False)
    assert set(kinds(damage)) - set(kinds(found)) == {("miscounted", "rewritten.csv")}
    assert found.totals[State.PENDING].not_counted == 2


def test_what_was_finished_before_a_moment_can_be_left_out(broken: Sandbox, damage: Reconciliation) -> None:
    found = reconciled(broken, since=damage.looked_at)
    assert {kind for kind, _ in kinds(found)} == {"changed", "miscounted", "vanished"}
    assert equation(found)[2:4] == (0, 0)


def test_rows_are_put_back_as_the_readme_says(broken: Sandbox, damage: Reconciliation) -> None:
    predictions = f"delta.`{broken.root}/tables/predictions`"
    mine = "batch_id = 0 AND source_file LIKE '%/row_deleted.csv'"
    operations = broken.spark.sql(f"DESCRIBE HISTORY {predictions}").where("operation = 'DELETE'")
    before = operations.agg(F.min("version")).collect()[0][0] - 1
    broken.spark.sql(f"DELETE FROM {predictions} WHERE {mine}")
    broken.spark.sql(f"INSERT INTO {predictions} SELECT * FROM {predictions} VERSION AS OF {before} WHERE {mine}")
    gone = set(kinds(damage)) - set(kinds(reconciled(broken)))
    assert gone == {("missing rows", "row_deleted.csv")}


@pytest.fixture(scope="module")
def macro(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> SeriesSandbox:
    """A series with a gap and a revision, another one, an unknown one, and a row against the contract."""
    sandbox = Sandbox(root=tmp_path_factory.mktemp("series"), spark=spark, registry=registry)
    series = SeriesSandbox(sandbox, two_series_model(registry))
    series.drop("us.csv", quarters(FITTED, FITTED + 7).drop(index=FITTED + 1))
    series.drop("ca.csv", quarters(FITTED, FITTED + 5, "CA"))
    bad = quarters(FITTED, FITTED + 2, "XX")
    bad.iloc[0, bad.columns.get_loc("realgdp")] = -1.0
    series.drop("bad.csv", bad)
    series.drop("revision.csv", quarters(FITTED + 2, FITTED + 3))
    sandbox.run()
    return series


def test_a_healthy_series_pipeline_has_no_differences(macro: SeriesSandbox) -> None:
    found = reconciled(macro.sandbox)
    assert kinds(found) == []
    assert equation(found) == (14, 0, 13, 1, 0, 0)


def test_forecasts_are_compared_with_observations(macro: SeriesSandbox) -> None:
    sandbox = macro.sandbox
    forecasts = delta(sandbox, "forecasts")
    cutoffs = [row.cutoff for row in sandbox.table("forecasts").select("cutoff").distinct().orderBy("cutoff").collect()]
    is_ca = F.col("series_id") == "CA"
    one = sandbox.table("forecasts").where(is_ca & (F.col("cutoff") == cutoffs[1])).limit(1).collect()
    forecasts.delete(is_ca & (F.col("cutoff") == cutoffs[0]))
    forecasts.delete(is_ca & (F.col("cutoff") == cutoffs[1]) & (F.col("step") == HORIZON))
    orphan = sandbox.spark.createDataFrame(one, sandbox.table("forecasts").schema)
    append(sandbox, "forecasts", orphan.withColumn("series_id", F.lit("YY")))
    delta(sandbox, "observations").delete(is_from("revision.csv"))

    found = reconciled(sandbox)
    assert sorted(kinds(found)) == [
        ("forecast rows", "forecasts"),
        ("missing rows", "revision.csv"),
        ("no forecast", "forecasts"),
        ("orphan forecast", "forecasts"),
    ]
    words = {one.kind: one.found for one in found.differences}
    assert "1 observations that should have forecasts have none, the first is CA at " in words["no forecast"]
    assert f"with {(HORIZON - 1) * len(VARIABLES)} rows of {HORIZON * len(VARIABLES)}" in words["forecast rows"]
