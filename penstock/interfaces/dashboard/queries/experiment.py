"""Queries of `evaluations` about two versions: the loss of both for the same pairs, over time and in all. Those of
revised data are left out.
"""

from collections.abc import Sequence
from datetime import datetime

import duckdb
import pandas as pd

#: As penstock/interfaces/dashboard/queries/evaluations.py has it, of pairs of two versions.
ASKED = (
    "is_final IS NOT TRUE AND loss = $loss AND candidate IS NOT NULL AND unit IS NOT NULL AND evaluated_at >= $since"
    " AND variable IS NOT DISTINCT FROM $variable AND (step IS NULL OR list_contains($steps, step))"
)
PAIR_SUMS = """
    sum(pairs)::BIGINT AS pairs, sum(compared_pairs)::BIGINT AS compared_pairs,
    sum(compared_champion_loss) / nullif(sum(compared_pairs), 0) AS champion_loss,
    sum(candidate_loss) / nullif(sum(compared_pairs), 0) AS candidate_loss,
    sum(candidate_loss) / nullif(sum(compared_champion_loss), 0) AS ratio,
    sum(champion_within) / nullif(sum(scored_pairs), 0) AS champion_coverage,
    sum(candidate_within) / nullif(sum(compared_pairs), 0) AS candidate_coverage,
    coalesce(sum(candidate_failed), 0)::BIGINT AS candidate_failed
"""


def pairs_over_time(
    tables: duckdb.DuckDBPyConnection,
    *,
    loss: str,
    variable: str | None,
    steps: Sequence[int],
    since: datetime,
    width_seconds: int,
) -> pd.DataFrame:
    """starts_at (of the time bucket of the units), versions ("8 beside 7"), and the columns of PAIR_SUMS."""
    return tables.execute(
        f"""
        SELECT to_timestamp(floor(epoch(unit) / $width) * $width) AS starts_at,
               candidate || ' beside ' || champion AS versions, {PAIR_SUMS}
        FROM evaluations WHERE {ASKED} GROUP BY ALL ORDER BY starts_at, versions
        """,
        {"loss": loss, "variable": variable, "steps": list(steps), "since": since, "width": width_seconds},
    ).df()


def pairs_in_all(
    tables: duckdb.DuckDBPyConnection, *, loss: str, variable: str | None, steps: Sequence[int], since: datetime
) -> pd.DataFrame:
    """versions, and the columns of PAIR_SUMS; the pair with the newest unit first."""
    return tables.execute(
        f"""
        SELECT candidate || ' beside ' || champion AS versions, {PAIR_SUMS}
        FROM evaluations WHERE {ASKED} GROUP BY ALL ORDER BY max(unit) DESC, versions
        """,
        {"loss": loss, "variable": variable, "steps": list(steps), "since": since},
    ).df()
