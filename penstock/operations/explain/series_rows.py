"""What the tables have of one series: forecasts from a cutoff, and observations as they were known at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

import duckdb

from penstock.config.series import SeriesConfig
from penstock.errors import AnswerNotFoundError
from penstock.models.explanation.windows import Observation
from penstock.models.inspection.observations import nearest_in_table
from penstock.operations.explain.tables import rows_of
from penstock.series.reasons import (
    CONFLICT,
    GAP,
    INSERTED,
    LATE,
    MISSING_EXOGENOUS,
    MODEL,
    NOT_IN_USE,
    NOT_LATEST,
    REFUSED_BY_FIT,
    REVISED,
    REVISION,
    SUPERSEDED,
    UNCHANGED,
    UNKNOWN_SERIES,
    WARMING_UP,
    as_sql,
    kind_of,
)
from penstock.storage.duckdb_tables import quoted

#: What each kind of `observations.error` means for a forecast.
MEANINGS = {
    UNKNOWN_SERIES: "the model was not fitted on this series; fit it again with the series' observations",
    REFUSED_BY_FIT: "the fit gave the series no model, for the reason that follows",
    WARMING_UP: "the series has fewer observations up to here than the model takes",
    GAP: "an observation before it is missing or incomplete, or it is incomplete itself",
    MISSING_EXOGENOUS: "an exogenous variable had no value for a period that was to be forecast",
    NOT_LATEST: "forecast.at is latest, and its micro-batch had a later observation of the series",
    SUPERSEDED: "another observation of the same ds won, from a newer file",
    LATE: "it came after later ones of its series, and is not used until penstock replay-quarantine --late",
    REVISION: "its ds was known already; its values are not used until penstock replay-quarantine --late",
    REVISED: "it has other values for a known ds, and the series' newest observation got the new forecast",
    INSERTED: "it came after later ones of its series, and the series' newest observation got the new forecast",
    UNCHANGED: "its values were known already",
    CONFLICT: "its file has other values for the same series and ds, and none of them counts",
    MODEL: "the model failed, or gave no forecast for these values",
}
SHOWN_CUTOFFS = 3


@dataclass(frozen=True, kw_only=True)
class FoundForecasts:
    """rows: of the forecast that was made last from the cutoff, one for each step and variable. versions: how many
    forecasts of this cutoff there are."""

    cutoff: datetime
    is_newest: bool
    rows: list[dict[str, Any]]
    versions: int


def forecasts_at(connection: duckdb.DuckDBPyConnection, series_id: str, cutoff: datetime | None) -> FoundForecasts:
    """cutoff: None for the newest that has a forecast. Raises AnswerNotFoundError."""
    is_newest = cutoff is None
    if cutoff is None:
        (newest,) = rows_of(
            connection, "SELECT max(cutoff) AS cutoff FROM forecasts WHERE series_id = $series", series=series_id
        )
        cutoff = newest["cutoff"]
        if cutoff is None:
            refuse_series(connection, series_id)
    rows = rows_of(
        connection,
        "SELECT * FROM forecasts WHERE series_id = $series AND cutoff = $cutoff "
        "ORDER BY scored_at DESC, step, variable",
        series=series_id,
        cutoff=cutoff,
    )
    if not rows:
        refuse_cutoff(connection, series_id, cutoff)
    made = {(row["scored_at"], row["model_version"], row["rescore_id"]) for row in rows}
    newest_of = rows[0]["scored_at"], rows[0]["model_version"], rows[0]["rescore_id"]
    return FoundForecasts(
        cutoff=cutoff,
        is_newest=is_newest,
        rows=[row for row in rows if (row["scored_at"], row["model_version"], row["rescore_id"]) == newest_of],
        versions=len(made),
    )


def refuse_series(connection: duckdb.DuckDBPyConnection, series_id: str) -> NoReturn:
    """Raises AnswerNotFoundError for a series without a forecast."""
    nearest = nearest_in_table(connection, series_id)
    if not nearest:
        raise AnswerNotFoundError(f"there is no series {series_id!r}: there are no observations at all")
    if nearest[0] != series_id:
        raise AnswerNotFoundError(
            f"there is no series {series_id!r}; the nearest names are {', '.join(map(repr, nearest))}"
        )
    (last,) = rows_of(
        connection,
        "SELECT ds, error FROM observations WHERE series_id = $series ORDER BY ds DESC, observed_at DESC LIMIT 1",
        series=series_id,
    )
    raise AnswerNotFoundError(
        f"series {series_id!r} has no forecast at all; of its newest observation, {last['ds']:%Y-%m-%d %H:%M:%S}: "
        f"{meaning_of(last['error'])}"
    )


def refuse_cutoff(connection: duckdb.DuckDBPyConnection, series_id: str, cutoff: datetime) -> NoReturn:
    """Raises AnswerNotFoundError for a cutoff without a forecast: no observation, or one that has none."""
    known = rows_of(
        connection,
        "SELECT error FROM observations WHERE series_id = $series AND ds = $cutoff ORDER BY observed_at DESC",
        series=series_id,
        cutoff=cutoff,
    )
    if known:
        raise AnswerNotFoundError(
            f"series {series_id!r} has no forecast from {cutoff:%Y-%m-%d %H:%M:%S}: {meaning_of(known[0]['error'])}"
        )
    nearest = rows_of(
        connection,
        "SELECT DISTINCT ds FROM observations WHERE series_id = $series AND ds IS NOT NULL "
        f"ORDER BY abs(epoch(ds) - epoch($cutoff::TIMESTAMPTZ)) LIMIT {SHOWN_CUTOFFS}",
        series=series_id,
        cutoff=cutoff,
    )
    if not nearest:
        refuse_series(connection, series_id)
    dates = ", ".join(f"{row['ds']:%Y-%m-%d %H:%M:%S}" for row in nearest)
    raise AnswerNotFoundError(
        f"series {series_id!r} has no observation at {cutoff:%Y-%m-%d %H:%M:%S}; the nearest are {dates}"
    )


def meaning_of(error: str | None) -> str:
    """The `error` of an observation, and what it means."""
    if error is None:
        return "it had one, which is not in the table any more (maintenance.retention)"
    return f"{error}: {MEANINGS.get(kind_of(error), MEANINGS[MODEL])}"


def valid_observations(
    connection: duckdb.DuckDBPyConnection,
    series: SeriesConfig,
    series_id: str,
    *,
    first: datetime,
    last: datetime,
    known_at: datetime | None = None,
) -> list[Observation]:
    """Of each ds from first to last the row in use that arrived last. known_at: of those that had arrived by then."""
    values = ", ".join(f"{quoted(variable)}::DOUBLE AS {quoted(variable)}" for variable in series.variables)
    rows = rows_of(
        connection,
        f"""
        SELECT ds, error, source_file, query_id, batch_id, observed_at, {values} FROM observations
        WHERE series_id = $series AND ds BETWEEN $first AND $last
          AND coalesce(error, '') NOT IN ({as_sql(NOT_IN_USE)})
          AND ($known::TIMESTAMPTZ IS NULL OR observed_at <= $known::TIMESTAMPTZ)
        QUALIFY row_number() OVER (PARTITION BY ds ORDER BY observed_at DESC, batch_id DESC) = 1
        """,
        series=series_id,
        first=first,
        last=last,
        known=known_at,
    )
    return [observation_of(row, series.variables) for row in rows]


def shadow_error_at(connection: duckdb.DuckDBPyConnection, series_id: str, forecast: Mapping[str, Any]) -> str | None:
    """Why the other version of an experiment has no forecast from the observation at the cutoff of this one; None where
    it has one or was not asked. forecast: a row; of a rescore there is no other version."""
    if "shadow_error" not in connection.table("observations").columns or forecast["rescore_id"] is not None:
        return None
    found = rows_of(
        connection,
        "SELECT shadow_error FROM observations WHERE series_id = $series AND ds = $cutoff AND query_id = $query "
        "AND batch_id = $batch AND shadow_error IS NOT NULL ORDER BY observed_at DESC LIMIT 1",
        series=series_id,
        cutoff=forecast["cutoff"],
        query=forecast["query_id"],
        batch=forecast["batch_id"],
    )
    return found[0]["shadow_error"] if found else None


def observation_of(row: dict[str, Any], variables: Sequence[str]) -> Observation:
    return Observation(
        ds=row["ds"],
        values=tuple(row[variable] for variable in variables),
        error=row["error"],
        source_file=row["source_file"],
        query_id=row["query_id"],
        batch_id=row["batch_id"],
        observed_at=row["observed_at"],
    )
