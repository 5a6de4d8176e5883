"""The intervals and quantiles of the newest forecasts, over a table written by hand."""

from pathlib import Path
from typing import Any

import pytest
from dashboard_tables import MACRO_CONF, WrittenTables, forecast, minutes

from penstock.interfaces.sql.duckdb_queries import run_duckdb_query

SEVERAL = [{"level": 0.5, "lower": 98.0, "upper": 102.0}, {"level": 0.95, "lower": 95.0, "upper": 105.0}]


@pytest.fixture
def macro(tmp_path: Path) -> WrittenTables:
    """US has two levels; DE one, of a variable in logs; IT too, whose point is a mean; FR an older forecast as well."""
    tables = WrittenTables(tmp_path, MACRO_CONF)
    tables.append(
        "forecasts",
        forecast(100.0, cutoff=3, step=1, scored_at=minutes(3), intervals=SEVERAL),
        forecast(6.0, cutoff=3, step=1, scored_at=minutes(3), series="DE", lower=4.0, upper=9.0),
        forecast(6.1, cutoff=3, step=1, scored_at=minutes(3), series="IT", lower=4.0, upper=9.0),
        forecast(7.0, cutoff=2, step=1, scored_at=minutes(2), series="FR"),
        forecast(0.0, cutoff=3, step=1, scored_at=minutes(3), series="FR"),
    )
    return tables


def rows_of(tables: WrittenTables, query: str, *columns: str) -> list[tuple[Any, ...]]:
    found = run_duckdb_query(tables.config, query)
    assert set(found.column_names) >= {"series_id", "cutoff", "ds", "step", "variable"}
    return [tuple(row[column] for column in columns) for row in found.to_pylist()]


def test_each_level_is_a_row(macro: WrittenTables) -> None:
    assert rows_of(macro, "forecast_intervals", "series_id", "level", "lower", "upper") == [
        ("DE", 0.95, 4.0, 9.0),
        ("FR", 0.95, -5.0, 5.0),
        ("IT", 0.95, 4.0, 9.0),
        ("US", 0.5, 98.0, 102.0),
        ("US", 0.95, 95.0, 105.0),
    ]


def test_bounds_are_quantiles_and_a_median_is_one_but_no_mean(macro: WrittenTables) -> None:
    assert rows_of(macro, "forecast_quantiles", "series_id", "quantile", "value") == [
        *(("DE", 0.025, 4.0), ("DE", 0.5, 6.0), ("DE", 0.975, 9.0)),
        *(("FR", 0.025, -5.0), ("FR", 0.5, 0.0), ("FR", 0.975, 5.0)),
        *(("IT", 0.025, 4.0), ("IT", 0.975, 9.0)),
        *(("US", 0.025, 95.0), ("US", 0.25, 98.0), ("US", 0.5, 100.0), ("US", 0.75, 102.0), ("US", 0.975, 105.0)),
    ]
