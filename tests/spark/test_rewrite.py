"""Rows are replaced in one commit, whether their files have other rows or not, and statistics or not."""

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.spark.rewrite import IS_OLD, Replacement, replace_rows_once
from penstock.spark.tables import snapshot_version
from penstock.storage.delta_transactions import Transaction


class RefusedError(Exception):
    pass


def transaction(number: int) -> Transaction:
    return Transaction(pipeline="p", query_id="q", batch_id=number)


def append(spark: SparkSession, path: str, begin: int, end: int) -> None:
    rows = spark.range(begin, end, numPartitions=1).withColumn("value", F.lit("old"))
    rows.write.format("delta").mode("append").save(path)


def below(limit: int, table: DataFrame) -> DataFrame:
    return table.withColumn(IS_OLD, F.col("id") < limit)


@pytest.mark.parametrize("statistics", ["true", "false"])
def test_rows_are_replaced_and_counted(spark: SparkSession, tmp_path: Path, statistics: str) -> None:
    """Of files with the ids 0 to 2, 3 to 6 and 7 to 9, the rows below 5, of which 1 and 6 are deleted before."""
    path, found = str(tmp_path / "table"), list[Replacement]()
    spark.conf.set("spark.databricks.delta.stats.collect", statistics)
    try:
        for begin, end in ((0, 3), (3, 7), (7, 10)):
            append(spark, path, begin, end)
        spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('delta.enableDeletionVectors' = 'true')")
        spark.sql(f"DELETE FROM delta.`{path}` WHERE id IN (1, 6)")
        version = snapshot_version(spark, path)

        def refuse(replacement: Replacement) -> None:
            found.append(replacement)
            raise RefusedError

        def new(old: DataFrame | None) -> DataFrame | None:
            assert old is not None
            return old.where("id != 0").withColumn("value", F.lit("new"))

        def replace(number: int, check: object) -> None:
            replace_rows_once(spark, path, transaction(number), mark=lambda rows: below(5, rows), new=new, check=check)

        with pytest.raises(RefusedError):
            replace(0, refuse)
        assert snapshot_version(spark, path) == version
        replace(0, found.append)
        replace(0, refuse)  # the table has it
        assert found == [Replacement(version=version, old=4, new=3)] * 2
        rows = {(row.id, row.value) for row in spark.read.format("delta").load(path).collect()}
        assert rows == {(2, "new"), (3, "new"), (4, "new"), *[(id_, "old") for id_ in (5, 7, 8, 9)]}
    finally:
        spark.conf.unset("spark.databricks.delta.stats.collect")


def test_files_without_other_rows_are_not_read_again(spark: SparkSession, tmp_path: Path) -> None:
    """And nothing is written where no row is old, nor given in place of one."""
    path, marked = str(tmp_path / "table"), list[int]()
    append(spark, path, 0, 3)
    append(spark, path, 3, 6)

    def mark(limit: int, rows: DataFrame) -> DataFrame:
        marked.append(limit)
        return below(limit, rows)

    for number, (limit, marks) in enumerate([(3, 2), (4, 3), (0, 1)]):
        marked.clear()
        replace_rows_once(
            spark,
            path,
            transaction(number),
            mark=lambda rows, limit=limit: mark(limit, rows),
            new=lambda old: old.withColumn("value", F.lit("new")) if old is not None else None,
        )
        assert len(marked) == marks
    rows = sorted((row.id, row.value) for row in spark.read.format("delta").load(path).collect())
    assert rows == [*[(id_, "new") for id_ in range(4)], (4, "old"), (5, "old")]
