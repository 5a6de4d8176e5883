"""The series workload through the whole job, with statsmodels as the truth."""

import numpy as np
import pandas as pd
from series_sandbox import (
    FITTED,
    HORIZON,
    KEEP_LAGS,
    VARIABLES,
    SeriesSandbox,
    expected_forecasts,
    macro,
    quarters,
)


def test_forecasts_are_those_of_statsmodels(series: SeriesSandbox) -> None:
    series.drop("a.csv", quarters(FITTED, FITTED + 6))
    [record] = series.sandbox.run()
    assert (record.rows_in, record.accepted, record.failed) == (6, 6, 0)
    found = series.forecasts()
    dates = macro()["ds"]
    assert sorted(found["cutoff"].unique()) == list(dates[FITTED + 2 : FITTED + 6])
    for cutoff in range(FITTED + 2, FITTED + 6):
        expected = expected_forecasts(cutoff=cutoff)
        mine = found[found["cutoff"] == dates[cutoff]]
        assert list(mine["ds"].unique()) == list(pd.date_range(dates[cutoff], periods=HORIZON + 1, freq="QS")[1:])
        for number, variable in enumerate(VARIABLES):
            rows = mine[mine["variable"] == variable].sort_values("step")
            for bound, values in expected.items():
                np.testing.assert_allclose(rows[bound], values[:, number], rtol=1e-10)


def test_why_an_observation_has_no_forecast(series: SeriesSandbox) -> None:
    """Two lags of log differences need three consecutive quarters."""
    hole = quarters(FITTED, FITTED + 8).drop(index=FITTED + 4)
    empty = quarters(FITTED, FITTED + 8, "CA")
    empty.loc[FITTED + 3, "realinv"] = np.nan
    series.drop("a.csv", pd.concat([hole, empty, quarters(FITTED, FITTED + 1, "MARS")]))
    series.sandbox.run()
    dates = [f"{ds:%Y-%m-%d}" for ds in macro()["ds"][FITTED : FITTED + 8]]
    errors = series.errors()
    assert [errors["US", ds] for ds in dates if ds != dates[4]] == [
        "warming_up",
        "warming_up",
        None,
        None,
        "gap",
        "gap",
        None,
    ]
    assert [errors["CA", ds] for ds in dates] == ["warming_up", "warming_up", None, "gap", "gap", "gap", None, None]
    assert errors["MARS", dates[0]] == "unknown_series"


def test_late_observations_and_revisions_are_kept_and_not_used(series: SeriesSandbox) -> None:
    series.drop("a.csv", quarters(FITTED, FITTED + 12).drop(index=FITTED + 1))
    series.sandbox.run()
    before = series.forecasts()
    late = quarters(FITTED + 1, FITTED + 2)
    revisions = pd.concat([quarters(FITTED, FITTED + 1), quarters(FITTED + 11, FITTED + 12)]).assign(realgdp=1.0)
    series.drop("b.csv", pd.concat([late, revisions]))
    series.sandbox.run()
    pd.testing.assert_frame_equal(series.forecasts(), before)
    rows = [row for row in series.sandbox.rows("observations") if row.source_file.endswith("b.csv")]
    dates = macro()["ds"]
    assert {(row.ds, row.error) for row in rows} == {
        (dates[FITTED + 1], "late"),
        (dates[FITTED], "revision"),
        (dates[FITTED + 11], "revision"),
    }


def test_of_two_observations_of_one_moment_the_newer_file_wins(series: SeriesSandbox) -> None:
    first = quarters(FITTED, FITTED + 4)
    series.drop("z_old.csv", first.assign(realgdp=first["realgdp"] * 2), age_seconds=100)
    series.drop("a_new.csv", first, age_seconds=50)
    series.sandbox.run()
    found = series.forecasts()
    expected = expected_forecasts(cutoff=FITTED + 3)["forecast"][:, 0]
    mine = found[(found["cutoff"] == macro()["ds"][FITTED + 3]) & (found["variable"] == "realgdp")]
    np.testing.assert_allclose(mine.sort_values("step")["forecast"], expected, rtol=1e-10)
    rows = series.sandbox.rows("observations")
    assert {row.error for row in rows if row.source_file.endswith("z_old.csv")} == {"revision"}


def test_latest_makes_one_forecast_a_series_and_batch(series: SeriesSandbox) -> None:
    series.sandbox.changes["forecast"] = {"at": "latest"}
    series.drop("a.csv", pd.concat([quarters(FITTED, FITTED + 6), quarters(FITTED, FITTED + 5, "CA")]))
    series.sandbox.run()
    dates = macro()["ds"]
    found = series.forecasts()
    assert set(zip(found["series_id"], found["cutoff"], strict=True)) == {
        ("US", dates[FITTED + 5]),
        ("CA", dates[FITTED + 4]),
    }
    assert list(series.errors().values()).count("not_latest") == 9


def test_the_lags_table_holds_the_newest_observations(series: SeriesSandbox) -> None:
    series.drop("a.csv", quarters(FITTED, FITTED + 10))
    series.sandbox.run()
    series.drop("b.csv", pd.concat([quarters(FITTED + 10, FITTED + 11), quarters(FITTED, FITTED + 2, "CA")]))
    series.sandbox.run()
    rows = sorted(series.sandbox.rows("lags"), key=lambda row: (row.series_id, row.number))
    dates, levels = macro()["ds"], macro()["realgdp"]
    kept = [FITTED, FITTED + 1, *range(FITTED + 5, FITTED + 11)]
    numbers = [1, 2, *range(6, 12)]
    assert [(row.series_id, row.number) for row in rows] == [
        ("CA", 1),
        ("CA", 2),
        *[("US", number) for number in numbers[2:]],
    ]
    assert [row.slot for row in rows] == [number % KEEP_LAGS for number in numbers]
    assert [row.ds for row in rows] == [dates[number] for number in kept]
    assert [row.realgdp for row in rows] == [levels[number] for number in kept]
