"""Evaluations of a sandbox, and the same sums by SQL of their own: DuckDB over the rows of the tables."""

from collections.abc import Sequence
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from deltalake import DeltaTable
from sandbox import Sandbox

from penstock.pipeline.evaluation.evaluator import Evaluator
from penstock.pipeline.evaluation.record import EvaluationRecord
from penstock.storage.routing import storage_of

GROUPS = ["unit", "champion", "variable", "step"]
SUMS = [
    "pairs",
    "champion_loss",
    "champion_abs",
    "naive_abs",
    "champion_within",
    "champion_failed",
    "delay_seconds",
    "scored_pairs",
]


def evaluator_of(sandbox: Sandbox) -> Evaluator:
    config = sandbox.config()
    return Evaluator.of(sandbox.spark, config, storage_of(config))


def evaluate(sandbox: Sandbox, *, is_final: bool = False) -> list[EvaluationRecord]:
    return evaluator_of(sandbox).evaluate(is_final=is_final)


def arrow_table(path: str) -> pa.Table:
    return pa.table(DeltaTable(path).to_pyarrow_table())


def stored_sums(root: str, *, condition: str = "NOT is_final") -> pd.DataFrame:
    """What the table `evaluations` has, added up over evaluations."""
    evaluations = arrow_table(f"{root}/evaluations")
    columns = ", ".join(f"sum({name})::DOUBLE AS {name}" for name in SUMS)
    return sums(f"SELECT {', '.join(GROUPS)}, {columns} FROM evaluations WHERE {condition} GROUP BY ALL", locals())


def sums(sql: str, tables: dict[str, Any]) -> pd.DataFrame:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, table in tables.items():
            if isinstance(table, pa.Table):
                connection.register(name, table)
        found = connection.execute(sql).df()
    return found[[*GROUPS, *SUMS]].sort_values(GROUPS, ignore_index=True)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert len(expected) > 0
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, check_dtype=False)


def numbers(records: Sequence[EvaluationRecord]) -> list[int]:
    return [record.number for record in records]


#: Of forecasts and observations, which the caller registers; one row for each (series_id, ds) is an actual there.
SERIES_SQL = """
WITH tall AS (
    UNPIVOT (SELECT series_id, ds, observed_at, realgdp, realcons, realinv FROM {actuals})
    ON realgdp, realcons, realinv INTO NAME variable VALUE y
),
levels AS (
    UNPIVOT (SELECT series_id, ds, observed_at, realgdp, realcons, realinv FROM {levels})
    ON realgdp, realcons, realinv INTO NAME variable VALUE naive
),
newest AS (
    SELECT f.*, t.y, t.observed_at
    FROM forecasts f JOIN tall t ON f.series_id = t.series_id AND f.ds = t.ds AND f.variable = t.variable
    WHERE {in_time}
    QUALIFY row_number() OVER (PARTITION BY f.series_id, f.cutoff, f.ds, f.variable ORDER BY f.scored_at DESC) = 1
),
pairs AS (
    SELECT n.*, l.naive, 1 - level AS a, upper - lower AS width, lower < upper AS scored
    FROM newest n LEFT JOIN levels l
    ON l.series_id = n.series_id AND l.ds = n.cutoff AND l.variable = n.variable
)
SELECT
    ds AS unit, model_version AS champion, variable, step,
    count(*) AS pairs,
    sum(CASE WHEN scored THEN (0.5 * abs(y - forecast) + a / 2 * (width
        + CASE WHEN y < lower THEN 2 / a * (lower - y) ELSE 0 END
        + CASE WHEN y > upper THEN 2 / a * (y - upper) ELSE 0 END)) / 1.5 / (width / 2) END) AS champion_loss,
    sum(abs(y - forecast)) AS champion_abs,
    sum(abs(y - naive)) AS naive_abs,
    sum(CASE WHEN scored AND y >= lower AND y <= upper THEN 1 ELSE 0 END) AS champion_within,
    0 AS champion_failed,
    sum(epoch_us(observed_at) - epoch_us(scored_at)) / 1e6 AS delay_seconds,
    sum(CASE WHEN scored THEN 1 ELSE 0 END) AS scored_pairs
FROM pairs GROUP BY ALL
"""
