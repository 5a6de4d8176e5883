"""The batched forecasts are statsmodels' forecasts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.api import VAR
from var_truth import MACRO, jmulti_forecasts, macro_levels, simulated

from penstock.udfs.var.kernel import forecast_rows, half_widths, normal_quantile

TRENDS = ("n", "c", "ct", "ctt")


def batch_of(fits, lag_rows, *, horizon, periods_later=0):
    """Forecasts and half-widths of several statsmodels fits in one batch, whatever their orders."""
    p, k = max(fit.k_ar for fit in fits), fits[0].neqs
    coefficients = np.zeros((len(fits), p, k, k))
    lags = np.full((len(fits), p, k), np.nan)
    for row, (fit, history) in enumerate(zip(fits, lag_rows, strict=True)):
        coefficients[row, : fit.k_ar] = fit.coefs
        lags[row, : fit.k_ar] = history[::-1][: fit.k_ar]
    trend = np.stack([fit.coefs_exog.T if fit.k_trend else np.zeros((0, k)) for fit in fits])
    points = forecast_rows(
        coefficients=coefficients,
        trend_coefficients=trend,
        lags=lags,
        lag_order=np.array([fit.k_ar for fit in fits]),
        horizon=horizon,
        first_time_index=np.array([fit.n_totobs + 1.0 + periods_later for fit in fits]),
    )
    widths = half_widths(
        coefficients=coefficients,
        sigma_u=np.stack([fit.sigma_u for fit in fits]),
        horizon=horizon,
        level=0.95,
    )
    return points, widths


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("k", range(2, 9))
def test_equals_statsmodels_over_a_grid(k, trend):
    # one batch mixes all lag orders and two histories: the padding is under test too
    histories = [simulated(k, min(p, 2), 60 + 12 * k, seed=100 * k + p) for p in range(1, 9)]
    fits = [VAR(values).fit(p, trend=trend) for p, values in enumerate(histories, start=1)]
    points, widths = batch_of(fits, histories, horizon=24)
    for row, (fit, history) in enumerate(zip(fits, histories, strict=True)):
        for steps in (1, 2, 7, 24):
            want = fit.forecast_interval(history[-fit.k_ar :], steps)
            got = (
                points[row, :steps],
                points[row, :steps] - widths[row, :steps],
                points[row, :steps] + widths[row, :steps],
            )
            for ours, theirs in zip(got, want, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("trend", ["ct", "ctt"])
def test_time_goes_on_after_the_fitted_sample(trend):
    """A cutoff d periods after the fit: the deterministic part is that of statsmodels' own step d + 1
    onwards."""
    values = simulated(3, 2, 120, seed=5)
    fit = VAR(values).fit(2, trend=trend)
    long_forecast = fit.forecast(values[-2:], 12)
    # feeding the forecasts back as if observed must continue the forecast
    later = np.concatenate([values, long_forecast[:5]])
    points, _ = batch_of([fit], [later], horizon=7, periods_later=5)
    np.testing.assert_allclose(points[0], long_forecast[5:], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("terms", "trend"), [("nc", "n"), ("c", "c"), ("ct", "ct")])
def test_jmulti_forecasts_of_us_macro_levels(terms, trend):
    """JMulTi prints four digits after the point of values in the thousands."""
    levels = macro_levels()
    points, widths = batch_of([VAR(levels).fit(4, trend=trend)], [levels], horizon=5)
    for variable, table in jmulti_forecasts(terms).items():
        i = MACRO.index(variable)
        np.testing.assert_allclose(points[0, :, i], table[:, 0], atol=1e-3)
        np.testing.assert_allclose(points[0, :, i] - widths[0, :, i], table[:, 1], atol=1e-3)
        np.testing.assert_allclose(points[0, :, i] + widths[0, :, i], table[:, 2], atol=1e-3)


def test_univariate_ar1_by_hand():
    """y = 1 + 0.5 y(-1), last 4: 3, 2.5, 2.25; variances 4, 4 (1 + 1/4), 4 (1 + 1/4 + 1/16)."""
    points = forecast_rows(
        coefficients=np.full((1, 1, 1, 1), 0.5),
        trend_coefficients=np.ones((1, 1, 1)),
        lags=np.full((1, 1, 1), 4.0),
        lag_order=np.array([1]),
        horizon=3,
    )
    assert points.ravel().tolist() == [3.0, 2.5, 2.25]
    widths = half_widths(
        coefficients=np.full((1, 1, 1, 1), 0.5), sigma_u=np.full((1, 1, 1), 4.0), horizon=3, level=0.95
    )
    np.testing.assert_allclose(widths.ravel(), 1.959963984540054 * np.sqrt([4.0, 5.0, 5.25]), rtol=1e-12)


def test_quantiles_of_the_printed_table():
    for level, printed in ((0.90, 1.6448536270), (0.95, 1.9599639845), (0.99, 2.5758293035)):
        assert normal_quantile(level) == pytest.approx(printed, abs=1e-10)


@pytest.mark.parametrize("level", [0.0, 1.0, 95])
def test_level_out_of_range(level):
    with pytest.raises(ValueError, match="level must be between 0 and 1"):
        normal_quantile(level)


def test_a_trend_in_time_needs_its_index():
    with pytest.raises(ValueError, match="first_time_index"):
        forecast_rows(
            coefficients=np.zeros((1, 1, 2, 2)),
            trend_coefficients=np.zeros((1, 2, 2)),
            lags=np.zeros((1, 1, 2)),
            lag_order=np.array([1]),
            horizon=1,
        )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n_rows=st.integers(1, 40), k=st.integers(1, 4), p=st.integers(0, 3))
def test_a_row_does_not_depend_on_its_batch(seed, n_rows, k, p):
    """To the last bit: stream and backfill cut batches differently and must agree."""
    random = np.random.default_rng(seed)
    arrays = {
        "coefficients": random.normal(size=(n_rows, p, k, k)),
        "trend_coefficients": random.normal(size=(n_rows, 3, k)),
        "lags": random.normal(size=(n_rows, p, k)),
        "lag_order": random.integers(0, p + 1, n_rows),
        "first_time_index": random.integers(1, 500, n_rows).astype(float),
    }
    whole = forecast_rows(**arrays, horizon=4)
    order = random.permutation(n_rows)
    cut = random.integers(0, n_rows + 1)
    pieces = [
        forecast_rows(**{name: array[rows] for name, array in arrays.items()}, horizon=4)
        for rows in (order[:cut], order[cut:])
    ]
    np.testing.assert_array_equal(np.concatenate(pieces), whole[order])


def test_missing_lags_beyond_the_order_do_no_harm():
    lags = np.full((1, 3, 1), np.nan)
    lags[0, 0] = 2.0
    coefficients = np.zeros((1, 3, 1, 1))
    coefficients[0, 0] = 0.5
    points = forecast_rows(
        coefficients=coefficients,
        trend_coefficients=np.zeros((1, 0, 1)),
        lags=lags,
        lag_order=np.array([1]),
        horizon=2,
    )
    assert points.ravel().tolist() == [1.0, 0.5]
