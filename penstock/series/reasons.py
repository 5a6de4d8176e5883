"""Why an observation has no forecast: the values of `observations.error`, and the kinds that they are counted by.

A value is a kind, or a kind with a detail: `refused_by_fit: too short: ...`, `model: ValueError: ...`. `fallback: ` and
a reason is of an observation that has a forecast, but none of a VAR of its series: the model's fallback made it. Pure
Python: status and dashboard ask it too.
"""

from collections.abc import Sequence

UNKNOWN_SERIES = "unknown_series"
#: With why the fit gave the series no model, which is part of the model.
REFUSED_BY_FIT = "refused_by_fit"
WARMING_UP = "warming_up"
GAP = "gap"
#: With the exogenous variable and the first period after the cutoff that has no value of it.
MISSING_EXOGENOUS = "missing_exogenous"
NOT_LATEST = "not_latest"
LATE = "late"
REVISION = "revision"
#: The error of an observation that was replaced by a newer one with the same ds, in its micro-batch or by a late
#: replay.
SUPERSEDED = "superseded"
#: Another row of the same file has this series and ds and other values: none of them is used.
CONFLICT = "conflict"
#: With `series.revisions: newest`: other values for a known ds, and an unknown ds that is not the last; known values
#: once more.
REVISED = "revised"
INSERTED = "inserted"
UNCHANGED = "unchanged"
#: With the reason why there is no forecast of a VAR. How the `role` of such forecasts begins.
FALLBACK = "fallback"
#: The kind of the errors of those among them whose model has a VAR of the series, and the VAR failed.
FALLBACK_OF_FAILURE = "fallback_of_failure"
FALLBACKS = (FALLBACK, FALLBACK_OF_FAILURE)
#: Reasons for a missing forecast that are not failures of the model.
REASONS = (
    UNKNOWN_SERIES,
    REFUSED_BY_FIT,
    WARMING_UP,
    GAP,
    MISSING_EXOGENOUS,
    NOT_LATEST,
    SUPERSEDED,
    LATE,
    REVISION,
    REVISED,
    INSERTED,
    UNCHANGED,
    FALLBACK,
    CONFLICT,
)
#: The model raised an error, or gave no forecast for these values.
MODEL = "model"
#: Of observations that are not fitted on, because another one with the same ds is valid.
OUTVOTED = (REVISION, SUPERSEDED, UNCHANGED)
#: Of observations that are not in use: they are neither history for a forecast nor an actual value.
NOT_IN_USE = (LATE, REVISION, SUPERSEDED, UNCHANGED, CONFLICT)
#: The recency of rows of the observations table that contradict each other: any other one of the same ds counts.
LEAST_RECENCY = -1
#: Every kind that a micro-batch counts.
KINDS = (*REASONS, FALLBACK_OF_FAILURE, MODEL)


def kind_of(error: str) -> str:
    """One of KINDS; whatever is none of the others is the model's."""
    kind, _, reason = error.partition(": ")
    if kind == FALLBACK and kind_of(reason) == MODEL:
        return FALLBACK_OF_FAILURE
    return kind if kind in REASONS else MODEL


def is_failure(error: str) -> bool:
    return kind_of(error) == MODEL


def as_sql(errors: Sequence[str]) -> str:
    """As strings of SQL, for `IN (...)`."""
    return ", ".join(f"'{error}'" for error in errors)


def outcome_texts(counts: dict[str, int]) -> list[str]:
    """`2 forecast by the fallback`, `3 without a forecast (2 warming_up, 1 gap)`: those of them that there are."""
    without = without_fallbacks(counts)
    by_fallback = fallbacks_text(counts)
    texts = [by_fallback.replace(" by", " forecast by", 1)] if by_fallback else []
    return [*texts, f"{sum(without.values()):,} without a forecast ({reasons_text(without)})"] if without else texts


def fallbacks_text(counts: dict[str, int]) -> str:
    """`40 by the fallback, 2 of them where the VAR failed`; empty if there are none."""
    total, failures = sum(counts.get(kind, 0) for kind in FALLBACKS), counts.get(FALLBACK_OF_FAILURE)
    if not total:
        return ""
    return f"{total:,} by the fallback" + (f", {failures:,} of them where the VAR failed" if failures else "")


def without_fallbacks(counts: dict[str, int]) -> dict[str, int]:
    """The kinds of those that have no forecast at all."""
    return {kind: count for kind, count in counts.items() if kind not in FALLBACKS}


def reasons_text(counts: dict[str, int]) -> str:
    """`30 warming_up, 2 gap`, the most frequent first."""
    return ", ".join(f"{count:,} {kind}" for kind, count in sorted(counts.items(), key=lambda one: (-one[1], one[0])))
