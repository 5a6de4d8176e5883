"""Forecasts of several versions for the same series, cutoff, step and variable, with their losses, as a table of
DuckDB."""

from collections.abc import Mapping
from datetime import datetime

import duckdb

from penstock.config.pipeline import PipelineConfig
from penstock.models.accuracy.losses import MIN_HALF_WIDTH
from penstock.operations.compare.request import Request
from penstock.series.reasons import NOT_IN_USE, as_sql
from penstock.storage.duckdb_tables import quoted, registered

TABLES = ("forecasts", "rescored_forecasts")
KEY = "series_id, cutoff, step, variable"


def make_answers(connection: duckdb.DuckDBPyConnection, config: PipelineConfig, request: Request) -> None:
    """The table `answers`: of each version and KEY the forecast that was made last."""
    columns = f"model_name, {KEY}, ds, level, scored_at"
    parts = [
        f"SELECT {columns}, {answer} FROM {name}"
        for name in TABLES
        if name in registered(connection)
        for answer in given_answers(connection, name)
    ]
    connection.execute(
        f"""
        CREATE TABLE answers AS
        SELECT model_version AS version, {KEY}, ds, forecast, lower, upper, level, scored_at
        FROM ({" UNION ALL ".join(parts)})
        WHERE model_name = $name AND list_contains($versions, model_version)
          AND ($since::TIMESTAMPTZ IS NULL OR ds >= $since::TIMESTAMPTZ)
          AND ($until::TIMESTAMPTZ IS NULL OR ds <= $until::TIMESTAMPTZ)
        QUALIFY row_number() OVER (PARTITION BY model_version, {KEY} ORDER BY scored_at DESC) = 1
        """,
        {
            "name": config.the_model.name,
            "versions": list(request.versions),
            "since": request.since,
            "until": request.until,
        },
    )


def given_answers(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[str, ...]:
    """Of a row the forecast that stands, and that of the other version of an experiment."""
    stands = "model_version, forecast, lower, upper"
    if "shadow_version" not in connection.table(table).columns:
        return (stands,)
    others = "shadow_forecast AS forecast, shadow_lower AS lower, shadow_upper AS upper"
    return stands, f"shadow_version AS model_version, {others}"


def make_pairs(
    connection: duckdb.DuckDBPyConnection,
    config: PipelineConfig,
    request: Request,
    fitted_until: Mapping[str, datetime | None],
) -> None:
    """The table `pairs`: version, unit (the ds), KEY, loss, absolute_error, naive_error, is_within, is_in_sample,
    is_hindsight (made after an actual of the ds had come, while another version's was made before it), and is_failed,
    whether a version has no finite forecast or the first one no interval.

    The loss is the weighted interval score of models.accuracy.losses over half the interval of the first version, whose
    width was known before the actual.
    """
    variables = ", ".join(map(quoted, config.the_series.variables))
    known = [until for until in fitted_until.values() if until is not None]
    connection.execute(
        f"""
        CREATE TABLE pairs AS
        WITH actuals AS (
          SELECT series_id, ds, variable, actual, came_at FROM (
            SELECT series_id, ds, min(observed_at) OVER (PARTITION BY series_id, ds) AS came_at, {variables}
            FROM observations WHERE coalesce(error, '') NOT IN ({as_sql(NOT_IN_USE)})
            QUALIFY row_number() OVER (PARTITION BY series_id, ds ORDER BY observed_at DESC, batch_id DESC) = 1
          ) UNPIVOT (actual FOR variable IN ({variables}))
          WHERE isfinite(actual)
        ),
        common AS (SELECT {KEY} FROM answers GROUP BY ALL HAVING count(*) = $count),
        first AS (
          SELECT
            {KEY},
            CASE WHEN (upper - lower) / 2 > {MIN_HALF_WIDTH} * greatest(1.0, abs(forecast)) THEN upper - lower END
              AS width
          FROM answers WHERE version = $first
        ),
        scored AS (
          SELECT
            answers.*,
            actual,
            scored_at > came_at AS is_after,
            width,
            coalesce(isfinite(answers.forecast) AND isfinite(answers.lower) AND isfinite(answers.upper), false)
              AND coalesce(isfinite(width), false) AS is_whole,
            (0.5 * abs(actual - forecast) + 0.5 * (1 - level) * (
              upper - lower + 2 / (1 - level) * (greatest(lower - actual, 0) + greatest(actual - upper, 0))
            )) / 1.5 / (width / 2) AS loss
          FROM answers
          JOIN common USING ({KEY})
          JOIN first USING ({KEY})
          JOIN actuals USING (series_id, ds, variable)
        )
        SELECT
          version,
          scored.ds AS unit,
          series_id,
          cutoff,
          step,
          variable,
          loss,
          abs(forecast - scored.actual) AS absolute_error,
          abs(at_cutoff.actual - scored.actual) AS naive_error,
          scored.actual BETWEEN lower AND upper AS is_within,
          coalesce(cutoff < $fitted::TIMESTAMPTZ, false) AS is_in_sample,
          is_after AND NOT bool_and(is_after) OVER (PARTITION BY {KEY}) AS is_hindsight,
          NOT bool_and(is_whole AND coalesce(isfinite(loss), false)) OVER (PARTITION BY {KEY}) AS is_failed
        FROM scored
        LEFT JOIN (SELECT series_id, ds AS cutoff, variable, actual FROM actuals) AS at_cutoff
          USING (series_id, cutoff, variable)
        """,
        {
            "count": len(request.versions),
            "first": request.versions[0],
            "fitted": max(known) if known else None,
        },
    )
