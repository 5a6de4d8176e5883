"""What a batch commit_log, from its own commit: the same as a query over the table finds."""

from pathlib import Path

import pytest
from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.spark import commit_log
from penstock.spark.commit_log import committed_files, committed_groups, groups_in_table, has_changed
from penstock.spark.merge import Span, replace_once
from penstock.spark.tables import append_once, close_query, commit_nothing
from penstock.storage.delta_transactions import Transaction
from penstock.storage.files import LocalStorage

ROWS = [("/in/a b.csv", None), ("/in/a b.csv", None), ("/in/a b.csv", "boom"), ("/in/ü%20.csv", "boom")]
STORAGE = LocalStorage()


@pytest.fixture
def table(spark: SparkSession, tmp_path: Path) -> str:
    path = str(tmp_path / "a table%20")
    schema = "query_id string, batch_id long, source_file string, error string"
    empty = spark.createDataFrame([], schema).write.format("delta").option("delta.checkpointInterval", "3")
    empty.save(path)
    return path


def batch(number: int, query: str = "q") -> Transaction:
    return Transaction(pipeline="wine", query_id=query, batch_id=number)


def rows(spark: SparkSession, *more: tuple[str, str | None]) -> DataFrame:
    return spark.createDataFrame([*ROWS, *more], "source_file string, error string").repartition(3)


def groups(spark: SparkSession, table: str, number: int) -> dict[tuple[str, str | None], int]:
    found = committed_groups(spark, STORAGE, table, batch(number), column="error")
    assert found == groups_in_table(spark, table, batch(number), "error")
    return dict(found)


def test_the_rows_of_one_batch_are_counted(spark: SparkSession, table: str) -> None:
    append_once(rows(spark), table, batch(0))
    append_once(rows(spark, ("/in/c.csv", None)), table, batch(1))
    expected = {("/in/a b.csv", None): 2, ("/in/a b.csv", "boom"): 1, ("/in/ü%20.csv", "boom"): 1}
    assert groups(spark, table, 0) == expected
    assert groups(spark, table, 1) == {**expected, ("/in/c.csv", None): 1}


def test_a_batch_is_found_behind_checkpoints_and_other_commits(spark: SparkSession, table: str) -> None:
    for number in range(5):
        append_once(rows(spark), table, batch(number))
    close_query(spark, [table], pipeline="wine", query_id="an older one")
    DeltaTable.forPath(spark, table).optimize().executeCompaction()
    for number in (4, 2, 0):
        assert committed_files(STORAGE, table, batch(number))
        assert sum(groups(spark, table, number).values()) == len(ROWS)


def test_a_commit_that_only_removes_rows_has_changed_the_table(spark: SparkSession, table: str) -> None:
    append_once(rows(spark), table, batch(0))
    every_row = Span(rows(spark).select(F.lit("q").alias("series_id")).distinct())
    of_series = spark.read.format("delta").load(table).withColumn("series_id", F.lit("q"))
    replaced = f"{table}-of-series"
    of_series.write.format("delta").save(replaced)
    replace_once(of_series.limit(0), replaced, batch(1), every_row)
    assert (committed_files(STORAGE, replaced, batch(1)), has_changed(STORAGE, replaced, batch(1))) == ([], True)
    commit_nothing(spark, replaced, batch(2))
    assert has_changed(STORAGE, replaced, batch(2)) is False
    assert has_changed(STORAGE, replaced, batch(3)) is False


def test_a_batch_that_appended_nothing_has_no_files(spark: SparkSession, table: str) -> None:
    assert committed_files(STORAGE, table, batch(7)) == []
    append_once(rows(spark), table, batch(6))
    append_once(rows(spark), table, batch(8, query="another"))
    assert committed_files(STORAGE, table, batch(7)) == []
    assert groups(spark, table, 7) == {}


def test_commits_far_back_are_left_to_a_query(spark: SparkSession, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    append_once(rows(spark), table, batch(0))
    for number in range(6):
        append_once(spark.createDataFrame(ROWS[:1], "source_file string, error string"), table, batch(number, "m"))
    monkeypatch.setattr(commit_log, "LOOK_BACK", 2)
    assert committed_files(STORAGE, table, batch(0)) is None
    assert sum(groups(spark, table, 0).values()) == len(ROWS)


def test_a_log_without_the_commit_is_left_to_a_query(spark: SparkSession, table: str) -> None:
    for number in range(4):
        append_once(rows(spark), table, batch(number))
    log = Path(table, "_delta_log")
    for version in range(3):
        (log / f"{version:020}.json").unlink()
    assert committed_files(STORAGE, table, batch(1)) is None
    assert sum(groups(spark, table, 1).values()) == len(ROWS)


def test_files_that_maintenance_has_removed_are_left_to_a_query(spark: SparkSession, table: str) -> None:
    append_once(rows(spark), table, batch(0))
    found = groups(spark, table, 0)
    DeltaTable.forPath(spark, table).optimize().executeCompaction()
    key = "spark.databricks.delta.retentionDurationCheck.enabled"
    spark.conf.set(key, "false")
    DeltaTable.forPath(spark, table).vacuum(0)
    spark.conf.unset(key)
    assert groups(spark, table, 0) == found


def test_mapped_columns_are_left_to_a_query(spark: SparkSession, table: str) -> None:
    spark.sql(f"ALTER TABLE delta.`{table}` SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    spark.sql(f"ALTER TABLE delta.`{table}` DROP COLUMN error")
    spark.sql(f"ALTER TABLE delta.`{table}` ADD COLUMNS (error string)")
    append_once(rows(spark), table, batch(0))
    assert sum(groups(spark, table, 0).values()) == len(ROWS)
