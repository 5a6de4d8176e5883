"""Counts what the candidate of a micro-batch was asked for and failed on, read back from the batch's commits."""

from dataclasses import dataclass

from penstock.models.candidate import ROLE
from penstock.pipeline.batch import MicroBatch
from penstock.series.reasons import FALLBACK, is_failure
from penstock.spark.commit_log import ValueCounts, committed_values

#: Its name in the map `experiment` of `batches`.
CHAMPION_FAILED = "champion_failed"


@dataclass(frozen=True, kw_only=True)
class ShadowCount:
    """rows: accepted rows (series: observations) that both versions were asked for. failed: those of them that the
    candidate has no answer for. champion_failed: those that the champion has none for, whichever answer stands."""

    rows: int
    failed: int
    champion_failed: int = 0


def count_shadow(batch: MicroBatch) -> ShadowCount | None:
    """None without a candidate."""
    candidate = batch.plan.candidate
    if candidate is None:
        return None
    if batch.pipeline.config.series is None:
        return shadow_rows(
            values(batch, "predictions", "shadow_version", "shadow_error", "error"), candidate=candidate.version
        )
    variable = batch.pipeline.config.the_series.variables[0]
    # One row of each forecast.
    forecasts = values(batch, "forecasts", "role", "shadow_version", only={"step": 1, "variable": variable})
    return shadow_observations(values(batch, "observations", "error", "shadow_error"), forecasts)


def values(batch: MicroBatch, table: str, *columns: str, only: dict[str, int | str] | None = None) -> ValueCounts:
    pipeline = batch.pipeline
    path = batch.table_path(table)
    return committed_values(pipeline.spark, pipeline.storage, path, batch.transaction, columns=columns, only=only or {})


def shadow_rows(predictions: ValueCounts, *, candidate: str) -> ShadowCount:
    """predictions: counts by shadow_version, shadow_error and error. Where the candidate's answer stands, the first two
    are the champion's; else the error is."""
    asked = {values: number for values, number in predictions.items() if values[0] is not None}
    failed, champion_failed = 0, 0
    for (version, shadow_error, error), number in asked.items():
        of_candidate, of_champion = (shadow_error, error) if version == candidate else (error, shadow_error)
        failed += number if of_candidate is not None else 0
        champion_failed += number if of_champion is not None else 0
    return ShadowCount(rows=sum(asked.values()), failed=failed, champion_failed=champion_failed)


def shadow_observations(observations: ValueCounts, forecasts: ValueCounts) -> ShadowCount:
    """observations: counts by error and shadow_error. forecasts: by role and shadow_version.

    An observation that neither version has a forecast for, since its series is warming up, is no failure. One that the
    candidate of a shadow alone has a forecast for leaves no trace, and is not counted. The champion has failed where it
    raised too, and where the candidate's forecast of a canary stands alone.
    """
    without = {values: number for values, number in observations.items() if values[1] is not None}
    paired = sum(number for (_, version), number in forecasts.items() if version is not None)
    # Of a canary: the error beside them is the champion's.
    candidate_alone = sum(
        number for (role, version), number in forecasts.items() if version is None and (role or "").startswith(ROLE)
    )
    missed = sum(
        number
        for (error, shadow_error), number in without.items()
        if has_forecast(error) or is_failure(shadow_error or "")
    )
    raised = sum(number for (error, _), number in without.items() if error is not None and is_failure(error))
    return ShadowCount(
        rows=paired + sum(without.values()),
        failed=max(missed - candidate_alone, 0),
        champion_failed=raised + candidate_alone,
    )


def has_forecast(error: str | None) -> bool:
    return error is None or error.startswith(f"{FALLBACK}: ")
