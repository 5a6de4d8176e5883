"""Losses of compared forecasts are those of models.accuracy.losses; what has none counts as failed."""

import math
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import duckdb
import pytest

from penstock.models.accuracy.losses import scaled_interval_loss
from penstock.operations.compare.request import Request
from penstock.operations.compare.series_pairs import make_pairs

START = datetime(2026, 1, 1, tzinfo=UTC)
#: actual, forecast, lower, upper
CASES = [
    (3.0, 2.0, 1.0, 5.0),
    (0.5, 2.0, 1.0, 5.0),
    (9.0, 2.0, 1.0, 5.0),
    (3.0, 2.0, 2.0, 2.0),
    (3.0, 0.0, -1e-17, 1e-17),
    (3.0, 1e9, 1e9, 1e9 + 1e-4),
    (3.0, 0.0, -1e308, 1e308),
    (1e308, 0.0, -1e-9, 1e-9),
    (3.0, math.nan, 1.0, 5.0),
]


def test_losses_are_those_of_one_forecast() -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "CREATE TABLE observations (series_id VARCHAR, ds TIMESTAMPTZ, x DOUBLE, error VARCHAR, "
            "observed_at TIMESTAMPTZ, batch_id BIGINT)"
        )
        connection.execute(
            "CREATE TABLE answers (version VARCHAR, series_id VARCHAR, cutoff TIMESTAMPTZ, step INT, variable VARCHAR, "
            "ds TIMESTAMPTZ, forecast DOUBLE, lower DOUBLE, upper DOUBLE, level DOUBLE, scored_at TIMESTAMPTZ)"
        )
        for number, (actual, *made) in enumerate(CASES):
            ds = START + timedelta(days=number)
            connection.execute("INSERT INTO observations VALUES ('a', ?, ?, NULL, ?, 0)", [ds, actual, ds])
            for version in "12":
                cutoff = ds - timedelta(days=1)
                row = [version, cutoff, ds, *made, cutoff]
                connection.execute("INSERT INTO answers VALUES (?, 'a', ?, 1, 'x', ?, ?, ?, ?, 0.8, ?)", row)
        config = cast(Any, SimpleNamespace(the_series=SimpleNamespace(variables=("x",))))
        make_pairs(connection, config, Request(versions=("1", "2")), {})
        rows = connection.execute("SELECT loss, is_failed FROM pairs WHERE version = '2' ORDER BY unit").fetchall()
    expected = [
        scaled_interval_loss(actual, forecast=forecast, lower=lower, upper=upper, level=0.8)
        for actual, forecast, lower, upper in CASES
    ]
    assert [None if is_failed else loss for loss, is_failed in rows] == pytest.approx(expected)
    assert expected.count(None) == 6
