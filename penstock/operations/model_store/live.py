"""What came true of each version's answers: the sums of `evaluations`, those of revised data left out."""

import duckdb

from penstock.operations.model_store.measures import Sums

COLUMNS = (
    "champion",
    "variable",
    "step",
    "unit",
    "pairs",
    "scored_pairs",
    "champion_loss",
    "champion_abs",
    "naive_abs",
    "champion_within",
    "champion_failed",
    "evaluated_at",
    "is_final",
)
SUMS = """
SELECT champion AS version, variable, step, sum(pairs)::BIGINT AS pairs,
       coalesce(sum(champion_failed), 0)::BIGINT AS failed, coalesce(sum(scored_pairs), 0)::BIGINT AS scored,
       sum(champion_loss) AS loss, sum(champion_abs) AS absolute, sum(naive_abs) AS naive,
       sum(champion_within)::BIGINT AS within, min(unit) AS first_unit, max(unit) AS last_unit,
       max(evaluated_at) AS evaluated_at
FROM evaluations WHERE is_final IS NOT TRUE AND champion IS NOT NULL
GROUP BY ALL ORDER BY version, variable, step
"""


def read_sums(tables: duckdb.DuckDBPyConnection) -> list[Sums]:
    """tables: with `evaluations`, or no rows of it."""
    found = tables.execute(SUMS)
    names = [column[0] for column in found.description or ()]
    return [Sums(**dict(zip(names, row, strict=True))) for row in found.fetchall()]
