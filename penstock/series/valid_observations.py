"""Which rows of `observations` are the history of a series: of each ds the one that arrived last, of those in use.

Rows are only appended: a revised value is a later row with the same ds, and the one before stays as it was written.
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from penstock.series.reasons import NOT_IN_USE
from penstock.series.windows import KEYS


def is_in_use() -> Column:
    return F.col("error").isNull() | ~F.col("error").isin(*NOT_IN_USE)


def newest_of_each_ds(observations: DataFrame, **aggregates: Column) -> DataFrame:
    """The valid ones of `observations`: of each series and ds the row in use that arrived last.

    aggregates: columns to add, each over all rows in use of that series and ds.
    """
    last_first = Window.partitionBy(*KEYS).orderBy(F.desc("observed_at"), F.desc("batch_id"))
    # In the same order, so that the rows are sorted once.
    all_of_ds = last_first.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    ranked = observations.where(is_in_use()).withColumns(
        {"_rank": F.row_number().over(last_first)}
        | {name: aggregate.over(all_of_ds) for name, aggregate in aggregates.items()}
    )
    return ranked.where(F.col("_rank") == 1).drop("_rank")
