"""`series.revisions: newest`: what arrives later counts, whichever ds it is for.

Other values for a known ds take the place of those in the state, and an unknown ds is inserted into its series. Both
change the windows of all later observations; of those, the last one of the series gets a new forecast. What was
forecast before stays. Of the state, what is older than its last `series.keep_lags` observations is in `observations`
only (penstock.pipeline.series_revisions).
"""

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from penstock.config.series import SeriesConfig
from penstock.series.reasons import CONFLICT, INSERTED, REVISED, SUPERSEDED, UNCHANGED
from penstock.series.windows import (
    CHANGED_NUMBER,
    FILE_NUMBER,
    HASH,
    IS_CONFLICT,
    IS_KEPT,
    IS_NEWEST,
    IS_REPLAYED,
    KEYS,
    LAST_NUMBER,
    NEW,
    NUMBER,
    OLD,
    PLACE,
    SEQUENCE,
    arrange,
    in_series,
    is_contradicted,
    lags_of,
    new_lags,
    windowed,
    winners_first,
    with_state,
)
from penstock.sources.files import PlannedFile

#: The place of an observation whose ds is before those in `lags`, which do not say whether it is known.
EARLIER = "earlier"
#: The places of observations that change the history of a series.
CHANGES = (REVISED, INSERTED)
IS_MOVED = "_is_moved"
CARRIED = (CHANGED_NUMBER, IS_MOVED, IS_REPLAYED)


def batch_windows(
    spark: SparkSession,
    observations: DataFrame,
    lags: DataFrame,
    *,
    series: SeriesConfig,
    files: Sequence[PlannedFile],
) -> DataFrame:
    """Every observation of a batch with its window, over the state `lags`.

    With `revisions: newest` also the old ones that move to another slot, and the last one of each series whose history
    has changed.
    """
    if series.revisions == "first":
        arranged = arrange(spark, observations, lags, series=series, files=files)
        return windowed(arranged, series).where(F.col(PLACE) != OLD)
    arranged = arrange_newest(spark, observations, lags, series=series, files=files)
    windows = windowed(arranged, series, carried=CARRIED)
    is_asked = F.col(IS_NEWEST) & F.col(CHANGED_NUMBER).isNotNull()
    return windows.where((F.col(PLACE) != OLD) | is_asked | (F.col(IS_MOVED) & F.col(IS_KEPT)))


def arrange_newest(
    spark: SparkSession,
    observations: DataFrame,
    lags: DataFrame,
    *,
    series: SeriesConfig,
    files: Sequence[PlannedFile],
) -> DataFrame:
    """A batch's observations together with the old ones of their series that keep their values, each with its
    `_place`.

    lags: the state before the batch. old: from `lags`. new: after all old ones of its series. revised: other values
    for the ds of an old one, which is left out. inserted: a ds between old ones, or before the first one of a series.
    unchanged: the values of an old one, or of another row of its file. earlier: before the old ones, where the series
    has some that are not in `lags`. conflict: another row of its file has the same ds and other values, and none of
    them counts; an old one keeps its values. superseded: another observation of the batch with the same ds wins, that
    of the newest file, then by path; or it is known, and this one comes from the quarantine, where it may have waited
    for long.

    `_number`: the ordinal number within the series of those in order that are not new. `_last_number`: the last of
    them. `_changed_number`: that of the last revised or inserted one. `_is_moved`: whether an old one has another
    number than in `lags`.
    """
    both = with_current_state(with_state(spark, observations, lags, series=series, files=files))
    whole = winners_first(series).rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    last = both.withColumn(LAST_NUMBER, F.max(NUMBER).over(whole))
    # Superseded, or left by a larger keep_lags.
    valid = last.where(F.col(NUMBER).isNull() | (F.col(NUMBER) > F.col(LAST_NUMBER) - series.keep_lags))
    return renumbered(placed(valid, series), series)


def with_current_state(both: DataFrame) -> DataFrame:
    """Without the rows of `lags` in whose place others have come under the same number."""
    same_number = Window.partitionBy(HASH, "series_id", NUMBER)
    newest = both.withColumn("_newest", F.max(SEQUENCE).over(same_number))
    return newest.where(F.col(NUMBER).isNull() | (F.col(SEQUENCE) == F.col("_newest"))).drop("_newest", SEQUENCE)


def placed(valid: DataFrame, series: SeriesConfig) -> DataFrame:
    """With `_place`, and `_first_number` of the old ones of the series; without the old ones that are revised."""
    by_ds = winners_first(series)
    whole = by_ds.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    same_ds = in_series().orderBy("ds").rangeBetween(Window.currentRow, Window.currentRow)
    is_old = F.col(NUMBER).isNotNull()
    values = F.struct(*series.variables)
    is_same_file = F.lag(FILE_NUMBER).over(by_ds).eqNullSafe(F.col(FILE_NUMBER))
    judged = valid.select(
        "*",
        (F.lag("ds").over(by_ds).eqNullSafe(F.col("ds")) & is_same_file).alias("_is_copy"),
        F.min(F.when(is_old, F.col("ds"))).over(whole).alias("_first_ds"),
        F.max(F.when(is_old, F.col("ds"))).over(whole).alias("_last_ds"),
        F.min(NUMBER).over(whole).alias("_first_number"),
    ).withColumn(IS_CONFLICT, is_contradicted(series))
    # The rows of its file that are no conflict have the same values: whichever it is.
    candidate = F.when(~is_old & ~F.col(IS_CONFLICT), F.struct(FILE_NUMBER, IS_REPLAYED, values.alias("values")))
    compared = judged.select(
        "*",
        F.max(F.when(is_old, values)).over(same_ds).alias("_known"),
        F.max(candidate).over(same_ds).alias("_winner"),
    )
    is_known = F.col("_known").isNotNull()
    is_same = F.col("_winner.values").eqNullSafe(F.col("_known"))
    is_replayed = F.coalesce(F.col(f"_winner.{IS_REPLAYED}"), F.lit(False))
    is_replaced = is_old & F.col("_winner").isNotNull() & ~is_same & ~is_replayed
    place = (
        F.when(is_old, F.lit(OLD))
        .when(F.col(IS_CONFLICT), F.lit(CONFLICT))
        .when(F.col(FILE_NUMBER) != F.col(f"_winner.{FILE_NUMBER}"), F.lit(SUPERSEDED))
        .when(is_known & is_same, F.lit(UNCHANGED))
        .when(is_known & F.col(IS_REPLAYED), F.lit(SUPERSEDED))
        .when(F.col("_is_copy"), F.lit(UNCHANGED))
        .when(is_known, F.lit(REVISED))
        .when(F.col("_last_ds").isNull() | (F.col("ds") > F.col("_last_ds")), F.lit(NEW))
        .when((F.col("ds") < F.col("_first_ds")) & (F.col("_first_number") > 1), F.lit(EARLIER))
        .otherwise(F.lit(INSERTED))
    )
    return compared.withColumn(PLACE, place).where(~is_replaced)


def renumbered(placed: DataFrame, series: SeriesConfig) -> DataFrame:
    """The columns that `windowed` takes, and CARRIED."""
    by_ds = in_series().orderBy("ds")
    whole = by_ds.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    is_settled = F.col(PLACE).isin(OLD, *CHANGES).cast("long")
    before = F.coalesce(F.col("_first_number") - 1, F.lit(0))
    n_settled = F.sum(is_settled).over(by_ds.rowsBetween(Window.unboundedPreceding, 0))
    former = F.col(NUMBER)
    numbered = placed.select(
        "*",
        F.when(is_settled == 1, before + n_settled).alias("_number_now"),
        (before + F.sum(is_settled).over(whole)).alias("_last_number_now"),
    )
    changed = F.when(F.col(PLACE).isin(*CHANGES), F.col("_number_now"))
    return numbered.select(
        HASH,
        *KEYS,
        *series.variables,
        "source_file",
        PLACE,
        F.col("_number_now").alias(NUMBER),
        F.col("_last_number_now").alias(LAST_NUMBER),
        F.max(changed).over(whole).alias(CHANGED_NUMBER),
        F.coalesce(F.col("_number_now") != former, F.lit(False)).alias(IS_MOVED),
        IS_REPLAYED,
    )


def changed_lags(windows: DataFrame, series: SeriesConfig) -> DataFrame:
    """The rows that a batch adds to `lags`: of the last `keep_lags` observations of each series those that are new,
    have other values, or have another number than before."""
    if series.revisions == "first":
        return new_lags(windows, series)
    is_other = F.col(PLACE).isin(NEW, *CHANGES) | ((F.col(PLACE) == OLD) & F.col(IS_MOVED))
    return lags_of(windows.where(F.col(IS_KEPT) & is_other), series)
