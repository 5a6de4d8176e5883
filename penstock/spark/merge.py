"""Replacements in Delta tables, each applied at most once per micro-batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.spark.commit_retry import commit
from penstock.storage.delta_transactions import Transaction


@contextmanager
def transaction_of_merge(spark: SparkSession, transaction: Transaction) -> Iterator[None]:
    """Sets the transaction for a merge, which reads it from session settings, not from options."""
    settings = {
        "spark.databricks.delta.write.txnAppId": transaction.application,
        "spark.databricks.delta.write.txnVersion": str(transaction.batch_id),
    }
    for key, value in settings.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key in settings:
            spark.conf.unset(key)


@dataclass(frozen=True)
class Span:
    """The rows of a table to replace: all rows of the series in `series` (its column series_id); with a time column
    `at`, only those at or after each series' `start` (a column of `series`)."""

    series: DataFrame
    at: str = ""
    start: str = ""


def replace_once(frame: DataFrame, path: str, transaction: Transaction, span: Span) -> None:
    """Replace a span of the table by `frame`, in one commit, at most once per transaction."""
    columns = frame.columns
    limit = F.col(span.start) if span.at else F.lit(None).cast("timestamp")
    spans = span.series.select(F.col("series_id").alias("_span"), limit.alias("_start"))
    source = frame.withColumns({"_span": F.lit(None).cast("string"), "_start": F.lit(None).cast("timestamp")})
    source = source.unionByName(spans, allowMissingColumns=True)
    is_inside = "old.series_id = new._span" + (f" AND old.`{span.at}` >= new._start" if span.at else "")
    inserted: dict[str, str | Column] = {column: F.col(f"new.`{column}`") for column in columns}

    def replace() -> None:
        table = DeltaTable.forPath(frame.sparkSession, path).alias("old").merge(source.alias("new"), is_inside)
        with transaction_of_merge(frame.sparkSession, transaction):
            table.whenMatchedDelete().whenNotMatchedInsert("new._span IS NULL", values=inserted).execute()

    commit(path, replace)
