"""The `lags` table as a whole: made anew from the observations where it can't simply go on."""

import logging

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LedgerError
from penstock.schemas.tables import FREQUENCY, KEEP_LAGS
from penstock.series.forecasts import SUPERSEDED
from penstock.series.windows import LATE, REVISION, whole_lags
from penstock.spark.commit_retry import commit
from penstock.spark.tables import set_properties, table_properties

log = logging.getLogger(__name__)


def rebuild_lags(spark: SparkSession, config: PipelineConfig) -> None:
    """Make the state anew from the observations: a merge that was cut off or undone leaves no trace."""
    series, path = config.the_series, config.table_path("lags")
    observations = spark.read.format("delta").load(config.table_path("observations"))
    used = observations.where(F.col("error").isNull() | ~F.col("error").isin(LATE, REVISION, SUPERSEDED))
    writer = whole_lags(used, series).write.format("delta").mode("overwrite")
    commit(path, lambda: writer.save(path))


def check_frequency(spark: SparkSession, config: PipelineConfig) -> None:
    """Raises LedgerError where the state is of another calendar: each series would only have gaps from then on."""
    path, wanted = config.table_path("lags"), config.the_series.frequency
    made_for = table_properties(spark, path).get(FREQUENCY, wanted)
    if made_for != wanted:
        raise LedgerError(
            f"{path} holds observations of frequency {made_for}, series.frequency is {wanted} now; change it back, or "
            "give the new series a tables.root and checkpoint of their own"
        )


def adapt_lags(spark: SparkSession, config: PipelineConfig) -> None:
    """Refill the state where series.keep_lags is another than the table was made with: a deeper model then has its
    lags at once, instead of warming up."""
    path, wanted = config.table_path("lags"), str(config.the_series.keep_lags)
    made_with = table_properties(spark, path).get(KEEP_LAGS)
    if made_with == wanted:
        return
    log.info("series.keep_lags is %s, the lags table was made with %s: filling it from observations", wanted, made_with)
    rebuild_lags(spark, config)
    set_properties(spark, path, {KEEP_LAGS: wanted})
