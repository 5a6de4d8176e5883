"""Queries of `batches` of a pipeline of series or labels: what became of its observations.

Labels have no forecast, and batches of earlier versions did not count which observations have one; theirs are
`accepted`.
"""

from datetime import datetime

import duckdb
import pandas as pd

from penstock.interfaces.dashboard.queries.batches import WITHOUT

#: Observations with a forecast that is not of a VAR; they are among WITHOUT.
FALLBACKS = "coalesce(without_forecast['fallback'], 0) + coalesce(without_forecast['fallback_of_failure'], 0)"


def by_outcome(tables: duckdb.DuckDBPyConnection, *, since: datetime) -> pd.DataFrame:
    """outcome (`forecast`, a kind of reason, `accepted`), observations: of the batches that finished since then, the
    most frequent first."""
    return tables.execute(
        f"""
        WITH chosen AS (SELECT * FROM batches WHERE finished_at >= $since),
        entries AS (
            SELECT unnest(map_entries(without_forecast)) AS entry FROM chosen WHERE without_forecast IS NOT NULL
        )
        FROM (
            SELECT 'forecast' AS outcome, sum(accepted - {WITHOUT})::BIGINT AS observations
            FROM chosen WHERE without_forecast IS NOT NULL
            UNION ALL SELECT 'accepted', sum(accepted)::BIGINT FROM chosen WHERE without_forecast IS NULL
            UNION ALL SELECT entry.key, sum(entry.value)::BIGINT FROM entries GROUP BY entry.key
        )
        WHERE observations > 0 ORDER BY observations DESC, outcome
        """,
        {"since": since},
    ).df()


def observations_over_time(tables: duckdb.DuckDBPyConnection, *, since: datetime, width_seconds: int) -> pd.DataFrame:
    """starts_at, outcome (forecast, fallback, no forecast, accepted, quarantined, failed), rows: of the batches that
    finished in each time bucket. failed: the model gave an error; they are not among `no forecast`."""
    return tables.execute(
        f"""
        WITH counted AS (
            SELECT to_timestamp(floor(epoch(finished_at) / $width) * $width) AS starts_at,
                   sum(accepted - {WITHOUT}) FILTER (without_forecast IS NOT NULL) AS forecast,
                   sum({FALLBACKS}) FILTER (without_forecast IS NOT NULL) AS fallback,
                   sum({WITHOUT} - ({FALLBACKS}) - failed) FILTER (without_forecast IS NOT NULL) AS "no forecast",
                   sum(accepted - failed) FILTER (without_forecast IS NULL) AS accepted,
                   sum(quarantined) AS quarantined, sum(failed) AS failed
            FROM batches WHERE finished_at >= $since GROUP BY ALL
        )
        UNPIVOT counted ON forecast, fallback, "no forecast", accepted, quarantined, failed
        INTO NAME outcome VALUE "rows"
        ORDER BY starts_at, outcome DESC
        """,
        {"since": since, "width": width_seconds},
    ).df()
