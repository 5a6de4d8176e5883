"""Why an observation has no forecast of a model version, from the version's answer to its window."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from penstock.config.series import SeriesConfig
from penstock.series.exogenous_leads import missing_exogenous
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
from penstock.series.windows import CHANGED_NUMBER, IS_COMPLETE, IS_NEWEST, NEW, NUMBER, OLD, PLACE, POSITION
from penstock.udfs.scoring.outputs import ERROR, SCORED
from penstock.udfs.var.fleet_fallback import METHOD, OWN_VAR
from penstock.udfs.var.fleet_forecast import FIRST_REFUSED, output_name

NO_FORECAST = f"{MODEL}: gave no forecast for these values"
#: Between texts that are one literal; no reason has it.
SEPARATOR = "\x1f"


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Where the outputs of a model version are in scored windows, and what is known of the version.

    struct: the column that has them. refused_reasons: those of its fit, see `fleet_check.refused_reasons`.
    with_fallback: whether it has one.
    """

    struct: str = SCORED
    refused_reasons: Sequence[str] = ()
    with_fallback: bool = False

    @classmethod
    def of(cls, scored_windows: DataFrame, *, struct: str = SCORED, refused_reasons: Sequence[str] = ()) -> "Answers":
        output = scored_windows.schema[struct].dataType
        with_fallback = isinstance(output, StructType) and METHOD in output.names
        return cls(struct=struct, refused_reasons=refused_reasons, with_fallback=with_fallback)

    def output(self, name: str) -> Column:
        return F.col(f"{self.struct}.`{name}`")


def has_forecast(error: str = "error") -> Column:
    """Whether an observation has a forecast, by its `error`."""
    return F.col(error).isNull() | F.col(error).startswith(f"{FALLBACK}: ")


def reason(series: SeriesConfig, answers: Answers, *, latest_only: bool, changed: Column | None = None) -> Column:
    """Why an observation has no forecast; null if it has one. `late` may later be refined to `revision`.

    `fallback: ` and the reason for an observation with a forecast that is not of a VAR. An old one gets none again: a
    naive point would be the same, and the others count as made from what was known when it came. changed: see
    `has_changed`, which it is by default.
    """
    failed = F.nullif(answers.output(ERROR), F.lit(""))
    in_place = F.when(~may_have_forecast(series), F.col(PLACE))
    if latest_only:
        in_place = in_place.when(~F.col(IS_NEWEST), F.lit(NOT_LATEST))
    reasons = no_var_reasons(series, answers)
    why = in_place.when(failed.isNotNull(), F.concat(F.lit(f"{MODEL}: "), failed))
    if answers.with_fallback:
        is_fallback = (answers.output(METHOD) > OWN_VAR) & (F.col(PLACE) != OLD)
        (condition, text), *others = reasons
        why = why.when(is_fallback, F.concat(F.lit(f"{FALLBACK}: "), chained(F.when(condition, text), others)))
    why = chained(why, reasons)
    if series.revisions == "first":
        return why
    return why.when(~(has_changed(answers) if changed is None else changed), F.lit(OLD))


def no_var_reasons(series: SeriesConfig, answers: Answers) -> list[tuple[Column, Column]]:
    """Conditions under which there is no forecast of a VAR, each with its reason; the first that holds counts."""
    first_forecast = answers.output(output_name(series.variables[0], "forecast", 1))
    missing = missing_exogenous(series) if series.exogenous else None
    return [
        (answers.output("lag_order") < 0, no_model(answers)),
        (~F.col(IS_COMPLETE), F.lit(GAP)),
        (
            F.col(POSITION) < answers.output("needed"),
            F.when(F.col(NUMBER) > F.col(POSITION), F.lit(GAP)).otherwise(F.lit(WARMING_UP)),
        ),
        *([(missing.isNotNull(), missing)] if missing is not None else []),
        (answers.output(METHOD) != OWN_VAR if answers.with_fallback else first_forecast.isNull(), F.lit(NO_FORECAST)),
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


def has_changed(answers: Answers) -> Column:
    """Whether the model sees other values than at its last forecast from this observation, if it is an old one."""
    is_in_reach = F.col(NUMBER) - F.col(CHANGED_NUMBER) < answers.output("needed")
    return (F.col(PLACE) != OLD) | is_in_reach


def no_model(answers: Answers) -> Column:
    """Why a series has no model, by its negative lag_order."""
    if not answers.refused_reasons:
        return F.lit(UNKNOWN_SERIES)
    # One literal: an array of them would be a call of the JVM for each.
    texts = F.split(F.lit(SEPARATOR.join(answers.refused_reasons)), SEPARATOR)
    known = F.get(texts, (F.lit(FIRST_REFUSED) - answers.output("lag_order")).cast("int"))
    return F.coalesce(F.concat(F.lit(f"{REFUSED_BY_FIT}: "), known), F.lit(UNKNOWN_SERIES))
