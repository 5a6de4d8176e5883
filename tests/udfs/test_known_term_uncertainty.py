"""Intervals that count the coefficients of a season: against textbook regression, numerical derivatives of a plain
forecast loop, and simulated series with known truth."""

import numpy as np
import pytest
import statsmodels.api as sm
from season_truth import columns, seasonal

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.parameter_uncertainty import parameter_variances
from penstock.udfs.var.transform import scale_weights

NORMAL = 1.959963984540054
SEASONS = [(4, 0), (6.5, 2)]
COEFFICIENTS = np.array([[[0.5, 0.1], [0.2, 0.3]], [[0.1, 0.0], [-0.1, 0.2]]])


def fitted(pieces, *, intervals="asymptotic", **options):
    options = {"transforms": ("none",) * pieces[0].shape[1], "trend": "c"} | options
    bounds = {"residual_degrees_per_coefficient": 0, "residual_degrees_beyond": 0}
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    settings = FitSettings(**options, **bounds, intervals=intervals)
    return fit_fleet(np.concatenate(pieces), offsets, settings)


def variances(fit):
    return np.square(fit.half_widths / NORMAL)


def terms_at(times, *, trend, season, fourier):
    powers = np.asarray(times, dtype=float)[:, None] ** np.arange(("n", "c", "ct").index(trend))
    return np.hstack([powers, columns(season, fourier, times)])


@pytest.mark.parametrize(("season", "fourier"), SEASONS)
@pytest.mark.parametrize("trend", ["n", "c", "ct"])
def test_without_lags_they_are_the_prediction_intervals_of_a_regression_on_the_season(trend, season, fourier):
    values = seasonal(2, 42, season=4, seed=3)
    fit = fitted([values], max_lags=0, trend=trend, season=season, fourier=fourier, horizon=6)
    shape = {"trend": trend, "season": season, "fourier": fourier}
    past, future = (terms_at(np.arange(*span), **shape) for span in ((1, 43), (43, 49)))
    for variable in range(2):
        theirs = sm.OLS(values[:, variable], past).fit().get_prediction(future)
        np.testing.assert_allclose(variances(fit)[0, :, variable], np.square(theirs.se_obs), rtol=1e-9)


def forecast(parameters, lags, terms, *, order):
    """(horizon * k,), by a plain loop: parameters (m, k), lags newest first, terms (horizon, n)."""
    path = [np.array(lag) for lag in lags]
    for known in terms:
        path.insert(0, np.concatenate([known, *path[:order]]) @ parameters)
    return np.concatenate(path[: len(terms)][::-1])


def added_by_derivatives(rows, targets, *, n_terms, terms, order):
    """(horizon, k), the variances that the estimation of B adds to forecasts, averaged over lags with the mean and the
    covariance that they have in the sample, given the terms of step 1. The derivatives are central differences: the
    average over two points on either side of the mean along each axis of the covariance is that over the distribution,
    as these variances are quadratic in the lags."""
    n_rows, m = rows.shape
    k = targets.shape[1]
    parameters = np.linalg.lstsq(rows, targets, rcond=None)[0]
    residuals = targets - rows @ parameters
    of_parameters = np.kron(np.linalg.inv(rows.T @ rows), residuals.T @ residuals / (n_rows - m))
    on_terms = np.linalg.lstsq(rows[:, :n_terms], rows[:, n_terms:], rcond=None)[0]
    around = rows[:, n_terms:] - rows[:, :n_terms] @ on_terms
    mean, values = terms[0] @ on_terms, np.linalg.eigh(around.T @ around / n_rows)
    axes = (values[1] * np.sqrt(np.maximum(values[0], 0.0) * (m - n_terms))).T
    total = np.zeros(len(terms) * k)
    points = [mean + sign * axis for axis in axes for sign in (1, -1)]
    for point in points:
        lags, gradient = point.reshape(order, k), np.empty((len(total), m * k))
        for place in range(m * k):
            step = np.zeros(m * k)
            step[place] = 1e-5
            up, down = (
                forecast(parameters + sign * step.reshape(m, k), lags, terms, order=order) for sign in (1.0, -1.0)
            )
            gradient[:, place] = (up - down) / 2e-5
        total += np.einsum("ij,jk,ik->i", gradient, of_parameters, gradient)
    return (total / len(points)).reshape(len(terms), k)


@pytest.mark.parametrize(("season", "fourier"), SEASONS)
@pytest.mark.parametrize("trend", ["n", "c", "ct"])
def test_the_added_variance_is_that_of_numerical_derivatives(trend, season, fourier):
    order, horizon, n = 2, 7, 45
    values = seasonal(2, n, season=4, seed=7)
    options = {"max_lags": order, "trend": trend, "season": season, "fourier": fourier, "horizon": horizon}
    added = variances(fitted([values], **options)) - variances(fitted([values], intervals="plain", **options))
    shape = {"trend": trend, "season": season, "fourier": fourier}
    known = terms_at(np.arange(1, n + horizon + 1), **shape)
    lags = [values[order - lag : n - lag] for lag in range(1, order + 1)]
    rows = np.hstack([known[order:n], *lags])
    want = added_by_derivatives(rows, values[order:], n_terms=known.shape[1], terms=known[n:], order=order)
    np.testing.assert_allclose(added[0], want, rtol=1e-5)


def test_any_known_regressors_take_the_place_of_terms_of_time():
    """A constant and two series of numbers that follow no calendar, among the first columns of Z."""
    random = np.random.default_rng(5)
    order, horizon, n, k = 1, 5, 60, 2
    known = np.hstack([np.ones((n + horizon, 1)), random.normal(size=(n + horizon, 2)) + 3.0])
    values = seasonal(k, n, season=4, seed=2) + known[:n, 1:] @ np.array([[1.0, -0.5], [0.3, 2.0]])
    rows = np.hstack([known[order:n], values[:-order]])
    targets = values[order:]
    parameters = np.linalg.lstsq(rows, targets, rcond=None)[0]
    residuals = targets - rows @ parameters
    sigma_u = residuals.T @ residuals / (len(rows) - rows.shape[1])
    found = parameter_variances(
        factor=np.linalg.qr(rows, mode="r")[None],
        parameters=parameters[None],
        sigma_u=sigma_u[None],
        weights=scale_weights(
            parameters[None, 3:].transpose(0, 2, 1)[:, None], horizon=horizon, transforms=("none",) * 2
        ),
        n_rows=np.array([len(rows)]),
        future_terms=known[None, n:],
    )
    want = added_by_derivatives(rows, targets, n_terms=3, terms=known[n:], order=order)
    np.testing.assert_allclose(found[0], want, rtol=1e-5)


@pytest.mark.parametrize("transforms", [("none", "none"), ("diff", "none")])
@pytest.mark.parametrize(("season", "fourier"), SEASONS)
def test_the_added_variance_is_that_of_simulated_forecasts_with_a_season(season, fourier, transforms):
    """2,000 samples of 300 values of a VAR(2) with a season: how far forecasts from the sample's end are from the true
    conditional mean. With 2,000 squares a variance has a standard error of 3%, and terms of order T^-3/2 are left out.
    """
    n_series, n, horizon, start = 2000, 300, 6, 104
    random = np.random.default_rng(11)
    times = np.arange(1 - start, n + horizon + 1)
    known = terms_at(times, trend="c", season=season, fourier=fourier)
    effects = known @ random.normal(size=(known.shape[1], 2))
    values, future = np.zeros((n_series, len(times), 2)), len(times) - horizon
    for t in range(2, len(times)):
        values[:, t] = effects[t] + sum(values[:, t - 1 - lag] @ COEFFICIENTS[lag].T for lag in range(2))
        if t < future:
            values[:, t] += random.normal(size=(n_series, 2)) @ np.array([[1.0, 0.5], [0.0, 0.8]])
    sample, means = values[:, future - n : future], values[:, future:]
    is_cumulated = np.array([name == "diff" for name in transforms])
    levels = sample
    if is_cumulated.any():
        # the first level is before the first difference, and no more than that of the variable that is not differenced
        levels = np.concatenate([np.zeros((n_series, 1, 2)), sample], axis=1)
        levels = np.where(is_cumulated, np.cumsum(levels, axis=1), levels)
    options = {"max_lags": 2, "transforms": transforms, "horizon": horizon, "season": season, "fourier": fourier}
    fit, plain = (fitted(list(levels), intervals=intervals, **options) for intervals in ("asymptotic", "plain"))
    assert len(fit) == n_series
    lags, forecasts = [sample[:, -1], sample[:, -2]], []
    for terms in terms_at(np.arange(n + 1, n + horizon + 1), trend="c", season=season, fourier=fourier):
        point = np.einsum("m,smk->sk", terms, fit.trend_coefficients)
        point += sum(np.einsum("sij,sj->si", fit.coefficients[:, lag], lags[lag]) for lag in range(2))
        forecasts.append(point)
        lags = [point, lags[0]]
    errors = np.stack(forecasts, axis=1) - means
    errors[..., is_cumulated] = np.cumsum(errors[..., is_cumulated], axis=1)
    added = (variances(fit) - variances(plain)).mean(axis=0)
    np.testing.assert_allclose(added, np.square(errors).mean(axis=0), rtol=0.15)


def test_a_phase_that_was_seldom_observed_is_less_certain():
    """Without lags the mean of a phase has the variance sigma squared / n of its n observations: 3 or 2 here."""
    values = seasonal(1, 11, season=4, seed=1)
    fit = fitted([values], max_lags=0, season=4, horizon=4)
    residuals = values[:, 0] - [values[phase::4, 0].mean() for phase in np.arange(11) % 4]
    sigma_squared = residuals @ residuals / (11 - 4)
    np.testing.assert_allclose(variances(fit)[0, :, 0], sigma_squared * (1 + 1 / np.array([2, 3, 3, 3])), rtol=1e-12)
