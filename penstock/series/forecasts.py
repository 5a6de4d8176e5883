"""From windows to forecasts: the model's outputs as tidy rows, and why an observation has no forecast."""

from collections.abc import Callable, Iterator, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.config.series import SeriesConfig
from penstock.schemas.catalog import RESCORE_ID
from penstock.schemas.contract import Contract, Field
from penstock.schemas.tables import FORECASTS, forecasts
from penstock.series.calendar import Calendar
from penstock.series.exogenous_leads import lead_columns, lead_fields
from penstock.series.missing_forecasts import Answers, has_forecast, reason
from penstock.series.reasons import FALLBACK
from penstock.series.second_version import (
    IS_CANDIDATE,
    IS_PAIRED,
    JUDGED,
    SHADOW_BOUNDS,
    SHADOW_ERROR,
    SHADOW_INTERVALS,
    SecondVersion,
    asked,
    judged,
    standing,
)
from penstock.series.windows import KEYS, lag_column, lag_names
from penstock.udfs.scoring.outputs import SCORED, SHADOW
from penstock.udfs.var.fleet_fallback import METHOD, NAIVE, POOLED, SEASONAL_NAIVE
from penstock.udfs.var.fleet_forecast import BOUNDS, output_name

FALLBACK_ROLE = "_fallback_role"
#: By the model's `method`; a model says no other one of a forecast that it makes without a VAR.
FALLBACK_ROLES = {NAIVE: FALLBACK, SEASONAL_NAIVE: f"{FALLBACK}_seasonal_naive", POOLED: f"{FALLBACK}_pooled"}


def window_contract(contract: Contract, series: SeriesConfig) -> Contract:
    """The model's possible inputs: series_id, ds, `<variable>_lag<l>` for each of the keep_lags, and `<exogenous
    variable>_lead<s>` for each step."""
    kinds = {field.name: field.type for field in contract.fields}
    return Contract(
        fields=(
            Field(name="series_id", type="string" if series.id is None else kinds[series.id]),
            Field(name="ds", type="timestamp"),
            *(
                Field(name=lag_column(variable, lag), type="double", nullable=True)
                for lag in range(series.keep_lags)
                for variable in series.variables
            ),
            *lead_fields(series),
        )
    )


def answered(
    windows: DataFrame,
    score: Callable[[DataFrame], DataFrame],
    series: SeriesConfig,
    *,
    latest_only: bool,
    refused_reasons: Sequence[str],
    second: SecondVersion | None = None,
) -> DataFrame:
    """The windows without the model's inputs, with its output in `_scored` and the reason for no forecast in `error`;
    with a second version what `judged` adds.

    score: adds `_scored` to the windows, and for a second version `_shadow` where `_is_asked`. refused_reasons: of the
    champion's fit.
    """
    inputs = {*[lag_column(*lag) for lag in lag_names(series)], *lead_columns(series)}
    given = [name for name in windows.columns if name not in inputs]
    scored_windows = score(windows if second is None else asked(windows, series, second, latest_only=latest_only))
    answers = Answers.of(scored_windows, refused_reasons=refused_reasons)
    if second is not None:
        return judged(scored_windows, series, answers, second, latest_only=latest_only).select(*given, *JUDGED)
    with_error = scored_windows.withColumn("error", reason(series, answers, latest_only=latest_only))
    output_or_null = F.when(has_forecast(), F.col(SCORED)) if latest_only else F.col(SCORED)
    return with_error.select(*given, "error", output_or_null.alias(SCORED))


def forecast_rows(
    scored_windows: DataFrame, series: SeriesConfig, *, model: Sequence[Column], second: SecondVersion | None = None
) -> DataFrame:
    """One row for each cutoff, step and variable, of the observations that have a forecast.

    model: the columns of the champion; the role of a forecast that is not of a VAR is one of FALLBACK_ROLES, and of the
    candidate's `candidate_` and one of them.
    """
    fallback_role = fallback_role_of(scored_windows, second).alias(FALLBACK_ROLE)
    carried: list[Column | str] = ["query_id", "batch_id", F.col("planned_at").alias("scored_at"), fallback_role]
    if second is not None:
        carried += [IS_CANDIDATE, IS_PAIRED]
    complete = forecast_steps(scored_windows, series, carried=carried, second=second).select(
        "*",
        F.lit(series.main_level).alias("level"),
        *model,
    )
    named = complete if second is None else standing(complete, second)
    columns = forecasts(has_experiment=second is not None).schema.names
    marked = named.withColumn("role", F.coalesce(FALLBACK_ROLE, "role"))
    return marked.select(*[name for name in columns if name != RESCORE_ID.name])


def fallback_role_of(scored_windows: DataFrame, second: SecondVersion | None = None) -> Column:
    """Of the forecast that stands; null for one of a VAR."""
    role = role_of_method(Answers.of(scored_windows))
    if second is not None and second.is_canary:
        of_candidate = F.concat(F.lit(f"{second.role}_"), role_of_method(Answers.of(scored_windows, struct=SHADOW)))
        role = F.when(F.col(IS_CANDIDATE), of_candidate).otherwise(role)
    return F.when(F.col("error").isNotNull(), role)


def role_of_method(answers: Answers) -> Column:
    role = F.lit(None).cast("string")
    if answers.with_fallback:
        for method, name in FALLBACK_ROLES.items():
            role = F.when(answers.output(METHOD) == method, F.lit(name)).otherwise(role)
    return role


def forecast_steps(
    scored_windows: DataFrame,
    series: SeriesConfig,
    *,
    carried: Sequence[Column | str],
    second: SecondVersion | None = None,
) -> DataFrame:
    """The same with `carried`, series_id, cutoff, step, variable, forecast, lower, upper, intervals, and the `ds` of
    the step; with a second version the bounds of its forecast."""
    steps = [
        F.struct(F.lit(step).alias("step"), F.lit(variable).alias("variable"), *outputs(series, variable, step, second))
        for step in range(1, series.horizon + 1)
        for variable in series.variables
    ]
    made = scored_windows.where(has_forecast())
    tidy = made.select(*carried, "series_id", F.col("ds").alias("cutoff"), F.inline(F.array(*steps)))
    if len(series.levels) == 1:
        # their bounds have columns of their own
        tidy = tidy.withColumn("intervals", F.lit(None).cast(FORECASTS.schema["intervals"].dataType))
    return tidy.select("*", Calendar.of_series(series).after(F.col("cutoff"), F.col("step")).alias("ds"))


def outputs(series: SeriesConfig, variable: str, step: int, second: SecondVersion | None) -> Iterator[Column]:
    """Of one step: forecast, bounds, the intervals of several levels; then those of the second version."""
    champion, candidate = Answers(), Answers(struct=SHADOW)
    has_levels = len(series.levels) > 1
    for bound in BOUNDS:
        yield champion.output(output_name(variable, bound, step)).alias(bound)
    if has_levels:
        yield intervals(champion, series, variable, step).alias("intervals")
    if second is None:
        return
    for bound, name in SHADOW_BOUNDS.items():
        yield candidate.output(output_name(variable, bound, step)).alias(name)
    if has_levels and second.is_canary:
        yield intervals(candidate, series, variable, step).alias(SHADOW_INTERVALS)


def intervals(answers: Answers, series: SeriesConfig, variable: str, step: int) -> Column:
    """Of all levels, ascending."""
    found = []
    for level in series.levels:
        further = None if level == series.main_level else level
        names = {bound: output_name(variable, bound, step, level=further) for bound in BOUNDS[1:]}
        bounds = [answers.output(name).alias(bound) for bound, name in names.items()]
        found.append(F.struct(F.lit(level).alias("level"), *bounds))
    return F.array(*found)


def observation_rows(frame: DataFrame, series: SeriesConfig, *, has_experiment: bool = False) -> DataFrame:
    """The columns of `observations`; `frame` has `error` and those of `windowed`, and of an experiment
    `shadow_error`."""
    return frame.select(
        "query_id",
        "batch_id",
        *KEYS,
        *series.variables,
        F.col("error").cast("string").alias("error"),
        "source_file",
        F.col("planned_at").alias("observed_at"),
        *([SHADOW_ERROR] if has_experiment else []),
    )
