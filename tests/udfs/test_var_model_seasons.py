"""Forecasts of a saved fleet have the phase of their periods: after the fit, seasons later, and each series its own."""

from __future__ import annotations

import json
from dataclasses import asdict

import mlflow
import numpy as np
import pandas as pd
import pytest
from holdouts import holdout_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from season_truth import columns, seasonal
from statsmodels.tsa.api import VAR
from var_frames import answers, window

from penstock.udfs.var.deterministic import DeterministicTerms
from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_save import save_fleet_model
from penstock.udfs.var.fleet_store import FleetAbout
from penstock.udfs.var.kernel import forecast_rows

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
NAMES = ("u", "v")
HORIZON = 15
TERMS = (DeterministicTerms("c", 12), DeterministicTerms("n", 24), DeterministicTerms("ct", 365.25, 4))
CLOSE = {"rtol": 1e-8, "atol": 1e-8}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_MODEL_CACHE", str(tmp_path / "cache"))


def saved(path, pieces, dates, *, fitted, frequency="MS", holidays=(), **options):
    """The model of the first `fitted` levels of each piece, which are on `dates`, loaded."""
    offsets = np.arange(len(pieces) + 1) * fitted
    options = {"transforms": ("none", "none"), "max_lags": 2, "horizon": HORIZON} | options
    fit = fit_fleet(np.concatenate([piece[:fitted] for piece in pieces]), offsets, FitSettings(**options))
    assert len(fit) == len(pieces)
    save_fleet_model(
        path / "m",
        fit,
        ids=[f"s{i}" for i in range(len(pieces))],
        variables=NAMES,
        frequency=frequency,
        last_ds=np.array([one[fitted - 1] for one in dates], dtype="datetime64[ns]"),
        holidays=holidays,
    )
    return mlflow.pyfunc.load_model(str(path / "m"))


def theirs(values, *, fitted, known, trend, season, fourier, steps=HORIZON, lags=2):
    """statsmodels' fit of the first `fitted` values and its forecast after the first `known` ones."""
    exog = columns(season, fourier, np.arange(1, known + steps + 1))
    result = VAR(values[:fitted], exog=exog[:fitted]).fit(lags, trend=trend)
    # statsmodels counts the trend from the end of its sample; so the trend's terms are given as columns as well
    powers = np.arange(1, known + steps + 1)[:, None] ** np.arange(result.k_trend)
    terms = np.hstack([powers, exog]) @ result.coefs_exog.T
    points = [*values[known - lags : known]]
    for step in range(steps):
        points.append(terms[known + step] + sum(result.coefs[i] @ points[-1 - i] for i in range(lags)))
    if known == fitted:
        by_statsmodels = result.forecast(values[known - lags : known], steps, exog_future=exog[known:])
        np.testing.assert_allclose(points[lags:], by_statsmodels, **CLOSE)
    return np.array(points[lags:])


@pytest.mark.parametrize("trend", ["n", "c", "ct"])
@pytest.mark.parametrize(("season", "fourier"), [(12, 0), (4, 0), (12, 3), (30.4375, 2)])
def test_series_of_different_starts_go_on_in_their_phases(tmp_path, trend, season, fourier):
    """Three series begin in different months; cutoffs are at the end of the fit, and up to four years later."""
    known = {0: 120, 1: 127, 2: 168}
    pieces = [seasonal(2, 168, season=12, seed=i) for i in range(3)]
    dates = [pd.date_range(start, periods=168, freq="MS") for start in ("1999-05-01", "2001-01-01", "2000-12-01")]
    options = {"trend": trend, "season": season, "fourier": fourier}
    model = saved(tmp_path, pieces, dates, fitted=120, **options)
    rows = [
        window(pieces[i][:n], NAMES, lags=2, series_id=f"s{i}", ds=dates[i][n - 1])
        for i in range(3)
        for n in known.values()
    ]
    found = model.predict(pd.DataFrame(rows))
    for row, (i, n) in enumerate((i, n) for i in range(3) for n in known.values()):
        wanted = theirs(pieces[i], fitted=120, known=n, **options)
        np.testing.assert_allclose(answers(found, NAMES, "forecast", row=row), wanted, **CLOSE)


@pytest.mark.parametrize("fourier", [0, 2])
def test_last_business_days_of_months_with_differences_of_logs(tmp_path, fourier):
    """The season begins with the first difference, a month after the first level."""
    values = 0.02 * seasonal(2, 150, season=12, seed=5)
    levels = np.exp(np.cumsum(np.vstack([[3.0, 1.0], values]), axis=0))
    dates = pd.date_range("2010-02-26", periods=151, freq="BME")
    options = {"frequency": "BME", "transforms": ("dlog", "dlog"), "season": 12, "fourier": fourier}
    model = saved(tmp_path, [levels], [dates], fitted=121, **options)
    known = 138
    found = model.predict(pd.DataFrame([window(levels[: known + 1], NAMES, lags=3, series_id="s0", ds=dates[known])]))
    changes = theirs(values, fitted=120, known=known, trend="c", season=12, fourier=fourier)
    np.testing.assert_allclose(
        answers(found, NAMES, "forecast"), levels[known] * np.exp(np.cumsum(changes, axis=0)), rtol=1e-8
    )


def test_a_season_of_business_days_stands_still_on_holidays(tmp_path):
    """Five days are a season of business days, not of the week: a holiday moves the phases by a weekday."""
    holidays = ("2024-12-25", "2024-12-26", "2025-01-01")
    values = seasonal(2, 106, season=5, seed=3)
    dates = pd.date_range("2024-08-06", periods=106, freq=pd.offsets.CDay(holidays=list(holidays)))
    model = saved(tmp_path, [values], [dates], fitted=100, frequency="B", holidays=holidays, season=5)
    assert model.metadata.metadata["penstock_fleet"]["holidays"] == list(holidays)
    rows = [
        window(values, NAMES, lags=2, series_id="s0", ds=dates[-1]),
        window(values, NAMES, lags=2, series_id="s0", ds="2024-12-26"),
    ]
    found = model.predict(pd.DataFrame(rows))
    wanted = theirs(values, fitted=100, known=106, trend="c", season=5, fourier=0)
    np.testing.assert_allclose(answers(found, NAMES, "forecast"), wanted, **CLOSE)
    # off the calendar there is no phase
    assert found.iloc[1].filter(like="_forecast_").isna().all()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_rows=st.integers(1, 70),
    k=st.integers(1, 3),
    terms=st.sampled_from(TERMS),
)
def test_a_row_does_not_depend_on_its_batch(seed, n_rows, k, terms):
    """To the last bit, and beside rows whose cutoff is off the calendar."""
    random = np.random.default_rng(seed)
    records = random.normal(size=(9, terms.n_stored, k))
    series = random.integers(0, 9, n_rows)
    times = np.where(random.uniform(size=n_rows) < 0.1, np.nan, random.integers(-50, 10**6, n_rows))
    whole = terms.seasonal_effects(records, series, times, horizon=4)
    np.testing.assert_array_equal(np.isnan(whole).any(axis=(0, 1)), np.isnan(times))
    for row in range(n_rows):
        alone = terms.seasonal_effects(records, series[row : row + 1], times[row : row + 1], horizon=4)
        np.testing.assert_array_equal(alone[..., 0], whole[..., row])


def test_a_season_needs_the_time_of_its_forecasts(tmp_path):
    piece = seasonal(2, 120, season=12, seed=1)
    fit = fit_fleet(piece, np.array([0, 120]), FitSettings(transforms=("none",) * 2, max_lags=1, season=12))
    with pytest.raises(ValueError, match="season 12 needs last_ds"):
        save_fleet_model(tmp_path / "m", fit, ids=["s"], variables=NAMES, frequency="MS")
    with pytest.raises(ValueError, match="12 terms of a trend: want at most 3, and those of a season apart"):
        forecast_rows(
            coefficients=fit.coefficients,
            trend_coefficients=fit.trend_coefficients,
            lags=piece[None, -1:],
            lag_order=fit.lag_order,
            horizon=1,
            first_time_index=fit.last_time_index + 1,
        )


def test_a_fleet_of_an_earlier_version_has_no_season():
    about = FleetAbout(("x",), ("none",), "ct", "MS", 8, 0.95, 2, ids_are_strings=True, anchor="1970-01-01")
    earlier = {name: value for name, value in asdict(about).items() if name not in ("season", "fourier", "exogenous")}
    assert FleetAbout(**json.loads(json.dumps(earlier))).terms == DeterministicTerms("ct")


@pytest.mark.parametrize("fourier", [0, 5])
def test_a_strong_season_is_forecast(fourier):
    """Monthly, with a pattern of standard deviation 4 over noise of 1: without its season a VAR of 2 lags takes it for
    noise. The noise's own one-step error is known to be 1."""
    pieces = [seasonal(2, 144, season=12, scale=4.0, seed=i) for i in range(20)]
    offsets = np.arange(21) * 144
    options = {"transforms": ("none", "none"), "max_lags": 2, "horizon": 12}

    def mase_and_rmse(**more):
        found = holdout_scores(np.concatenate(pieces), offsets, FitSettings(**options, **more), holdout=12)
        assert found.n_series == 20
        return found.sums[0, 2].mean() / 20, found.sums[0, 1].mean() / 20

    (plain, _), (with_season, error) = mase_and_rmse(), mase_and_rmse(season=12, fourier=fourier)
    assert with_season < 0.5 * plain
    assert fourier or 0.95 < error < 1.25


def test_the_holdout_goes_on_in_the_phase_of_its_cutoff():
    levels = seasonal(2, 130, season=12, seed=4)
    options = FitSettings(transforms=("none", "none"), max_lags=2, horizon=8, season=12)
    found = holdout_scores(levels, np.array([0, 130]), options, holdout=8)
    points = theirs(levels, fitted=122, known=122, trend="c", season=12, fourier=0, steps=8)
    np.testing.assert_allclose(found.sums[0, 0], np.abs(points - levels[122:]).mean(axis=0), rtol=1e-8)
