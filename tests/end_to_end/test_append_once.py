"""An append is made once for its transaction, whether a table's checksum tells of it or only the table's whole log."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import LongType, StructField, StructType

from penstock.schemas.tables import BATCH_COLUMNS, TableSpec
from penstock.spark.tables import append_once, close_query, create_table, prepare_append, set_properties
from penstock.storage.delta_transactions import Transaction

SPEC = TableSpec(
    name="table", schema=StructType([*BATCH_COLUMNS, StructField("id", LongType())]), cluster_by=("batch_id",)
)


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> str:
    path = str(tmp_path / "table")
    create_table(spark, path, SPEC)
    return path


def transaction(batch_id: int, query_id: str = "q") -> Transaction:
    return Transaction(pipeline="p", query_id=query_id, batch_id=batch_id)


def row(spark: SparkSession, number: int) -> DataFrame:
    return spark.range(number, number + 1)


def rows(spark: SparkSession, table: str) -> list[tuple[str, int, int]]:
    return sorted(tuple(row) for row in spark.read.format("delta").load(table).collect())


def forget_tables(spark: SparkSession) -> None:
    """As in a new process: what is known of a table is read from its log."""
    java: Any = spark._jvm
    java.org.apache.spark.sql.delta.DeltaLog.clearCache()


def remove_checksums(table: str) -> None:
    found = [path for path in (Path(table) / "_delta_log").glob("*.crc") if not path.name.startswith(".")]
    assert found
    for path in found:
        path.unlink()


@pytest.mark.parametrize("has_checksums", [True, False])
def test_the_same_or_an_earlier_batch_is_there_already(spark: SparkSession, table: str, has_checksums: bool) -> None:
    for batch_id in (0, 1, 2):
        append_once(row(spark, batch_id), table, transaction(batch_id))
    if not has_checksums:
        remove_checksums(table)
    forget_tables(spark)
    for batch_id in (2, 1, 0):
        append_once(row(spark, 10 + batch_id), table, transaction(batch_id))
    assert rows(spark, table) == [("q", 0, 0), ("q", 1, 1), ("q", 2, 2)]
    append_once(row(spark, 3), table, transaction(3))
    append_once(row(spark, 4), table, transaction(2, query_id="another"))
    assert rows(spark, table) == [("another", 2, 4), ("q", 0, 0), ("q", 1, 1), ("q", 2, 2), ("q", 3, 3)]


def test_an_append_asks_for_no_more_than_its_own_rows(spark: SparkSession, table: str) -> None:
    """Delta's own look for the transaction takes three jobs more."""
    tracker = spark.sparkContext.statusTracker()
    for batch_id in (0, 1, 2):
        spark.sparkContext.setJobGroup(f"append {table} {batch_id}", "")
        append_once(row(spark, batch_id), table, transaction(batch_id))
        assert len(tracker.getJobIdsForGroup(f"append {table} {batch_id}")) == 1
    spark.sparkContext.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]


def test_rows_that_do_not_fit_the_table_are_refused(spark: SparkSession, table: str) -> None:
    append_once(row(spark, 0), table, transaction(0))
    with pytest.raises(AnalysisException, match="Failed to merge fields"):
        append_once(row(spark, 1).selectExpr("'text' as id"), table, transaction(1))
    with pytest.raises(AnalysisException, match="schema mismatch"):
        append_once(row(spark, 1).selectExpr("id", "id as more"), table, transaction(1))
    append_once(row(spark, 1), table, transaction(1))
    assert rows(spark, table) == [("q", 0, 0), ("q", 1, 1)]


def test_what_is_prepared_is_there_once_it_is_committed(spark: SparkSession, table: str) -> None:
    append = prepare_append(spark.range(3), table, transaction(0))
    assert (append.rows, rows(spark, table)) == (3, [])
    append.commit()
    assert rows(spark, table) == [("q", 0, 0), ("q", 0, 1), ("q", 0, 2)]
    again = prepare_append(spark.range(3), table, transaction(0))
    assert again.rows is None
    again.commit()
    assert len(rows(spark, table)) == 3


def test_of_two_that_were_prepared_for_one_batch_one_is_there(spark: SparkSession, table: str) -> None:
    appends = [prepare_append(row(spark, number), table, transaction(0)) for number in (1, 2)]
    for append in appends:
        append.commit()
    assert rows(spark, table) == [("q", 0, 1)]


def test_what_was_prepared_before_its_query_was_closed_is_dropped(spark: SparkSession, table: str) -> None:
    append = prepare_append(row(spark, 1), table, transaction(0))
    close_query(spark, [table], pipeline="p", query_id="q")
    append.commit()
    assert rows(spark, table) == []


def test_what_another_commit_forbids_is_written_anew(spark: SparkSession, table: str) -> None:
    append = prepare_append(row(spark, 1), table, transaction(0))
    append_once(row(spark, 7), table, transaction(0, query_id="another"))
    set_properties(spark, table, {"delta.logRetentionDuration": "interval 60 days"})
    append.commit()
    assert rows(spark, table) == [("another", 0, 7), ("q", 0, 1)]
