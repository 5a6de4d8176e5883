"""Queries of `evaluations`: how right each version was by one loss, over time and in all. Those of revised data
are left out.

The sums of the table are added up before they are divided; penstock/operations/model_store/measures.py says by what.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pandas as pd

from penstock.operations.model_store.live import SUM_COLUMNS
from penstock.operations.model_store.measures import Sums, measures

#: What was known when the actual came.
FIRST = "is_final IS NOT TRUE AND loss = $loss AND champion IS NOT NULL AND unit IS NOT NULL"
#: Rows have no variable, or one for each of several predictions, and no step.
ASKED = (
    f"{FIRST} AND evaluated_at >= $since AND variable IS NOT DISTINCT FROM $variable"
    " AND (step IS NULL OR list_contains($steps, step))"
)
MEASURES = ("loss", "mae", "ratio_to_naive", "coverage")


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What there are evaluations of. variables: None for rows with one prediction. steps: none for rows. first_unit,
    last_unit: of all of them."""

    variables: tuple[str | None, ...]
    steps: tuple[int, ...]
    first_unit: datetime
    last_unit: datetime


def evaluated(tables: duckdb.DuckDBPyConnection, *, loss: str, since: datetime) -> Evaluated | None:
    """None if nothing was evaluated by this loss since then."""
    row = tables.execute(
        f"""
        SELECT list_sort(list(DISTINCT variable)), list_sort(list(DISTINCT step)), bool_or(variable IS NULL), min(unit),
               max(unit)
        FROM evaluations WHERE {FIRST} AND evaluated_at >= $since
        """,
        {"loss": loss, "since": since},
    ).fetchone()
    if row is None or row[3] is None:
        return None
    variables, steps, has_nameless, first_unit, last_unit = row
    named: list[str | None] = [name for name in variables or () if name is not None]
    return Evaluated(
        variables=tuple([*named, None] if has_nameless else named),
        steps=tuple(step for step in steps or () if step is not None),
        first_unit=first_unit,
        last_unit=last_unit,
    )


def versions(
    tables: duckdb.DuckDBPyConnection, *, loss: str, variable: str | None, steps: Sequence[int], since: datetime
) -> pd.DataFrame:
    """version, pairs, loss, mae, ratio_to_naive, coverage, failed, mean_delay_seconds, first_unit, last_unit: the
    version with the newest unit first."""
    found = tables.execute(
        f"""
        SELECT champion AS version, min(variable) AS variable, min(step) AS step, {SUM_COLUMNS},
               sum(delay_seconds) / nullif(sum(pairs), 0) AS mean_delay_seconds
        FROM evaluations WHERE {ASKED}
        GROUP BY champion ORDER BY last_unit DESC, TRY_CAST(champion AS BIGINT) DESC NULLS LAST, champion
        """,
        {"loss": loss, "variable": variable, "steps": list(steps), "since": since},
    )
    return measured(found, ("version",), ("failed", "mean_delay_seconds", "first_unit", "last_unit"))


def over_time(
    tables: duckdb.DuckDBPyConnection,
    *,
    loss: str,
    variable: str | None,
    steps: Sequence[int],
    since: datetime,
    width_seconds: int,
) -> pd.DataFrame:
    """starts_at (of the time bucket of the units), version, pairs, loss, mae, ratio_to_naive, coverage."""
    found = tables.execute(
        f"""
        SELECT to_timestamp(floor(epoch(unit) / $width) * $width) AS starts_at, champion AS version,
               min(variable) AS variable, min(step) AS step, {SUM_COLUMNS}
        FROM evaluations WHERE {ASKED} GROUP BY starts_at, champion ORDER BY starts_at, version
        """,
        {"loss": loss, "variable": variable, "steps": list(steps), "since": since, "width": width_seconds},
    )
    return measured(found, ("starts_at", "version"), ())


def measured(found: duckdb.DuckDBPyConnection, before: Sequence[str], after: Sequence[str]) -> pd.DataFrame:
    """Rows of sums with their measures, as `penstock models` has them. before, after: other columns of the rows."""
    names = [column[0] for column in found.description or ()]
    fields = {field.name for field in dataclasses.fields(Sums)}
    rows = []
    for values in found.fetchall():
        row = dict(zip(names, values, strict=True))
        rows.append(row | measures([Sums(**{name: row[name] for name in names if name in fields})]))
    frame = pd.DataFrame(rows, columns=[*before, "pairs", *MEASURES, *after])
    return frame.astype(dict.fromkeys(MEASURES, float))
