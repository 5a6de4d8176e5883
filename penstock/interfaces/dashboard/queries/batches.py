"""Queries of `batches`: totals, rows over time, seconds by phase, and the batches themselves."""

from dataclasses import dataclass
from datetime import datetime

import duckdb
import pandas as pd

#: The label of a batch; replays are numbered separately.
LABEL = "CASE WHEN query_id = 'replay' THEN 'replay ' || batch_id ELSE batch_id::VARCHAR END"
SPAN = "(epoch(finished_at) - epoch(started_at))"
#: Accepted observations of a batch that have no forecast; 0 where it did not count them.
WITHOUT = "coalesce(list_sum(map_values(without_forecast)), 0)"


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Totals of the batches that finished in a window. scored: accepted rows on which the model did not fail.

    busy_seconds: their total duration. first_at: when the first of them began.
    """

    batches: int
    rows_in: int
    scored: int
    quarantined: int
    failed: int
    files_refused: int
    busy_seconds: float
    first_at: datetime | None

    @property
    def rows_per_second(self) -> float | None:
        return self.rows_in / self.busy_seconds if self.busy_seconds > 0 else None


def totals(tables: duckdb.DuckDBPyConnection, *, since: datetime) -> Totals:
    row = tables.execute(
        f"""
        SELECT count(*), coalesce(sum(rows_in), 0)::BIGINT, coalesce(sum(accepted - failed), 0)::BIGINT,
               coalesce(sum(quarantined), 0)::BIGINT, coalesce(sum(failed), 0)::BIGINT,
               coalesce(sum(files_refused), 0)::BIGINT, coalesce(sum({SPAN}), 0.0), min(started_at)
        FROM batches WHERE finished_at >= $since
        """,
        {"since": since},
    ).fetchone()
    assert row is not None
    names = ("batches", "rows_in", "scored", "quarantined", "failed", "files_refused", "busy_seconds", "first_at")
    return Totals(**dict(zip(names, row, strict=True)))


def rows_over_time(tables: duckdb.DuckDBPyConnection, *, since: datetime, width_seconds: int) -> pd.DataFrame:
    """starts_at, outcome (scored, quarantined, failed), rows: of the batches that finished in each time bucket."""
    return tables.execute(
        """
        WITH counted AS (
            SELECT to_timestamp(floor(epoch(finished_at) / $width) * $width) AS starts_at,
                   sum(accepted - failed) AS scored, sum(quarantined) AS quarantined, sum(failed) AS failed
            FROM batches WHERE finished_at >= $since GROUP BY ALL
        )
        UNPIVOT counted ON scored, quarantined, failed INTO NAME outcome VALUE "rows" ORDER BY starts_at, outcome DESC
        """,
        {"since": since, "width": width_seconds},
    ).df()


def phase_seconds(tables: duckdb.DuckDBPyConnection, *, since: datetime, limit: int) -> pd.DataFrame:
    """batch, position (0 is the oldest shown), finished_at, phase, seconds: of the last `limit` batches.

    The phase `other` is the rest of a batch's duration.
    """
    return tables.execute(
        f"""
        WITH last AS (
            SELECT {LABEL} AS batch, finished_at, {SPAN} AS total, coalesce(seconds, MAP {{}}) AS seconds
            FROM batches WHERE finished_at >= $since ORDER BY finished_at DESC LIMIT $limit
        ), placed AS (SELECT *, row_number() OVER (ORDER BY finished_at) - 1 AS position FROM last),
        measured AS (
            SELECT batch, position, finished_at, total, unnest(map_entries(seconds)) AS entry FROM placed
        )
        SELECT batch, position, finished_at, entry.key AS phase, entry.value AS seconds FROM measured
        UNION ALL
        SELECT batch, position, finished_at, 'other',
               greatest(total - coalesce(list_sum(map_values(seconds)), 0), 0) FROM placed
        ORDER BY position, phase
        """,
        {"since": since, "limit": limit},
    ).df()


def last_batches(tables: duckdb.DuckDBPyConnection, *, since: datetime, limit: int) -> pd.DataFrame:
    """One row per batch, the newest first. refused_versions: as text, with the reasons. with_forecast,
    without_forecast (as text, by kind of reason), series, series_without_forecast: null for rows."""
    return tables.execute(
        f"""
        SELECT {LABEL} AS batch, started_at, {SPAN} AS seconds, rows_in / nullif({SPAN}, 0) AS rows_per_second,
               len(files) AS files, files_refused, rows_in, accepted, quarantined, failed,
               CASE WHEN without_forecast IS NOT NULL THEN accepted - {WITHOUT} END AS with_forecast,
               array_to_string([entry.value || ' ' || entry.key FOR entry IN map_entries(without_forecast)], ', ')
                   AS without_forecast,
               series, series_without_forecast,
               versions['champion'] AS version,
               array_to_string([entry.key || ': ' || entry.value FOR entry IN map_entries(refused_versions)], '; ')
                   AS refused_versions,
               query_id, batch_id
        FROM batches WHERE finished_at >= $since ORDER BY finished_at DESC LIMIT $limit
        """,
        {"since": since, "limit": limit},
    ).df()


def files_of(tables: duckdb.DuckDBPyConnection, *, query_id: str, batch_id: int, limit: int) -> pd.DataFrame:
    """path, rows (null for a refused file), length_bytes, modification_time."""
    return tables.execute(
        """
        SELECT file.path AS path, file.rows AS rows, file.length AS length_bytes,
               file.modification_time AS modification_time
        FROM (SELECT unnest(files) AS file FROM batches WHERE query_id = $query_id AND batch_id = $batch_id)
        ORDER BY path LIMIT $limit
        """,
        {"query_id": query_id, "batch_id": batch_id, "limit": limit},
    ).df()
