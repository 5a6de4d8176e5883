"""What came true of each version's answers: the sums of `evaluations` by one loss."""

import duckdb

from penstock.operations.model_store.measures import Sums

COLUMNS = (
    "batch_id",
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
    "loss",
    "candidate",
    "candidate_loss",
    "candidate_abs",
    "candidate_within",
    "candidate_failed",
    "compared_pairs",
    "compared_champion_loss",
)
#: Each final evaluation has all sums.
FINAL = "batch_id = (SELECT max(batch_id) FROM evaluations WHERE is_final AND loss = $loss)"
FIRST = "is_final IS NOT TRUE"
#: The fields of `Sums` besides the groups.
SUM_COLUMNS = """
    sum(pairs)::BIGINT AS pairs, coalesce(sum(champion_failed), 0)::BIGINT AS failed,
    coalesce(sum(scored_pairs), 0)::BIGINT AS scored, sum(champion_loss) AS loss, sum(champion_abs) AS absolute,
    sum(naive_abs) AS naive, sum(champion_within)::BIGINT AS within, min(unit) AS first_unit, max(unit) AS last_unit,
    max(evaluated_at) AS evaluated_at
"""
SUMS = f"""
SELECT champion AS version, variable, step, {SUM_COLUMNS}
FROM evaluations WHERE {{which}} AND loss = $loss AND champion IS NOT NULL
GROUP BY ALL ORDER BY version, variable, step
"""

#: The same of a version that answered beside a champion. Its loss is of the pairs that both have one for; of series it
#: is in units of the champion's interval, so that it is not added to the one it has as a champion. The naive errors are
#: of the pairs that the champion answered: null unless both answered all.
CANDIDATE_SUM_COLUMNS = """
    sum(pairs)::BIGINT AS pairs, coalesce(sum(candidate_failed), 0)::BIGINT AS failed,
    coalesce(sum(compared_pairs), 0)::BIGINT AS scored, sum(candidate_loss) AS loss, sum(candidate_abs) AS absolute,
    CASE WHEN sum(candidate_failed) = 0 AND sum(champion_failed) = 0 THEN sum(naive_abs) END AS naive,
    sum(candidate_within)::BIGINT AS within, min(unit) AS first_unit, max(unit) AS last_unit,
    max(evaluated_at) AS evaluated_at
"""
CANDIDATE_SUMS = f"""
SELECT candidate AS version, variable, step, {CANDIDATE_SUM_COLUMNS}
FROM evaluations WHERE {FIRST} AND loss = $loss AND candidate IS NOT NULL
GROUP BY ALL ORDER BY version, variable, step
"""


def read_candidate_sums(tables: duckdb.DuckDBPyConnection, *, loss: str) -> list[Sums]:
    """Of the versions that answered beside a champion; tables and loss as in `read_sums`."""
    return sums_of(tables.execute(CANDIDATE_SUMS, {"loss": loss}))


def read_sums(tables: duckdb.DuckDBPyConnection, *, loss: str, is_final: bool = False) -> list[Sums]:
    """tables: with `evaluations`, or no rows of it. loss: sums of others are left out. is_final: those of the last
    final evaluation, in place of what was known when the actuals came."""
    return sums_of(tables.execute(SUMS.format(which=FINAL if is_final else FIRST), {"loss": loss}))


def sums_of(found: duckdb.DuckDBPyConnection) -> list[Sums]:
    names = [column[0] for column in found.description or ()]
    return [Sums(**dict(zip(names, row, strict=True))) for row in found.fetchall()]
