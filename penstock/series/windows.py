"""From observations to the model's inputs: ordering, duplicates, late arrivals, gaps, and lagged levels.

All in native expressions over (lags union batch); there is no Python state. Frames here have `series_id`, `ds`, the
variables in levels, and columns of their own that begin with an underscore.
"""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from penstock.config.series import SeriesConfig
from penstock.config.series_contract import SINGLE_SERIES
from penstock.series.calendar import Calendar
from penstock.series.reasons import CONFLICT, INSERTED, LATE, REVISED, REVISION
from penstock.sources.files import PlannedFile
from penstock.spark.local_frames import local_frame

KEYS = ("series_id", "ds")
#: The place of an observation: in `lags` already, after the last one of its series, or one of the reasons LATE,
#: REVISION and CONFLICT.
PLACE = "_place"
OLD = "old"
NEW = "new"
#: The places of the observations that make up a series, from which windows are made.
IN_ORDER = (OLD, NEW, REVISED, INSERTED)
HASH = "_hash"
SEQUENCE = "_sequence"
#: The version of `lags` that a batch reads.
LAGS_VERSION = "_lags_version"
POSITION = "_position"
NUMBER = "_number"
LAST_NUMBER = "_last_number"
CHANGED_NUMBER = "_changed_number"
IS_NEWEST = "_is_newest"
IS_COMPLETE = "_is_complete"
IS_IN_ORDER = "_is_in_order"
IS_KEPT = "_is_kept"
IS_CONFLICT = "_is_conflict"
FILE_NUMBER = "_file_number"
IS_REPLAYED = "_is_replayed"
#: Up to this total size of a batch's files, its series ids are broadcast to find their rows in `lags`.
BROADCAST_BYTES = 256 * 1024 * 1024


def observations_of(rows: DataFrame, series: SeriesConfig) -> DataFrame:
    """Accepted rows under the tables' names: series_id, ds, variables, source_file."""
    return rows.select(
        series_id(series).cast("string").alias("series_id"),
        F.col(series.time).cast("timestamp").alias("ds"),
        *[F.col(variable).cast("double").alias(variable) for variable in series.variables],
        "source_file",
    )


def series_id(series: SeriesConfig) -> Column:
    return F.lit(SINGLE_SERIES) if series.id is None else F.col(series.id)


def arrange(
    spark: SparkSession,
    observations: DataFrame,
    lags: DataFrame,
    *,
    series: SeriesConfig,
    files: Sequence[PlannedFile],
) -> DataFrame:
    """A batch's observations together with the old ones of their series, each with its `_place`.

    lags: the state before the batch. old: from `lags`. new: after all old ones of its series. late: not after them.
    conflict: another row of its file has the same ds and other values, and none of them counts; that depends on the
    file alone. revision: another observation with the same ds, in `lags` or in the batch, wins: that of the newest
    file, then by path; of equal rows of a file, one. `_number`: the observation's ordinal number within its series (old
    ones only).
    """
    both = with_state(spark, observations, lags, series=series, files=files)
    is_old = F.col(NUMBER).isNotNull()
    winner_first = winners_first(series)
    whole_series = winner_first.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    known = both.select(
        HASH,
        *KEYS,
        *series.variables,
        "source_file",
        FILE_NUMBER,
        NUMBER,
        F.max(F.when(is_old, F.col("ds"))).over(whole_series).alias("_last_ds"),
        F.coalesce(F.max(NUMBER).over(whole_series), F.lit(0)).alias(LAST_NUMBER),
    )
    # Superseded, or left by a larger keep_lags. With `revisions: first` no two rows of a series have one number.
    is_stale = is_old & (F.col(NUMBER) <= F.col(LAST_NUMBER) - series.keep_lags)
    judged = known.where(~is_stale).withColumn(IS_CONFLICT, is_contradicted(series))
    # Rows that contradict each other make no ds known.
    counted_before = F.max(F.when(~F.col(IS_CONFLICT), F.col("ds"))).over(
        winner_first.rowsBetween(Window.unboundedPreceding, -1)
    )
    place = (
        F.when(is_old, F.lit(OLD))
        .when(F.col(IS_CONFLICT), F.lit(CONFLICT))
        .when(counted_before.eqNullSafe(F.col("ds")), F.lit(REVISION))
        .when(F.col("ds") <= F.col("_last_ds"), F.lit(LATE))
        .otherwise(F.lit(NEW))
    )
    return judged.withColumn(PLACE, place).drop(FILE_NUMBER, IS_CONFLICT, "_last_ds")


def with_state(
    spark: SparkSession,
    observations: DataFrame,
    lags: DataFrame,
    *,
    series: SeriesConfig,
    files: Sequence[PlannedFile],
) -> DataFrame:
    """A batch's observations and the old ones of their series in one frame, in which a series is in one partition.

    `_number`, `_sequence`: of the old ones, among which are superseded rows of `lags`. `_file_number`: of the others,
    higher for a newer file. `_is_replayed`: whether their rows come from the quarantine.
    """
    ages = local_frame(
        spark,
        [(file.path, number, file.verdict == "replayed") for number, file in enumerate(oldest_first(files))],
        f"source_file string, {FILE_NUMBER} int, {IS_REPLAYED} boolean",
    )
    new = (
        observations.join(F.broadcast(ages), on="source_file", how="left")
        .withColumn(NUMBER, F.lit(None).cast("long"))
        .withColumn(SEQUENCE, F.lit(None).cast("long"))
    )
    old = touched(lags, observations, files).select(
        *KEYS,
        *series.variables,
        F.lit(None).cast("string").alias("source_file"),
        F.lit(None).cast("int").alias(FILE_NUMBER),
        F.lit(None).cast("boolean").alias(IS_REPLAYED),
        F.col("number").alias(NUMBER),
        sequence(lags).alias(SEQUENCE),
    )
    # One shuffle and one sort for all windows of the batch, each within a series. The hash is the first sort key
    # because numbers compare faster than strings.
    return old.unionByName(new).withColumn(HASH, F.xxhash64("series_id")).repartition("series_id")


def sequence(lags: DataFrame) -> Column:
    """The column of `lags`, which a version of it from before Penstock 0.3.0 does not have."""
    return F.coalesce(F.col("sequence"), F.lit(-1)) if "sequence" in lags.columns else F.lit(-1).cast("long")


def in_series() -> WindowSpec:
    return Window.partitionBy(HASH, "series_id")


def winners_first(series: SeriesConfig) -> WindowSpec:
    """By ds, and of those with the same ds the old one first, then that of the newest file."""
    return in_series().orderBy("ds", F.desc_nulls_last(NUMBER), F.desc(FILE_NUMBER), *map(F.desc, series.variables))


def is_contradicted(series: SeriesConfig) -> Column:
    """Whether the rows of its file with this series and ds have different values."""
    # A beginning of the order of `winners_first`, which Spark need not sort again.
    of_file = in_series().orderBy("ds", F.desc_nulls_last(NUMBER), F.desc(FILE_NUMBER))
    same_ds = of_file.rangeBetween(Window.currentRow, Window.currentRow)
    return have_different_values(series, same_ds)


def have_different_values(series: SeriesConfig, window: WindowSpec) -> Column:
    """Whether the rows of a window differ in a variable. Null and NaN are both a missing value, as in the fit."""
    values = F.struct(*[F.nanvl(variable, F.lit(None).cast("double")).alias(variable) for variable in series.variables])
    return ~F.min(values).over(window).eqNullSafe(F.max(values).over(window))


def oldest_first(files: Sequence[PlannedFile]) -> list[PlannedFile]:
    return sorted(files, key=lambda file: (file.modified_milliseconds or 0, file.path))


def touched(lags: DataFrame, observations: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
    """The rows of `lags` whose series are in the batch, so that further cost depends on the batch alone."""
    ids = observations.select("series_id").distinct()
    if sum(file.length or 0 for file in files) <= BROADCAST_BYTES:
        ids = F.broadcast(ids)
    return lags.join(ids, on="series_id", how="left_semi")


def windowed(arranged: DataFrame, series: SeriesConfig, *, carried: Sequence[str] = ()) -> DataFrame:
    """The arranged observations, those in order with their position in the series and their lagged levels.

    `_position`: how many consecutive complete observations end with this one, at most keep_lags (0: it is incomplete
    itself). `_number`: its ordinal number within the series. `_is_newest`: it is the last one. `_is_kept`: it is one
    of the last keep_lags. `<variable>_lag<l>`: the level l periods before, null beyond the run of consecutive
    observations. carried: more columns to keep.
    """
    calendar = Calendar.of_series(series)
    # Late observations and revisions are kept in the same frame, so that the whole batch is one frame.
    by_ds = Window.partitionBy(HASH, "series_id", IS_IN_ORDER).orderBy("ds")
    complete = calendar.is_on(F.col("ds"))
    for variable in series.variables:
        complete = complete & F.col(variable).isNotNull() & ~F.isnan(variable)
    marked = arranged.withColumns({IS_IN_ORDER: F.col(PLACE).isin(*IN_ORDER), IS_COMPLETE: complete})
    is_new = (F.col(PLACE) == NEW).cast("long")
    n_new = F.sum(is_new).over(by_ds.rowsBetween(Window.unboundedPreceding, 0))
    n_all_new = F.sum(is_new).over(by_ds.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing))
    # A column of its own: each lag of it is an expression that has it once.
    numbered = marked.withColumn("_ordinal_0", F.when(F.col(IS_COMPLETE), calendar.ordinal(F.col("ds"))))
    lagging = numbered.select(
        *KEYS,
        *series.variables,
        *carried,
        "source_file",
        PLACE,
        IS_COMPLETE,
        F.coalesce(F.col(NUMBER), F.col(LAST_NUMBER) + n_new).alias(NUMBER),
        (F.col(LAST_NUMBER) + n_all_new).alias(LAST_NUMBER),
        F.lead("ds").over(by_ds).isNull().alias(IS_NEWEST),
        "_ordinal_0",
        *[F.lag("_ordinal_0", lag).over(by_ds).alias(f"_ordinal_{lag}") for lag in range(1, series.keep_lags)],
        *[
            F.lag(variable, lag).over(by_ds).alias(f"_{variable}_{lag}")
            for lag in range(1, series.keep_lags)
            for variable in series.variables
        ],
    )
    return lagging.withColumn(POSITION, run_length(calendar, series)).select(
        *KEYS,
        *series.variables,
        *carried,
        "source_file",
        PLACE,
        IS_COMPLETE,
        POSITION,
        NUMBER,
        IS_NEWEST,
        (F.col(NUMBER) > F.col(LAST_NUMBER) - series.keep_lags).alias(IS_KEPT),
        *[lagged(variable, lag).alias(lag_column(variable, lag)) for variable, lag in lag_names(series)],
    )


def run_length(calendar: Calendar, series: SeriesConfig) -> Column:
    """The first lag at which the complete observation of the preceding period is missing."""
    length = F.when(F.col("_ordinal_0").isNull(), 0)
    for lag in range(1, series.keep_lags):
        distance = F.col(f"_ordinal_{lag - 1}") - F.col(f"_ordinal_{lag}")
        is_consecutive = distance == calendar.ordinals_per_period
        length = length.when(~F.coalesce(is_consecutive, F.lit(False)), lag)
    return length.otherwise(series.keep_lags)


def lag_names(series: SeriesConfig) -> list[tuple[str, int]]:
    return [(variable, lag) for lag in range(series.keep_lags) for variable in series.variables]


def lag_column(variable: str, lag: int) -> str:
    return f"{variable}_lag{lag}"


def lagged(variable: str, lag: int) -> Column:
    value = F.col(variable) if lag == 0 else F.col(f"_{variable}_{lag}")
    return F.when(F.col(POSITION) > lag, value)


def new_lags(windows: DataFrame, series: SeriesConfig) -> DataFrame:
    """The rows that the batch adds to `lags`: the last `keep_lags` new observations of each series, numbered on, so
    that the oldest ones are superseded, and no other row changes."""
    return lags_of(windows.where((F.col(PLACE) == NEW) & F.col(IS_KEPT)), series)


def lags_of(kept: DataFrame, series: SeriesConfig) -> DataFrame:
    """The columns of `lags` for windows that are to be kept."""
    numbered = kept.withColumns({"number": F.col(NUMBER), "sequence": F.col(LAGS_VERSION)})
    return numbered.withColumn("slot", slot(series)).select(*lags_columns(series), "sequence")


def whole_lags(used: DataFrame, series: SeriesConfig) -> DataFrame:
    """The state after the observations `used`: all valid observations of their series, one for each ds."""
    of_series = Window.partitionBy("series_id")
    numbered = used.select(
        "*",
        F.row_number().over(of_series.orderBy("ds")).cast("long").alias("number"),
        F.count("*").over(of_series).alias("_n"),
    )
    kept = numbered.where(F.col("number") > F.col("_n") - series.keep_lags)
    return kept.withColumn("slot", slot(series)).select(*lags_columns(series))


def lags_columns(series: SeriesConfig) -> list[str]:
    return ["query_id", "batch_id", "series_id", "slot", "number", "ds", *series.variables]


def slot(series: SeriesConfig) -> Column:
    return F.pmod(F.col("number"), F.lit(series.keep_lags)).cast("int")
