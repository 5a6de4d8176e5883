"""Forecasts and the observations that came true for them.

An actual is the first observation that counted for a series and ds. Of each cutoff the forecast counts that was the
newest when the actual came; one that was made again afterwards does not.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from penstock.config.evaluation_checks import horizon_seconds
from penstock.config.series import SeriesConfig
from penstock.pipeline.batch_ranges import in_range, is_rescored, up_to
from penstock.pipeline.evaluation.losses import finite, half_width, interval_loss, scaled_score
from penstock.pipeline.evaluation.plans import EvaluationPlan, SeriesSpan
from penstock.pipeline.evaluation.sides import Sides
from penstock.pipeline.evaluation.sums import PAIR_COLUMNS
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.series.reasons import CONFLICT, LATE, NOT_IN_USE, REVISED
from penstock.series.valid_observations import is_in_use, newest_of_each_ds
from penstock.series.windows import KEYS
from penstock.storage.files import moment_of

#: Of a forecast.
ANSWER = ("forecast", "lower", "upper")
#: None of these is the first value that counts for its ds.
NOT_FIRST = (*NOT_IN_USE, REVISED)


def actuals(observations: DataFrame, plan: EvaluationPlan) -> DataFrame:
    """The rows of `observations` that an evaluation takes, at most one for a series and ds.

    Of one that is not final: those of its batches that are the first in use, and whose ds no earlier batch had a value
    for. A late replay can put a value in the place of one that was evaluated; that one is not evaluated once more.
    """
    if plan.is_final:
        return newest_of_each_ds(observations.where(up_to(plan.until)))
    is_taken = in_range(plan.after, plan.until)
    is_candidate = is_taken & is_first()
    # Rows that came late or contradict each other were not in use, or an evaluation would have taken them.
    is_earlier = up_to(plan.after) & ~F.coalesce(F.col("error").isin(LATE, CONFLICT), F.lit(False))
    of_ds = Window.partitionBy(*KEYS)
    oldest_first = of_ds.orderBy(F.desc("_is_earlier"), "observed_at", F.col("query_id") == REPLAY_QUERY, "batch_id")
    marked = observations.withColumn("_is_earlier", is_earlier).where(F.col("_is_earlier") | is_candidate)
    ranked = marked.withColumn("_rank", F.row_number().over(oldest_first))
    return ranked.where((F.col("_rank") == 1) & ~F.col("_is_earlier")).drop("_rank", "_is_earlier")


def span_of(observations: DataFrame, plan: EvaluationPlan, series: SeriesConfig) -> tuple[int, SeriesSpan | None]:
    """How many actuals the batches of a plan bring, and of which time. After a late replay some of them may have a ds
    that had a value before, and are then left out by `actuals`."""
    rows = observations.where(
        up_to(plan.until) & is_in_use() if plan.is_final else in_range(plan.after, plan.until) & is_first()
    )
    moments = (F.unix_micros(F.min("ds")), F.unix_micros(F.max("ds")))
    found = rows.agg(F.count("*").alias("n"), *moments).first()
    if found is None or not found["n"] or found[1] is None:
        return 0, None
    first, last = map(moment_of, found[1:])
    return found["n"], SeriesSpan(first_cutoff=before(first, series), first_ds=first, last_ds=last)


def is_first() -> Column:
    return F.col("error").isNull() | ~F.col("error").isin(*NOT_FIRST)


def before(ds: datetime, series: SeriesConfig) -> datetime:
    """A time that is no later than the cutoff `horizon` periods before ds."""
    try:
        return ds - timedelta(seconds=horizon_seconds(series))
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def forecast_pairs(
    observations: DataFrame, forecasts: DataFrame, plan: EvaluationPlan, series: SeriesConfig
) -> DataFrame:
    """PAIR_COLUMNS of each forecast whose actual the evaluation takes; one that is no finite number makes no pair."""
    span = plan.series
    assert span is not None
    within_span = F.col("ds").between(span.first_ds, span.last_ds)
    came = actuals(observations.where(within_span), plan).select(
        *KEYS,
        "observed_at",
        F.col("query_id").alias("_came_by"),
        F.col("batch_id").alias("_came_in"),
        *[F.col(variable).alias(actual_of(variable)) for variable in series.variables],
    )
    sides = Sides(forecasts)
    # By the cutoffs, whose bounds the log has of each file.
    of_span = F.col("cutoff").between(span.first_cutoff, span.last_ds)
    made = forecasts.where(of_span & within_span & F.col("variable").isin(*series.variables)).select(
        *KEYS,
        "cutoff",
        "step",
        "variable",
        *[sides.champion(name).alias(name) for name in ANSWER],
        *[sides.candidate(name).alias(candidate_of(name)) for name in ANSWER],
        "level",
        sides.champion_version.alias("_champion"),
        sides.candidate_version.alias("_candidate"),
        "scored_at",
        "batch_id",
        F.when(~is_rescored(forecasts), F.col("query_id")).alias("_made_by"),
    )
    paired = made.join(came, on=list(KEYS)).where(F.lit(True) if plan.is_final else is_in_time())
    paired = paired.withColumn("actual", finite(of_variable(series, actual_of)))
    return pair_columns(newest_forecasts(with_naive(paired.where("actual IS NOT NULL"), observations, plan, series)))


def is_in_time() -> Column:
    """Whether a forecast was made before its actual came. Of the same query the batches say it, whatever a clock did
    that was set back between them."""
    is_same = F.coalesce(F.col("_made_by") == F.col("_came_by"), F.lit(False))
    return F.when(is_same, F.col("batch_id") <= F.col("_came_in")).otherwise(F.col("scored_at") <= F.col("observed_at"))


def with_naive(paired: DataFrame, observations: DataFrame, plan: EvaluationPlan, series: SeriesConfig) -> DataFrame:
    """With `naive`, the level at the cutoff as it was known when the forecast was made (of a final evaluation: as it is
    now); more than one row where it was revised since."""
    span = plan.series
    assert span is not None
    in_reach = F.col("ds").between(span.first_cutoff, span.last_ds)
    levels = observations.where(in_reach & is_in_use()).select(
        F.col("series_id").alias("_level_of"),
        F.col("ds").alias("_level_at"),
        F.col("observed_at").alias("_known_at"),
        F.col("batch_id").alias("_known_in"),
        *[F.col(variable).alias(naive_of(variable)) for variable in series.variables],
    )
    same = [F.col("series_id") == F.col("_level_of"), F.col("cutoff") == F.col("_level_at")]
    if not plan.is_final:
        same.append(F.col("_known_at") <= F.col("scored_at"))
    joined = paired.join(levels, on=same, how="left")
    return joined.withColumn("naive", finite(of_variable(series, naive_of)))


def newest_forecasts(paired: DataFrame) -> DataFrame:
    """Of each cutoff, ds and variable the forecast that was made last, and the level that was known last."""
    newest_first = Window.partitionBy("series_id", "cutoff", "ds", "variable").orderBy(
        F.desc("scored_at"), F.desc("batch_id"), F.desc("_known_at"), F.desc("_known_in")
    )
    return paired.withColumn("_rank", F.row_number().over(newest_first)).where("_rank = 1").drop("_rank")


def pair_columns(paired: DataFrame) -> DataFrame:
    actual, forecast = F.col("actual"), finite(F.col("forecast"))
    lower, upper = F.col("lower"), F.col("upper")
    loss = interval_loss(actual, forecast, lower, upper, level=F.col("level"))
    columns = {
        "unit": F.col("ds"),
        "champion": F.col("_champion"),
        "candidate": F.col("_candidate"),
        "variable": F.col("variable"),
        "step": F.col("step"),
        "loss": loss,
        "error_abs": finite(F.abs(actual - forecast)),
        "naive_abs": F.when(forecast.isNotNull(), finite(F.abs(actual - F.col("naive")))),
        "within": F.when(loss.isNotNull(), actual.between(lower, upper)),
        "answer_failed": forecast.isNull(),
        "delay_seconds": seconds_between("scored_at", "observed_at"),
        **candidate_columns(is_scored=loss.isNotNull()),
    }
    return paired.select(*[columns[name].alias(name) for name in PAIR_COLUMNS])


def candidate_columns(*, is_scored: Column) -> dict[str, Column]:
    """Of the candidate, whose score is divided by half the width of the champion's interval. is_scored: whether the
    champion has a loss; the two are compared where both have one."""
    actual = F.col("actual")
    forecast, lower, upper = (F.col(candidate_of(name)) for name in ANSWER)
    half = half_width(F.col("lower"), F.col("upper"), forecast=F.col("forecast"))
    loss = F.when(is_scored, scaled_score(actual, forecast, lower, upper, level=F.col("level"), half=half))
    is_there = F.col("_candidate").isNotNull()
    return {
        "candidate_loss": F.when(is_there, loss),
        "candidate_abs": finite(F.abs(actual - finite(forecast))),
        "candidate_within": F.when(loss.isNotNull(), actual.between(lower, upper)),
        "candidate_failed": F.when(is_there, finite(forecast).isNull()),
    }


def seconds_between(earlier: str, later: str) -> Column:
    return (F.unix_micros(later) - F.unix_micros(earlier)) / 1e6


def of_variable(series: SeriesConfig, name_of: Callable[[str], str]) -> Column:
    """The column of the variable that a row is about."""
    return F.coalesce(*[F.when(F.col("variable") == name, F.col(name_of(name))) for name in series.variables])


def candidate_of(name: str) -> str:
    return f"_candidate_{name}"


def actual_of(variable: str) -> str:
    return f"_actual_{variable}"


def naive_of(variable: str) -> str:
    return f"_naive_{variable}"
