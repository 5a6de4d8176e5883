"""Scores of groups of pairs, and the series in which a version loses most."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import duckdb

from penstock.models.accuracy.diebold_mariano import DieboldMariano, diebold_mariano
from penstock.operations.compare.report import Group, Loser, Score
from penstock.operations.explain.tables import rows_of
from penstock.storage.duckdb_tables import quoted

SHOWN_LOSERS = 10
#: More groups than a person reads.
MAX_GROUPS = 200
SUMS = """
  count(*) AS pairs,
  count(*) FILTER (is_hindsight) AS hindsight,
  avg(loss) AS loss,
  avg(absolute_error) AS mae,
  avg(is_within::INT) AS coverage,
  avg(absolute_error) FILTER (naive_error IS NOT NULL) / nullif(avg(naive_error), 0) AS ratio_to_naive
"""


def group_of(
    tables: duckdb.DuckDBPyConnection,
    versions: Sequence[str],
    *,
    by: str,
    steps: Sequence[int],
    horizon: int | None,
    column: str = "",
) -> list[Group]:
    """by: a column of `judged`, unless that has another name there, `column`; empty for all pairs together. steps: only
    these, empty for all. horizon: of the test; None: the value of `by`, which is the step."""
    value = quoted(column or by) if by else "''"
    where = f"WHERE step IN ({', '.join(map(str, steps))})" if steps else ""
    sums = rows_of(
        tables,
        f"SELECT {value}::VARCHAR AS value, version, {SUMS} FROM judged {where} GROUP BY ALL ORDER BY min({value})",
    )
    units = rows_of(
        tables,
        f"SELECT {value}::VARCHAR AS value, version, unit, avg(loss) AS loss FROM judged {where} GROUP BY ALL "
        "ORDER BY unit",
    )
    by_unit: dict[Any, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in units:
        by_unit[row["value"]][row["version"]].append(row["loss"])
    found: dict[Any, dict[str, dict[str, Any]]] = defaultdict(dict)
    for row in sums:
        found[row["value"]][row["version"]] = row
    return [
        scored(by, group, found[group], by_unit[group], versions, horizon=int(group) if horizon is None else horizon)
        for group in list(found)[:MAX_GROUPS]
    ]


def scored(
    by: str,
    value: str | None,
    sums: dict[str, dict[str, Any]],
    units: dict[str, list[float]],
    versions: Sequence[str],
    *,
    horizon: int,
) -> Group:
    first = sums[versions[0]]
    scores = []
    for version in versions:
        row = sums[version]
        test: DieboldMariano | str = ""
        if version != versions[0]:
            pairs = zip(units[version], units[versions[0]], strict=True)
            test = diebold_mariano([mine - theirs for mine, theirs in pairs], horizon=horizon)
        scores.append(
            Score(
                version=version,
                loss=row["loss"],
                mae=row["mae"],
                coverage=row["coverage"],
                ratio=row["loss"] / first["loss"] if first["loss"] else None,
                ratio_to_naive=row["ratio_to_naive"],
                hindsight=row["hindsight"],
                test=test if isinstance(test, DieboldMariano) else None,
                untested=test if isinstance(test, str) else "",
            )
        )
    return Group(
        by=by,
        value="null" if value is None else value,
        pairs=first["pairs"],
        units=len(units[versions[0]]),
        scores=tuple(scores),
    )


def losers_of(tables: duckdb.DuckDBPyConnection, versions: Sequence[str], steps: Sequence[int]) -> list[Loser]:
    """Of each version but the first, the series with the largest mean loss above that of the first."""
    found = []
    for version in versions[1:]:
        rows = rows_of(
            tables,
            f"""
            SELECT * FROM (
              SELECT series_id, count(*) FILTER (version = $version) AS pairs,
                avg(loss) FILTER (version = $version) AS loss, avg(loss) FILTER (version = $first) AS first_loss
              FROM judged WHERE step IN ({", ".join(map(str, steps))}) GROUP BY series_id
            ) WHERE loss > first_loss
            ORDER BY loss - first_loss DESC, series_id LIMIT {SHOWN_LOSERS}
            """,
            version=version,
            first=versions[0],
        )
        found += [Loser(version=version, **row) for row in rows]
    return found
