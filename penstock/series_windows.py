"""From observations to the model's inputs: order, duplicates, late ones, holes, and the lagged levels.

All in native expressions over (lags union batch); there is no Python state. Frames here have `series_id`, `ds`, the
variables in levels, and columns of their own that begin with an underscore.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from penstock.calendar import Calendar
from penstock.config import SeriesConfig
from penstock.plan import PlannedFile

KEYS = ("series_id", "ds")
IS_OLD = "_is_old"
LAST_OLD = "_last_old_ds"
POSITION = "_position"
NUMBER = "_number"
IS_NEWEST = "_is_newest"
IS_COMPLETE = "_is_complete"
REVISION = "revision"
LATE = "late"


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A batch's observations, each in one place.

    in_order: those that continue their series, together with the old ones of `lags` (`_is_old`); it has the window
    columns of `in_order_windows`. late: at or before the last old one. doubled: the same ds again in the batch.
    """

    in_order: DataFrame
    late: DataFrame
    doubled: DataFrame


def observations_of(rows: DataFrame, series: SeriesConfig) -> DataFrame:
    """Accepted rows under the tables' names: series_id, ds, variables, source_file."""
    return rows.select(
        F.col(series.id).cast("string").alias("series_id"),
        F.col(series.time).cast("timestamp").alias("ds"),
        *series.variables,
        "source_file",
    )


def judge(
    spark: SparkSession,
    observations: DataFrame,
    lags: DataFrame,
    *,
    series: SeriesConfig,
    files: Sequence[PlannedFile],
) -> Judged:
    """Sort a batch's observations; `lags` is the state before it."""
    ranked = rank_doubled(spark, observations, series, files)
    new = ranked.where(F.col("_rank") == 1).drop("_rank")
    touched = lags.join(new.select("series_id").distinct(), on="series_id", how="left_semi")
    old = touched.select(*KEYS, *series.variables, F.lit(None).cast("string").alias("source_file"))
    both = old.withColumn(IS_OLD, F.lit(True)).unionByName(new.withColumn(IS_OLD, F.lit(False)))
    dated = both.withColumn(LAST_OLD, F.max(F.when(F.col(IS_OLD), F.col("ds"))).over(Window.partitionBy("series_id")))
    is_late = ~F.col(IS_OLD) & F.coalesce(F.col("ds") <= F.col(LAST_OLD), F.lit(False))
    return Judged(
        in_order=in_order_windows(dated.where(~is_late), series),
        late=dated.where(is_late),
        doubled=ranked.where(F.col("_rank") > 1).drop("_rank"),
    )


def rank_doubled(
    spark: SparkSession, observations: DataFrame, series: SeriesConfig, files: Sequence[PlannedFile]
) -> DataFrame:
    """`_rank` 1 for the observation that wins its (series_id, ds): from the newest file, then by path, then values."""
    order = sorted(files, key=lambda file: (file.modified_milliseconds or 0, file.path))
    ages = spark.createDataFrame(
        [(file.path, number) for number, file in enumerate(order)], "source_file string, _file_number int"
    )
    newest_first = Window.partitionBy(*KEYS).orderBy(F.desc("_file_number"), *map(F.desc, series.variables))
    numbered = observations.join(F.broadcast(ages), on="source_file", how="left")
    return numbered.withColumn("_rank", F.row_number().over(newest_first)).drop("_file_number")


def in_order_windows(observations: DataFrame, series: SeriesConfig) -> DataFrame:
    """The observations with their place in the series and their lagged levels.

    `_position`: how many consecutive complete observations end with this one (0: it is incomplete itself).
    `_number`: how many of the series are known up to it. `_is_newest`: none comes after it. `<variable>_lag<l>`:
    the level l periods before, null where the run of consecutive ones does not reach.
    """
    calendar = Calendar.of(series.frequency)
    by_ds = Window.partitionBy("series_id").orderBy("ds")
    complete = calendar.is_on(F.col("ds"))
    for variable in series.variables:
        complete = complete & F.col(variable).isNotNull() & ~F.isnan(variable)
    marked = observations.withColumn(IS_COMPLETE, complete)
    previous = marked.select(
        "*",
        F.lag("ds").over(by_ds).alias("_previous_ds"),
        F.lag(IS_COMPLETE).over(by_ds).alias("_previous_complete"),
        F.row_number().over(by_ds).alias(NUMBER),
        F.lead("ds").over(by_ds).isNull().alias(IS_NEWEST),
        *[
            F.lag(variable, lag).over(by_ds).alias(f"_{variable}_{lag}")
            for lag in range(1, series.keep_lags)
            for variable in series.variables
        ],
    )
    goes_on = F.col("_previous_complete") & calendar.is_next(F.col("ds"), F.col("_previous_ds"))
    begins = ~F.coalesce(goes_on, F.lit(False))
    start = F.max(F.when(begins, F.col(NUMBER))).over(by_ds.rowsBetween(Window.unboundedPreceding, 0))
    placed = previous.withColumn(POSITION, F.when(F.col(IS_COMPLETE), F.col(NUMBER) - start + 1).otherwise(0))
    return placed.select(
        *KEYS,
        *series.variables,
        "source_file",
        IS_OLD,
        IS_COMPLETE,
        POSITION,
        NUMBER,
        IS_NEWEST,
        *[lagged(variable, lag).alias(lag_column(variable, lag)) for variable, lag in lag_names(series)],
    )


def lag_names(series: SeriesConfig) -> list[tuple[str, int]]:
    return [(variable, lag) for lag in range(series.keep_lags) for variable in series.variables]


def lag_column(variable: str, lag: int) -> str:
    return f"{variable}_lag{lag}"


def lagged(variable: str, lag: int) -> Column:
    value = F.col(variable) if lag == 0 else F.col(f"_{variable}_{lag}")
    return F.when(F.col(POSITION) > lag, value)


def newest_lags(in_order: DataFrame, series: SeriesConfig) -> DataFrame:
    """What `lags` holds after the batch, for the series that got a new observation: slot 0 is the newest."""
    newest_first = Window.partitionBy("series_id").orderBy(F.desc("ds"))
    got_new = F.max((~F.col(IS_OLD)).cast("int")).over(Window.partitionBy("series_id")) == 1
    slots = in_order.select(
        *KEYS, *series.variables, (F.row_number().over(newest_first) - 1).alias("slot"), got_new.alias("_got_new")
    )
    kept = slots.where((F.col("slot") < series.keep_lags) & F.col("_got_new"))
    return kept.select("series_id", "slot", "ds", *series.variables)
