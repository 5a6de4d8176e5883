"""Which rows of `observations` are the history of a series: of each ds the one that arrived last, of those in use.

Rows are only appended: a revised value is a later row with the same ds, and the one before stays as it was written.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from penstock.series.reasons import NOT_IN_USE
from penstock.series.windows import KEYS


def is_in_use() -> Column:
    return F.col("error").isNull() | ~F.col("error").isin(*NOT_IN_USE)


def newest_of_each_ds(observations: DataFrame) -> DataFrame:
    """The valid ones of `observations`: of each series and ds the row in use that arrived last."""
    last_first = Window.partitionBy(*KEYS).orderBy(F.desc("observed_at"), F.desc("batch_id"))
    ranked = observations.where(is_in_use()).withColumn("_rank", F.row_number().over(last_first))
    return ranked.where(F.col("_rank") == 1).drop("_rank")
