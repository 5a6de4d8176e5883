"""Queries of one series; `forecasts` and `observations` are clustered by series."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pandas as pd

from penstock.interfaces.dashboard.queries.predictions import LABEL
from penstock.series.reasons import NOT_IN_USE, as_sql
from penstock.series.roles import CAPACITY, IN_SAMPLE
from penstock.storage.duckdb_tables import quoted

#: Whether an observation is in use; of those with the same ds the last one counts.
COUNTS = f"coalesce(error, '') NOT IN ({as_sql(NOT_IN_USE)})"
#: Sorts after any character of a name.
LAST_CHARACTER = "\U0010ffff"
#: How many observations are scanned for series ids.
SEARCHED_ROWS = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Made:
    """A forecast of all variables from a cutoff."""

    series_id: str
    cutoff: datetime
    version: str
    model_name: str
    level: float
    scored_at: datetime


def series_like(tables: duckdb.DuckDBPyConnection, *, beginning: str, limit: int) -> list[str]:
    """The ids with this prefix, sorted; among the first SEARCHED_ROWS such observations."""
    found = tables.execute(
        f"""
        SELECT DISTINCT series_id FROM (
            SELECT series_id FROM observations
            WHERE series_id >= $beginning AND series_id < $end LIMIT {SEARCHED_ROWS}
        )
        ORDER BY series_id LIMIT {limit:d}
        """,
        {"beginning": beginning, "end": beginning + LAST_CHARACTER},
    ).fetchall()
    return [series_id for (series_id,) in found]


def cutoffs(tables: duckdb.DuckDBPyConnection, *, series_id: str, limit: int) -> list[datetime]:
    """The newest first."""
    found = tables.execute(
        f"SELECT DISTINCT cutoff FROM forecasts WHERE series_id = $series AND step = 1 ORDER BY 1 DESC LIMIT {limit:d}",
        {"series": series_id},
    ).fetchall()
    return [cutoff for (cutoff,) in found]


def made_at(tables: duckdb.DuckDBPyConnection, *, series_id: str, cutoff: datetime) -> list[Made]:
    """The forecasts from a cutoff, the champion's first, then the newest: after a revision there is one more."""
    found = tables.execute(
        f"""
        SELECT {LABEL} AS version, any_value(model_name), any_value(level), scored_at
        FROM forecasts WHERE series_id = $series AND cutoff = $cutoff AND step = 1
        GROUP BY role, version, scored_at ORDER BY any_value({CAPACITY}) <> 'champion', scored_at DESC
        """,
        {"series": series_id, "cutoff": cutoff},
    ).fetchall()
    return [
        Made(series_id=series_id, cutoff=cutoff, version=version, model_name=name, level=level, scored_at=scored_at)
        for version, name, level, scored_at in found
    ]


def fan(tables: duckdb.DuckDBPyConnection, made: Made, *, variable: str) -> pd.DataFrame:
    """step, ds, forecast, intervals (of each level, ascending: its level, lower, upper)."""
    return tables.execute(
        f"""
        SELECT step, ds, forecast,
               coalesce(intervals, [{{'level': level, 'lower': lower, 'upper': upper}}]) AS intervals
        FROM forecasts
        WHERE series_id = $series AND cutoff = $cutoff AND variable = $variable AND {LABEL} = $version
              AND scored_at = $scored_at
        ORDER BY step
        """,
        {
            "series": made.series_id,
            "cutoff": made.cutoff,
            "variable": variable,
            "version": made.version,
            "scored_at": made.scored_at,
        },
    ).df()


def truths(
    tables: duckdb.DuckDBPyConnection, *, series_id: str, variable: str, cutoff: datetime, end: datetime, before: int
) -> pd.DataFrame:
    """ds, value: the last `before` observations up to the cutoff, and those after it up to `end`."""
    return tables.execute(
        f"""
        WITH known AS (
            SELECT ds, arg_max_null({quoted(variable)}, observed_at) AS value FROM observations
            WHERE series_id = $series AND ds <= $end AND {COUNTS} GROUP BY ds
        )
        FROM known WHERE ds > $cutoff
        UNION ALL (FROM known WHERE ds <= $cutoff ORDER BY ds DESC LIMIT {before:d})
        ORDER BY ds
        """,
        {"series": series_id, "cutoff": cutoff, "end": end},
    ).df()


def accuracy(tables: duckdb.DuckDBPyConnection, *, series_id: str, variables: Sequence[str]) -> pd.DataFrame:
    """version, variable, in_sample (the model was fitted on what came after the cutoff; null where it is not known),
    forecasts (with a truth to compare with), mean_absolute_error, within (share of them whose truth lay in the
    interval): over all steps of the first forecast from each cutoff of the series."""
    columns = ", ".join(map(quoted, variables))
    return tables.execute(
        f"""
        WITH known AS (SELECT ds, observed_at, {columns} FROM observations WHERE series_id = $series AND {COUNTS}),
        truths AS (
            SELECT ds, variable, arg_max_null(value, observed_at) AS value
            FROM known UNPIVOT INCLUDE NULLS (value FOR variable IN ({columns})) GROUP BY ds, variable
        ),
        made AS (
            SELECT * FROM forecasts WHERE series_id = $series
            QUALIFY rank() OVER (PARTITION BY cutoff, {CAPACITY} ORDER BY scored_at) = 1
        ),
        fits AS (SELECT query_id, batch_id, fitted_until FROM batches)
        SELECT {LABEL} AS version, variable, {IN_SAMPLE} AS in_sample, count(*) AS forecasts,
               avg(abs(forecast - value)) AS mean_absolute_error, avg((value BETWEEN lower AND upper)::INT) AS within
        FROM made JOIN truths USING (ds, variable) LEFT JOIN fits USING (query_id, batch_id)
        WHERE value IS NOT NULL AND forecast IS NOT NULL
        GROUP BY ALL ORDER BY max(scored_at) DESC, version, variable, in_sample
        """,
        {"series": series_id},
    ).df()


def last_error(tables: duckdb.DuckDBPyConnection, *, series_id: str) -> str | None:
    """Why the series' last observation has no forecast; None if it has one, or if there is no observation."""
    row = tables.execute(
        f"""
        SELECT arg_max(coalesce(error, ''), row(ds, observed_at)) FROM observations
        WHERE series_id = $series AND ({COUNTS} OR error = 'conflict')
        """,
        {"series": series_id},
    ).fetchone()
    return (row[0] or None) if row else None
