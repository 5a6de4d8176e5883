"""What the views leave out, over tables written by hand; test_queries.py holds DuckDB against Spark."""

from pathlib import Path
from typing import Any

import pytest
from dashboard_tables import (
    MACRO_CONF,
    START,
    WINE_CONF,
    WrittenTables,
    batch,
    evaluated,
    forecast,
    minutes,
    observed,
    quarter,
    rejected,
    scored,
)

from penstock.interfaces.sql.duckdb_queries import connect_duckdb, run_duckdb_query


@pytest.fixture
def wine(tmp_path: Path) -> WrittenTables:
    return WrittenTables(tmp_path, WINE_CONF)


@pytest.fixture
def macro(tmp_path: Path) -> WrittenTables:
    made = WrittenTables(tmp_path, MACRO_CONF)
    made.make_empty("batches")
    return made


def ask(tables: WrittenTables, sql: str) -> list[Any]:
    with connect_duckdb(tables.config) as connection:
        return connection.execute(sql).fetchall()


def test_only_views_whose_tables_are_there_can_be_asked(wine: WrittenTables) -> None:
    wine.append("batches", batch(0, at=START, seconds=2.5))
    assert ask(wine, "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL") == [
        ("batch_health",),
        ("batches",),
    ]


def test_evaluations_are_there_once_they_are_made(wine: WrittenTables) -> None:
    assert ask(wine, "SELECT count(*) FROM duckdb_views() WHERE NOT internal") == [(0,)]
    wine.append("evaluations", evaluated("1", unit=minutes(0)), evaluated("1", unit=minutes(0), candidate="2"))
    assert ask(wine, "SELECT model_version, pairs, loss FROM model_performance") == [("1", 20, 10.0)]


def test_what_was_replayed_is_in_quarantine_no_more(wine: WrittenTables) -> None:
    wine.append(
        "quarantine",
        rejected("alcohol: 'a' is not a double", at=START),
        rejected("alcohol: 'b' is not a double", at=minutes(1), source_file="/inbox/b.csv"),
        rejected("alcohol: 'c' is not a double", at=minutes(2), replayed_in=0),
    )
    rows = run_duckdb_query(wine.config, "quarantine_by_reason").to_pylist()
    assert rows == [
        {
            "stage": "contract",
            "reason": "alcohol: '...' is not a double",
            "rows_quarantined": 2,
            "files": 2,
            "last_seen": minutes(1),
        }
    ]


def test_a_row_without_a_prediction_is_not_ok(wine: WrittenTables) -> None:
    wine.append(
        "predictions",
        scored(5.5, at=START),
        scored(None, at=START),
        scored(None, at=START, error="no wine"),
    )
    assert ask(wine, "SELECT prediction FROM predictions_ok") == [(5.5,)]


def test_a_batch_of_no_rows_has_no_shares(wine: WrittenTables) -> None:
    wine.append("batches", batch(0, at=START, seconds=0.25, rows_in=0, accepted=0, quarantined=0, failed=0))
    shares = "SELECT seconds, share_quarantined, share_failed FROM batch_health"
    assert ask(wine, shares) == [(0.25, None, None)]


def test_the_truth_is_what_counted_when_it_came(macro: WrittenTables) -> None:
    """Not what came late or was revised; and what has not come yet is compared with nothing."""
    macro.append("forecasts", *[forecast(100, cutoff=0, step=step) for step in (1, 2, 3)])
    macro.append(
        "observations",
        observed(101.0, at=1, error="gap"),
        observed(1.0, at=1, error="revision"),
        observed(2.0, at=1, error="superseded"),
        observed(3.0, at=2, error="late"),
        observed(5.0, at=2, error="conflict"),
        observed(6.0, at=2, error="conflict"),
        observed(106.0, at=3),
        observed(4.0, at=3, series="CA"),
    )
    found = ask(macro, "SELECT step, actual, error, is_within FROM forecast_vs_actual ORDER BY step")
    assert found == [(1, 101.0, -1.0, True), (3, 106.0, -6.0, False)]
    [_, third] = run_duckdb_query(macro.config, "forecast_accuracy").to_pylist()
    assert (third["step"], third["forecasts_compared"], third["interval_coverage"]) == (3, 1, 0.0)
    assert (third["mean_absolute_error"], third["mean_relative_error"]) == (6.0, pytest.approx(6 / 106))


def test_of_two_forecasts_of_one_cutoff_the_one_made_last_is_the_newest(macro: WrittenTables) -> None:
    macro.append(
        "forecasts",
        forecast(1.0, cutoff=2, step=1),
        forecast(2.0, cutoff=2, step=1, scored_at=minutes(60)),
        forecast(3.0, cutoff=1, step=1, scored_at=minutes(90)),
        forecast(4.0, cutoff=0, step=1, series="CA"),
    )
    rows = run_duckdb_query(macro.config, "latest_forecast").to_pylist()
    assert [(row["series_id"], row["forecast"]) for row in rows] == [("CA", 4.0), ("US", 2.0)]


def test_a_revision_makes_a_forecast_again_and_is_the_truth(macro: WrittenTables) -> None:
    """What was published first, and forecast first, can be asked for too."""
    macro.append(
        "forecasts", forecast(100.0, cutoff=0, step=1), forecast(104.0, cutoff=0, step=1, scored_at=minutes(60))
    )
    macro.append(
        "observations",
        observed(101.0, at=1),
        observed(105.0, at=1, error="revised", observed_at=minutes(60)),
        observed(99.0, at=1, error="unchanged", observed_at=minutes(70)),
        observed(99.0, at=2),
        observed(None, at=2, error="revised", observed_at=minutes(60)),
    )
    macro.append("forecasts", forecast(99.0, cutoff=1, step=1))
    asked = "SELECT forecast, actual, error, first_actual, vintage, is_newest FROM forecast_vs_actual ORDER BY vintage"
    assert ask(macro, asked) == [(100.0, 105.0, -5.0, 101.0, 1, False), (104.0, 105.0, -1.0, 101.0, 2, True)]
    [accuracy] = run_duckdb_query(macro.config, "forecast_accuracy").to_pylist()
    assert (accuracy["forecasts_compared"], accuracy["mean_absolute_error"]) == (1, 5.0)


def test_forecasts_from_before_the_end_of_the_fit_s_data_are_in_sample(macro: WrittenTables) -> None:
    """Their batch says when that was. One from the last observation that was fitted on is the first out of sample."""
    macro.append("observations", *[observed(100.0 + at, at=at) for at in range(1, 6)])
    for cutoff, until in ((0, quarter(2)), (1, quarter(2)), (2, quarter(2)), (3, None)):
        macro.append("batches", batch(cutoff, at=START, seconds=1, fitted_until=until))
        macro.append("forecasts", forecast(100.0, cutoff=cutoff, step=1), forecast(100.0, cutoff=cutoff, step=2))
    found = ask(macro, "SELECT cutoff, in_sample FROM forecast_vs_actual WHERE step = 1 ORDER BY cutoff")
    assert found == [(quarter(0), True), (quarter(1), True), (quarter(2), False), (quarter(3), None)]
    accuracy = run_duckdb_query(macro.config, "forecast_accuracy").to_pylist()
    errors = {(row["step"], row["in_sample"]): row["mean_absolute_error"] for row in accuracy}
    assert errors == {(1, True): 1.5, (1, False): 3.0, (1, None): 4.0} | {
        (2, True): 2.5,
        (2, False): 4.0,
        (2, None): 5.0,
    }


def test_a_fallback_and_the_forecast_after_its_hole_was_filled_are_vintages_of_each_other(macro: WrittenTables) -> None:
    macro.append("forecasts", forecast(120.0, cutoff=1, step=1, role="fallback", scored_at=minutes(1)))
    macro.append("forecasts", forecast(118.0, cutoff=1, step=1, scored_at=minutes(9)))
    macro.append("forecasts", forecast(90.0, cutoff=1, step=1, role="shadow", scored_at=minutes(5)))
    macro.append("observations", observed(119.0, at=2))
    found = ask(macro, "SELECT role, forecast, vintage, is_newest FROM forecast_vs_actual ORDER BY scored_at")
    assert found == [("fallback", 120.0, 1, False), ("shadow", 90.0, 1, True), ("champion", 118.0, 2, True)]


def test_what_a_rescore_has_put_in_place_is_the_champions_and_no_vintage_of_its_own(macro: WrittenTables) -> None:
    """The stream has added a forecast after it. What the rescored one was fitted on is not in `batches`."""
    macro.append("batches", batch(1, at=START, seconds=1, fitted_until=quarter(0)))
    macro.append("forecasts", forecast(120.0, cutoff=1, step=1, role="rescored", scored_at=minutes(1)))
    macro.append("forecasts", forecast(118.0, cutoff=1, step=1, scored_at=minutes(9)))
    macro.append("observations", observed(119.0, at=2))
    found = ask(macro, "SELECT role, vintage, is_newest, in_sample FROM forecast_vs_actual ORDER BY scored_at")
    assert found == [("rescored", 1, False, None), ("champion", 2, True, False)]
