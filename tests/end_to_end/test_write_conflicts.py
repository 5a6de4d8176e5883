"""Writes of the stream that meet with a commit of maintenance are made again, and their rows are there once."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chispa import assert_df_equality
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.spark.merge import Span, replace_once
from penstock.spark.tables import append_once, close_query, set_properties, stamped
from penstock.storage.delta_transactions import Transaction

ROWS = 40


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> str:
    """Four files with the rows id = 0..39 and value = 0, deletion vectors on, like `lags`."""
    path = str(tmp_path / "table")
    batch = (F.lit("old").alias("query_id"), F.lit(0).cast("long").alias("batch_id"))
    rows = of_series(spark.range(ROWS).select(*batch, "id", F.lit(0).cast("long").alias("value")))
    builder = DeltaTable.createIfNotExists(spark).location(path).addColumns(rows.schema)
    builder.property("delta.enableDeletionVectors", "true").execute()
    rows.repartition(4).write.format("delta").mode("append").save(path)
    return path


def of_series(rows: DataFrame) -> DataFrame:
    """Each row in a series of its own."""
    return rows.withColumn("series_id", F.col("id").cast("string"))


def interrupted(frame: DataFrame, folder: Path) -> DataFrame:
    """`frame`, which when first read says so and waits: what happens meanwhile comes between read and commit."""
    folder.mkdir()
    reading, go_on = folder / "reading", folder / "go-on"

    def wait(batches: Iterator[object]) -> Iterator[object]:
        import time

        reading.touch()
        deadline = time.monotonic() + 300
        while not go_on.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        yield from batches

    return frame.coalesce(1).mapInPandas(wait, frame.schema)  # type: ignore[arg-type]


def meanwhile(folder: Path, action: Callable[[], object]) -> threading.Thread:
    """Do `action` once `interrupted` waits, and let it go on."""

    def act() -> None:
        while not (folder / "reading").exists():
            time.sleep(0.05)
        action()
        (folder / "go-on").touch()

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


def append_around(spark: SparkSession, table: str, folder: Path, action: Callable[[], object]) -> None:
    """Append ten rows with value = 1; `action` comes between read and commit."""
    frame = interrupted(new_rows(spark).where(F.col("id") >= ROWS), folder)
    thread = meanwhile(folder, action)
    append_once(frame, table, transaction())
    thread.join()


def compact(spark: SparkSession, path: str) -> None:
    DeltaTable.forPath(spark.newSession(), path).optimize().executeCompaction()


def new_rows(spark: SparkSession) -> DataFrame:
    return of_series(spark.range(ROWS - 10, ROWS + 10).select("id", F.lit(1).cast("long").alias("value")))


def operations(spark: SparkSession, path: str) -> list[str]:
    return [row.operation for row in DeltaTable.forPath(spark, path).history().orderBy("version").collect()]


def transaction(batch_id: int = 7) -> Transaction:
    return Transaction(pipeline="p", query_id="q", batch_id=batch_id)


def contents(spark: SparkSession, path: str) -> dict[int, int]:
    rows = spark.read.format("delta").load(path).collect()
    found = {row["id"]: row["value"] for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_replacement_that_meets_a_compaction_is_made_again(
    spark: SparkSession, table: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "signals"
    frame = interrupted(stamped(new_rows(spark), transaction()), folder)
    thread = meanwhile(folder, lambda: compact(spark, table))
    replace_once(frame, table, transaction(), Span(new_rows(spark).select("series_id")))
    thread.join()
    replaced = spark.range(ROWS + 10).withColumn("value", F.when(F.col("id") < ROWS - 10, 0).otherwise(1).cast("long"))
    found = spark.read.format("delta").load(table).select("id", "value")
    assert_df_equality(found, replaced, ignore_row_order=True, ignore_nullable=True)
    assert operations(spark, table)[-2:] == ["OPTIMIZE", "MERGE"]
    assert "write conflict" in caplog.text

    again = stamped(new_rows(spark).withColumn("value", F.lit(2).cast("long")), transaction())
    replace_once(again, table, transaction(), Span(again.select("series_id")))
    assert 2 not in contents(spark, table).values()


def test_an_append_that_meets_new_metadata_is_made_again(
    spark: SparkSession, table: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kept = {"delta.logRetentionDuration": "interval 9 days"}
    append_around(spark, table, tmp_path / "signals", lambda: set_properties(spark.newSession(), table, kept))
    assert sum(contents(spark, table).values()) == 10
    assert operations(spark, table)[-2:] == ["SET TBLPROPERTIES", "WRITE"]
    assert "write conflict (MetadataChanged), retrying" in caplog.text


def test_an_append_and_a_compaction_do_not_meet(
    spark: SparkSession, table: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    append_around(spark, table, tmp_path / "signals", lambda: compact(spark, table))
    assert sum(contents(spark, table).values()) == 10
    assert "write conflict" not in caplog.text


def test_an_append_of_rows_that_depend_on_the_table_is_made_again(
    spark: SparkSession, table: str, tmp_path: Path
) -> None:
    """As in `observations`, where late ones are distinguished from revisions."""
    folder = tmp_path / "signals"
    frame = interrupted(new_rows(spark), folder)
    known = spark.read.format("delta").load(table).select("id")
    thread = meanwhile(folder, lambda: compact(spark, table))
    append_once(frame.join(known, on="id", how="left_anti"), table, transaction())
    thread.join()
    assert sum(contents(spark, table).values()) == 10


def test_an_append_whose_query_is_closed_meanwhile_is_dropped(
    spark: SparkSession, table: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A zombie that is in the middle of its write when another one resumes from the ledger."""
    caplog.set_level(logging.INFO)
    session = spark.newSession()
    append_around(spark, table, tmp_path / "signals", lambda: close_query(session, [table], pipeline="p", query_id="q"))
    assert sum(contents(spark, table).values()) == 0
    assert "write conflict (ConcurrentTransaction), retrying" in caplog.text
