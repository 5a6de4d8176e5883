"""Keeps the table `lags`, the state of the series: compacts and rebuilds it, and checks that it matches the config.

A batch appends to it what it changes; the rows that it supersedes stay until the table is compacted. A compaction
keeps the `sequence` of every row, so that it commutes with an append that comes between its read and its commit.
"""

import logging

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.config.series import SeriesConfig
from penstock.errors import LedgerError, TableConflictError
from penstock.schemas.tables import FREQUENCY, KEEP_LAGS, REVISIONS
from penstock.series.valid_observations import newest_of_each_ds
from penstock.series.windows import sequence, whole_lags
from penstock.spark.commit_retry import commit
from penstock.spark.tables import (
    TableSize,
    newest_snapshot,
    properties_of,
    set_properties,
    size_of,
    table_properties,
    table_size,
)

#: Properties of `lags`: its size after the last compaction.
COMPACTED_BYTES, COMPACTED_FILES = "penstock.compacted_bytes", "penstock.compacted_files"
#: What is read in each batch may grow to this multiple, until rewriting it costs less than reading it.
MAX_GROWTH = 2.5
#: A table smaller than this is read as fast as an empty one.
SMALL_BYTES = 8 * 1024**2
#: So many files more than after the last compaction; each costs a request.
MAX_NEW_FILES = 200
log = logging.getLogger(__name__)


def current_lags(lags: DataFrame, series: SeriesConfig) -> DataFrame:
    """The state: the last keep_lags observations of each series, without superseded rows."""
    same_number = Window.partitionBy("series_id", "number").orderBy(F.desc("_sequence"))
    numbered = lags.withColumn("_sequence", sequence(lags)).select(
        "*",
        F.row_number().over(same_number).alias("_rank"),
        F.max("number").over(Window.partitionBy("series_id")).alias("_last"),
    )
    is_current = (F.col("_rank") == 1) & (F.col("number") > F.col("_last") - series.keep_lags)
    return numbered.where(is_current).select(*lags.columns)


def compact_lags(spark: SparkSession, config: PipelineConfig) -> None:
    """Remove the superseded rows, if there are so many that this costs less than reading them in the next batches."""
    path = config.table_path("lags")
    snapshot = newest_snapshot(spark, path)
    if is_compaction_due(size_of(snapshot), properties_of(spark, snapshot)):
        try:
            rewrite_lags(spark, config)
        except TableConflictError as error:
            log.info("%s: is compacted after a later batch: %s", path, error)


def is_compaction_due(size: TableSize, properties: dict[str, str]) -> bool:
    compacted = TableSize(
        files=int(properties.get(COMPACTED_FILES, "0")), bytes=int(properties.get(COMPACTED_BYTES, "0"))
    )
    return size.files > compacted.files + MAX_NEW_FILES or size.bytes > SMALL_BYTES + MAX_GROWTH * compacted.bytes


def rewrite_lags(spark: SparkSession, config: PipelineConfig) -> None:
    """Raises TableConflictError."""
    path = config.table_path("lags")
    before = table_size(spark, path)
    rows = current_lags(spark.read.format("delta").load(path), config.the_series)
    writer = rows.write.format("delta").mode("overwrite")
    commit(path, lambda: writer.save(path))
    after = table_size(spark, path)
    set_properties(spark, path, {COMPACTED_BYTES: str(after.bytes), COMPACTED_FILES: str(after.files)})
    log.info(
        "%s: compacted, %d files and %d bytes before, %d and %d now",
        path,
        before.files,
        before.bytes,
        after.files,
        after.bytes,
    )


def rebuild_lags(spark: SparkSession, config: PipelineConfig) -> None:
    """Rebuild the state from the observations, without effects of an interrupted or undone batch."""
    series, path = config.the_series, config.table_path("lags")
    observations = spark.read.format("delta").load(config.table_path("observations"))
    writer = whole_lags(newest_of_each_ds(observations), series).write.format("delta").mode("overwrite")
    commit(path, lambda: writer.save(path))


def check_frequency(spark: SparkSession, config: PipelineConfig) -> None:
    """Raises LedgerError if the state has another frequency: every series would have nothing but gaps."""
    path, wanted = config.table_path("lags"), config.the_series.frequency
    made_for = table_properties(spark, path).get(FREQUENCY, wanted)
    if made_for != wanted:
        raise LedgerError(
            f"{path} holds observations of frequency {made_for}, series.frequency is {wanted} now; change it back, or "
            "give the new series a tables.root and checkpoint of their own"
        )


def adapt_lags(spark: SparkSession, config: PipelineConfig) -> None:
    """Rebuild the state if series.keep_lags differs from what the table was created with: a model of higher order has
    its lags at once, instead of warming up.

    Compact it if series.revisions was `newest` and is not any more: its batches alone look for rows that were
    superseded under their own number.
    """
    path, series = config.table_path("lags"), config.the_series
    properties = table_properties(spark, path)
    wanted = {KEEP_LAGS: str(series.keep_lags), REVISIONS: series.revisions}
    if all(properties.get(name) == value for name, value in wanted.items()):
        return
    if properties.get(KEEP_LAGS) != wanted[KEEP_LAGS]:
        log.info(
            "series.keep_lags is %s, the lags table was made with %s: filling it from observations",
            wanted[KEEP_LAGS],
            properties.get(KEEP_LAGS),
        )
        rebuild_lags(spark, config)
    elif properties.get(REVISIONS) == "newest":
        rewrite_lags(spark, config)
    set_properties(spark, path, wanted)
