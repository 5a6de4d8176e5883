"""Rebuilds the `lags` table from `observations`, and checks that it matches the config."""

import logging

from pyspark.sql import SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LedgerError
from penstock.schemas.tables import FREQUENCY, KEEP_LAGS
from penstock.series.valid_observations import newest_of_each_ds
from penstock.series.windows import whole_lags
from penstock.spark.commit_retry import commit
from penstock.spark.tables import set_properties, table_properties

log = logging.getLogger(__name__)


def rebuild_lags(spark: SparkSession, config: PipelineConfig) -> None:
    """Rebuild the state from the observations, without effects of an interrupted or undone merge."""
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
    its lags at once, instead of warming up."""
    path, wanted = config.table_path("lags"), str(config.the_series.keep_lags)
    made_with = table_properties(spark, path).get(KEEP_LAGS)
    if made_with == wanted:
        return
    log.info("series.keep_lags is %s, the lags table was made with %s: filling it from observations", wanted, made_with)
    rebuild_lags(spark, config)
    set_properties(spark, path, {KEEP_LAGS: wanted})
