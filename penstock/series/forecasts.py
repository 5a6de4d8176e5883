"""From windows to forecasts: the model's outputs as tidy rows, and why an observation has no forecast."""

from collections.abc import Callable, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from penstock.config.series import SeriesConfig
from penstock.schemas.catalog import RESCORE_ID
from penstock.schemas.contract import Contract, Field
from penstock.schemas.tables import FORECASTS
from penstock.series.calendar import Calendar
from penstock.series.exogenous_leads import lead_columns, lead_fields, missing_exogenous
from penstock.series.reasons import (
    FALLBACK,
    GAP,
    MODEL,
    NOT_LATEST,
    REFUSED_BY_FIT,
    REVISED,
    UNKNOWN_SERIES,
    WARMING_UP,
)
from penstock.series.windows import (
    CHANGED_NUMBER,
    IS_COMPLETE,
    IS_NEWEST,
    KEYS,
    NEW,
    NUMBER,
    OLD,
    PLACE,
    POSITION,
    lag_column,
    lag_names,
)
from penstock.udfs.scoring.outputs import ERROR, SCORED
from penstock.udfs.var.fleet_fallback import METHOD, NAIVE, OWN_VAR, POOLED, SEASONAL_NAIVE
from penstock.udfs.var.fleet_forecast import BOUNDS, FIRST_REFUSED, output_name

NO_FORECAST = f"{MODEL}: gave no forecast for these values"
#: Between texts that are one literal; no reason has it.
SEPARATOR = "\x1f"
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


def scored(name: str) -> Column:
    return F.col(f"{SCORED}.`{name}`")


def has_fallback(scored_windows: DataFrame) -> bool:
    """Whether the model that scored the windows has a fallback."""
    output = scored_windows.schema[SCORED].dataType
    return isinstance(output, StructType) and METHOD in output.names


def has_forecast() -> Column:
    """Whether an observation has a forecast, by its `error`."""
    return F.col("error").isNull() | F.col("error").startswith(f"{FALLBACK}: ")


def reason(
    series: SeriesConfig, *, latest_only: bool, refused_reasons: Sequence[str], with_fallback: bool = False
) -> Column:
    """Why an observation has no forecast; null if it has one. `late` may later be refined to `revision`.

    refused_reasons: those of the model's fit, see `fleet_check.refused_reasons`. with_fallback: the model has one; then
    `fallback: ` and the reason for an observation with a forecast that is not of a VAR. An old one gets none again: a
    naive point would be the same, and the others count as made from what was known when it came.
    """
    failed = F.nullif(scored(ERROR), F.lit(""))
    in_place = F.when(~may_have_forecast(series), F.col(PLACE))
    if latest_only:
        in_place = in_place.when(~F.col(IS_NEWEST), F.lit(NOT_LATEST))
    reasons = no_var_reasons(series, refused_reasons, with_fallback=with_fallback)
    why = in_place.when(failed.isNotNull(), F.concat(F.lit(f"{MODEL}: "), failed))
    if with_fallback:
        is_fallback = (scored(METHOD) > OWN_VAR) & (F.col(PLACE) != OLD)
        (condition, text), *others = reasons
        why = why.when(is_fallback, F.concat(F.lit(f"{FALLBACK}: "), chained(F.when(condition, text), others)))
    why = chained(why, reasons)
    return why.when(~has_changed(), F.lit(OLD)) if series.revisions == "newest" else why


def no_var_reasons(
    series: SeriesConfig, refused_reasons: Sequence[str], *, with_fallback: bool
) -> list[tuple[Column, Column]]:
    """Conditions under which there is no forecast of a VAR, each with its reason; the first that holds counts."""
    first_forecast = scored(output_name(series.variables[0], "forecast", 1))
    missing = missing_exogenous(series) if series.exogenous else None
    return [
        (scored("lag_order") < 0, no_model(refused_reasons)),
        (~F.col(IS_COMPLETE), F.lit(GAP)),
        (
            F.col(POSITION) < scored("needed"),
            F.when(F.col(NUMBER) > F.col(POSITION), F.lit(GAP)).otherwise(F.lit(WARMING_UP)),
        ),
        *([(missing.isNotNull(), missing)] if missing is not None else []),
        (scored(METHOD) != OWN_VAR if with_fallback else first_forecast.isNull(), F.lit(NO_FORECAST)),
    ]


def chained(when: Column, cases: Sequence[tuple[Column, Column]]) -> Column:
    """`when` with further conditions and values."""
    for condition, value in cases:
        when = when.when(condition, value)
    return when


def may_have_forecast(series: SeriesConfig) -> Column:
    """Whether a forecast is made from an observation, if there is a model and a long enough history for it: each new
    one, and with `revisions: newest` also the last one of a series whose history has changed."""
    is_new = F.col(PLACE) == NEW
    if series.revisions == "first":
        return is_new
    return is_new | (F.col(IS_NEWEST) & F.col(PLACE).isin(OLD, REVISED))


def has_changed() -> Column:
    """Whether the model sees other values than at its last forecast from this observation, if it is an old one."""
    is_in_reach = F.col(NUMBER) - F.col(CHANGED_NUMBER) < scored("needed")
    return (F.col(PLACE) != OLD) | is_in_reach


def no_model(refused_reasons: Sequence[str]) -> Column:
    """Why a series has no model, by its negative lag_order."""
    if not refused_reasons:
        return F.lit(UNKNOWN_SERIES)
    # One literal: an array of them would be a call of the JVM for each.
    texts = F.split(F.lit(SEPARATOR.join(refused_reasons)), SEPARATOR)
    known = F.get(texts, (F.lit(FIRST_REFUSED) - scored("lag_order")).cast("int"))
    return F.coalesce(F.concat(F.lit(f"{REFUSED_BY_FIT}: "), known), F.lit(UNKNOWN_SERIES))


def answered(
    windows: DataFrame,
    score: Callable[[DataFrame], DataFrame],
    series: SeriesConfig,
    *,
    latest_only: bool,
    refused_reasons: Sequence[str],
) -> DataFrame:
    """The windows without the model's inputs, with its output in `_scored` and the reason for no forecast in `error`.

    score: adds `_scored` to the windows. refused_reasons: of the model that it asks.
    """
    scored_windows = score(windows)
    why = reason(
        series,
        latest_only=latest_only,
        refused_reasons=refused_reasons,
        with_fallback=has_fallback(scored_windows),
    )
    with_error = scored_windows.withColumn("error", why)
    output_or_null = F.when(has_forecast(), F.col(SCORED)) if latest_only else F.col(SCORED)
    inputs = {*[lag_column(*lag) for lag in lag_names(series)], *lead_columns(series)}
    given = [name for name in windows.columns if name not in inputs]
    return with_error.select(*given, "error", output_or_null.alias(SCORED))


def forecast_rows(scored_windows: DataFrame, series: SeriesConfig, *, model: Sequence[Column]) -> DataFrame:
    """One row for each cutoff, step and variable, of the observations that have a forecast.

    model: the columns of the model version; the role of a forecast that is not of a VAR is one of FALLBACK_ROLES.
    """
    fallback_role = fallback_role_of(scored_windows).alias(FALLBACK_ROLE)
    carried = ("query_id", "batch_id", F.col("planned_at").alias("scored_at"), fallback_role)
    complete = forecast_steps(scored_windows, series, carried=carried).select(
        "*",
        F.lit(series.main_level).alias("level"),
        *model,
    )
    marked = complete.withColumn("role", F.coalesce(FALLBACK_ROLE, "role"))
    return marked.select(*[name for name in FORECASTS.schema.names if name != RESCORE_ID.name])


def fallback_role_of(scored_windows: DataFrame) -> Column:
    """Null for a forecast of a VAR."""
    if not has_fallback(scored_windows):
        return F.lit(None).cast("string")
    role = F.lit(None).cast("string")
    for method, name in FALLBACK_ROLES.items():
        role = F.when(scored(METHOD) == method, F.lit(name)).otherwise(role)
    return F.when(F.col("error").isNotNull(), role)


def forecast_steps(scored_windows: DataFrame, series: SeriesConfig, *, carried: Sequence[Column | str]) -> DataFrame:
    """The same with `carried`, series_id, cutoff, step, variable, forecast, lower, upper, intervals, and the `ds` of
    the step."""
    steps = [
        F.struct(
            F.lit(step).alias("step"),
            F.lit(variable).alias("variable"),
            *[scored(output_name(variable, bound, step)).alias(bound) for bound in BOUNDS],
            *([intervals(series, variable, step).alias("intervals")] if len(series.levels) > 1 else []),
        )
        for step in range(1, series.horizon + 1)
        for variable in series.variables
    ]
    made = scored_windows.where(has_forecast())
    tidy = made.select(*carried, "series_id", F.col("ds").alias("cutoff"), F.inline(F.array(*steps)))
    if len(series.levels) == 1:
        # their bounds have columns of their own
        tidy = tidy.withColumn("intervals", F.lit(None).cast(FORECASTS.schema["intervals"].dataType))
    return tidy.select("*", Calendar.of_series(series).after(F.col("cutoff"), F.col("step")).alias("ds"))


def intervals(series: SeriesConfig, variable: str, step: int) -> Column:
    """Of all levels, ascending."""
    found = []
    for level in series.levels:
        further = None if level == series.main_level else level
        bounds = [scored(output_name(variable, bound, step, level=further)).alias(bound) for bound in BOUNDS[1:]]
        found.append(F.struct(F.lit(level).alias("level"), *bounds))
    return F.array(*found)


def observation_rows(frame: DataFrame, series: SeriesConfig) -> DataFrame:
    """The columns of `observations`; `frame` has `error` and those of `windowed`."""
    return frame.select(
        "query_id",
        "batch_id",
        *KEYS,
        *series.variables,
        F.col("error").cast("string").alias("error"),
        "source_file",
        F.col("planned_at").alias("observed_at"),
    )
