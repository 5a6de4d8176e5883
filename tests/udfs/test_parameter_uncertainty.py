"""Intervals that count the uncertainty of the coefficients: against statsmodels, textbook regression, the book's
formula by a plain loop, and simulated series with known truth."""

import warnings

import mlflow
import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.tsa.api import VAR
from statsmodels.tsa.vector_ar.var_model import ma_rep
from var_loop import looped, rows_of
from var_truth import simulated, west_german_levels

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings, FleetFit
from penstock.udfs.var.fleet_save import FLEET_METADATA, save_fleet_model

NORMAL = 1.959963984540054
BOUNDS = {"residual_degrees_per_coefficient": 0, "residual_degrees_beyond": 0}
COEFFICIENTS = np.array([[[0.5, 0.1], [0.2, 0.3]], [[0.1, 0.0], [-0.1, 0.2]]])


def fitted(pieces, *, periods=None, intervals="asymptotic", **options) -> FleetFit:
    options.setdefault("transforms", ("none",) * pieces[0].shape[1])
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    settings = FitSettings(**options, **BOUNDS, intervals=intervals)
    return fit_fleet(np.concatenate(pieces), offsets, settings, periods=periods)


def variances(fit):
    return np.square(fit.half_widths / NORMAL)


@pytest.mark.parametrize(("k", "p"), [(2, 1), (3, 2), (5, 3)])
def test_variances_are_statsmodels_forecast_cov(k, p):
    """With series of different lengths in one pack, whose rows of zeros must not count."""
    pieces = [simulated(k, 2, n, seed=n) for n in (60, 66, 71, 140)]
    fit = fitted(pieces, max_lags=p, horizon=9)
    for row, piece in enumerate(pieces):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it counts the uncertainty of the parameters
            theirs = VAR(piece).fit(p).forecast_cov(9, method="auto")
        np.testing.assert_allclose(variances(fit)[row], np.diagonal(theirs, axis1=1, axis2=2), rtol=1e-8)


def test_without_a_constant_they_are_statsmodels_own_omega():
    """Which its `forecast_cov` does not add for trend n, contrary to its documentation: it asks for k_exog == 1."""
    values = simulated(3, 2, 70, seed=2)
    fit = fitted([values], max_lags=2, trend="n", horizon=9)
    theirs = VAR(values).fit(2, trend="n")
    covariances = theirs.mse(9) + theirs._omega_forc_cov(9) / theirs.nobs
    np.testing.assert_allclose(variances(fit)[0], np.diagonal(covariances, axis1=1, axis2=2), rtol=1e-8)


def test_a_chosen_order_has_the_variances_of_its_own_sample():
    levels = np.diff(np.log(west_german_levels()[:76]), axis=0)
    fit = fitted([levels], max_lags=8, criterion="aic", horizon=5)
    order = int(fit.lag_order[0])
    assert 0 < order < 8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = VAR(levels).fit(order).forecast_cov(5, method="auto")
    np.testing.assert_allclose(variances(fit)[0], np.diagonal(theirs, axis1=1, axis2=2), rtol=1e-8)


@pytest.mark.parametrize("trend", ["c", "ct", "ctt"])
def test_without_lags_they_are_the_prediction_intervals_of_a_regression_on_time(trend):
    values = np.random.default_rng(3).normal(size=(40, 2)) + np.arange(40)[:, None] * 0.1
    fit = fitted([values], max_lags=0, trend=trend, horizon=6)
    n_terms = ("c", "ct", "ctt").index(trend) + 1
    past, future = (np.arange(*span)[:, None] ** np.arange(n_terms) for span in ((1, 41), (41, 47)))
    for variable in range(2):
        theirs = sm.OLS(values[:, variable], past.astype(float)).fit().get_prediction(future.astype(float))
        np.testing.assert_allclose(variances(fit)[0, :, variable], np.square(theirs.se_obs), rtol=1e-9)


def test_a_random_walk_with_drift_by_hand():
    """Of n differences with variance s2 the level after h steps has h s2, and its drift's h squared s2 / n."""
    levels = np.cumsum(np.random.default_rng(5).normal(size=31))[:, None]
    fit = fitted([levels], max_lags=0, transforms=("diff",), horizon=4)
    steps = np.arange(1, 5)
    sigma_squared = np.var(np.diff(levels[:, 0]), ddof=1)
    np.testing.assert_allclose(variances(fit)[0, :, 0], sigma_squared * (steps + steps**2 / 30), rtol=1e-12)


@pytest.mark.parametrize("trend", ["n", "c"])
def test_with_holes_they_are_the_books_formula_over_the_complete_rows(trend):
    keep = np.random.default_rng(1).uniform(size=140) > 0.04
    levels, periods = simulated(2, 2, 140, seed=4)[keep], np.flatnonzero(keep)
    fit = fitted([levels], periods=periods.astype(float), max_lags=2, trend=trend, horizon=5)
    assert fit.n_holes[0] > 2
    theirs = looped(levels, periods, max_lags=2, trend=trend)
    series = {int(period): row for period, row in zip(periods, levels, strict=True)}
    regressors, _ = rows_of(series, order=2, lags=2, trend=trend)
    want = book_variances(theirs, regressors, horizon=5)
    np.testing.assert_allclose(variances(fit)[0], want, rtol=1e-8)


def book_variances(model, regressors, *, horizon):
    """Luetkepohl 2005, sections 2.2.2 and 3.5.2, term by term, for trends n and c."""
    n_rows, m = regressors.shape
    k, n_terms = len(model.sigma_u), len(model.terms)
    companion = np.zeros((m, m))
    companion[:n_terms, :n_terms] = np.eye(n_terms)
    companion[n_terms : n_terms + k] = np.hstack([model.terms.T, *model.coefs])
    companion[n_terms + k :, n_terms:-k] = np.eye(m - n_terms - k)
    gamma = regressors.T @ regressors / n_rows
    phis = ma_rep(model.coefs, horizon)
    result = []
    for h in range(1, horizon + 1):
        total = sum(phis[i] @ model.sigma_u @ phis[i].T for i in range(h))
        for i in range(h):
            for j in range(h):
                left = np.linalg.matrix_power(companion.T, h - 1 - i) @ np.linalg.inv(gamma)
                trace = np.trace(left @ np.linalg.matrix_power(companion, h - 1 - j) @ gamma)
                total = total + trace / n_rows * phis[i] @ model.sigma_u @ phis[j].T
        result.append(np.diag(total))
    return np.array(result)


@pytest.mark.parametrize("transforms", [("none", "none"), ("diff", "none"), ("diff", "diff")])
@pytest.mark.parametrize("trend", ["n", "c", "ct", "ctt"])
def test_the_added_variance_is_that_of_simulated_forecasts(trend, transforms):
    """2,000 samples of 300 values of a VAR(2) around a trend: how far forecasts from the sample's end are from the true
    conditional mean. With 2,000 squares a variance has a standard error of 3%, and terms of order T^-3/2 are left out.
    """
    n_series, n, horizon = 2000, 300, 6
    random = np.random.default_rng(11)
    terms = np.array([[0.3, -0.2], [0.01, 0.02], [0.0001, -0.0001]])[: ("n", "c", "ct", "ctt").index(trend)]
    time = np.arange(-100, n + horizon + 1)[:, None] ** np.arange(len(terms))
    trend_values = time @ terms
    values = np.zeros((n_series, len(time), 2))
    future = len(time) - horizon
    for t in range(2, len(time)):
        values[:, t] = trend_values[t] + sum(values[:, t - 1 - lag] @ COEFFICIENTS[lag].T for lag in range(2))
        if t < future:
            values[:, t] += random.normal(size=(n_series, 2)) @ np.array([[1.0, 0.5], [0.0, 0.8]])
    sample, means = values[:, future - n : future], values[:, future:].copy()
    is_cumulated = np.array([name == "diff" for name in transforms])
    levels = sample
    if is_cumulated.any():
        start = np.zeros((n_series, 1, 2))
        levels = np.where(is_cumulated, np.cumsum(np.concatenate([start, sample], axis=1), axis=1), 0.0)
        levels[:, 1:][..., ~is_cumulated] = sample[..., ~is_cumulated]
    options = {"max_lags": 2, "trend": trend, "transforms": transforms, "horizon": horizon}
    fit = fitted(list(levels), **options)
    assert len(fit) == n_series

    lags, forecasts = [sample[:, -1], sample[:, -2]], []
    for step in range(horizon):
        powers = float(n + 1 + step) ** np.arange(len(terms))
        point = np.einsum("m,smk->sk", powers, fit.trend_coefficients)
        point += sum(np.einsum("sij,sj->si", fit.coefficients[:, lag], lags[lag]) for lag in range(2))
        forecasts.append(point)
        lags = [point, lags[0]]
    errors = np.stack(forecasts, axis=1) - means
    errors[..., is_cumulated] = np.cumsum(errors[..., is_cumulated], axis=1)
    plain = fitted(list(levels), intervals="plain", **options)
    added = (variances(fit) - variances(plain)).mean(axis=0)
    np.testing.assert_allclose(added, np.square(errors).mean(axis=0), rtol=0.15)


def test_a_model_says_how_its_intervals_were_made(tmp_path):
    for intervals in ("plain", "asymptotic"):
        fit = fitted([simulated(2, 1, 60, seed=1)], max_lags=1, intervals=intervals)
        save_fleet_model(tmp_path / intervals, fit, ids=["s"], variables=("u", "v"), frequency="D")
        metadata = mlflow.models.Model.load(str(tmp_path / intervals)).metadata[FLEET_METADATA]
        assert metadata["intervals"] == intervals


def test_plain_is_the_default_and_other_names_are_refused():
    assert FitSettings(transforms=("none",), max_lags=1).intervals == "plain"
    with pytest.raises(ValueError, match="unknown intervals exact; use one of plain, asymptotic"):
        FitSettings(transforms=("none",), max_lags=1, intervals="exact")
