"""The `lags` table as a whole: made anew from the observations where it can't simply go on."""

import logging

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

from penstock.config import PipelineConfig
from penstock.errors import LedgerError
from penstock.series_answers import SUPERSEDED
from penstock.series_windows import LATE, REVISION, slot
from penstock.tables import table_properties
from schemas.tables import FREQUENCY, KEEP_LAGS

log = logging.getLogger(__name__)


def rebuild_lags(spark: SparkSession, config: PipelineConfig) -> None:
    """Make the state anew from the observations: a merge that was cut off or undone leaves no trace."""
    series, path = config.the_series, config.table_path("lags")
    observations = spark.read.format("delta").load(config.table_path("observations"))
    used = observations.where(F.col("error").isNull() | ~F.col("error").isin(LATE, REVISION, SUPERSEDED))
    by_series = Window.partitionBy("series_id")
    numbered = used.select(
        "*",
        F.row_number().over(by_series.orderBy("ds")).cast("long").alias("number"),
        F.count("*").over(by_series).alias("_n"),
    )
    kept = numbered.where(F.col("number") > F.col("_n") - series.keep_lags).withColumn("slot", slot(series))
    columns = ("query_id", "batch_id", "series_id", "slot", "number", "ds", *series.variables)
    kept.select(*columns).write.format("delta").mode("overwrite").save(path)


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
    spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ('{KEEP_LAGS}' = '{wanted}')")
