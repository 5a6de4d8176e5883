"""Counts the observations that a micro-batch has committed, by source file and error, and their series."""

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.spark.commit_log import (
    Groups,
    NotInFilesError,
    committed_files,
    groups_in_table,
    groups_of,
    rows_in_files,
)
from penstock.spark.tables import batch_rows
from penstock.storage.delta_transactions import Transaction
from penstock.storage.files import Storage

#: Rows by series are merged when there are this many: memory follows the series, not the observations.
MERGED_ROWS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class SeriesCount:
    """series: how many the batch has observations of. without_forecast: those of them that it made no forecast for, but
    for fallbacks."""

    series: int
    without_forecast: int


def committed_observations(
    spark: SparkSession, storage: Storage, table: str, transaction: Transaction
) -> tuple[Groups, SeriesCount]:
    """Rows of a transaction's append to `observations` by (source_file, error), and its series.

    From the files of its own commit; by a query where these can't be read.
    """
    paths = committed_files(storage, table, transaction)
    if paths is not None:
        try:
            return observations_in_files(storage, paths)
        except NotInFilesError:
            pass
    return groups_in_table(spark, table, transaction, "error"), series_in_table(spark, table, transaction)


def observations_in_files(storage: Storage, paths: list[str]) -> tuple[Groups, SeriesCount]:
    """Raises NotInFilesError."""
    groups: Groups = Counter()
    series: list[pa.Table] = []
    for rows in rows_in_files(storage, paths, ("source_file", "error", "series_id")):
        groups.update(groups_of(rows, "error"))
        forecast = pa.table({"series_id": rows["series_id"], "forecast": pc.is_null(rows["error"])})
        series.append(merged([forecast]))
        if sum(part.num_rows for part in series) > MERGED_ROWS:
            series = [merged(series)]
    if not series:
        return groups, SeriesCount(series=0, without_forecast=0)
    has_forecast = merged(series)["forecast"]
    made = pc.sum(has_forecast).as_py()
    return groups, SeriesCount(series=len(has_forecast), without_forecast=len(has_forecast) - made)


def merged(parts: list[pa.Table]) -> pa.Table:
    """A row for each series. parts: series_id, forecast (whether there is one)."""
    found = pa.concat_tables(parts).group_by("series_id").aggregate([("forecast", "any")])
    return pa.table({"series_id": found["series_id"], "forecast": found["forecast_any"]})


def series_in_table(spark: SparkSession, table: str, transaction: Transaction) -> SeriesCount:
    has_forecast = F.max(F.col("error").isNull()).alias("forecast")
    by_series = batch_rows(spark, table, transaction).groupBy("series_id").agg(has_forecast)
    [row] = by_series.agg(F.count("*").alias("series"), F.count_if(~F.col("forecast")).alias("without")).collect()
    return SeriesCount(series=row["series"], without_forecast=row["without"])
