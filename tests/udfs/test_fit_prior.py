"""The Minnesota prior: the posterior mean in closed form, and its limits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.api import VAR
from statsmodels.tsa.ar_model import AutoReg
from var_loop import TRENDS, rows_of, transformed
from var_truth import simulated

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings

NO_BOUND = {"residual_degrees_per_coefficient": 0, "residual_degrees_beyond": 0}
#: No series is refused, so that numbers can be compared.
ANY = {**NO_BOUND, "max_root_modulus": 1e9}


def fit_with_prior(pieces, periods=None, **options):
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    options.setdefault("transforms", ("none",) * pieces[0].shape[1])
    given = None if periods is None else np.concatenate(periods).astype(float)
    return fit_fleet(np.concatenate(pieces), offsets, FitSettings(prior="minnesota", **options), periods=given)


def moments(levels, periods, *, max_lags, trend, transforms, tightness, decay):
    """(coefficients, Sigma_u) of one series by the formula for the moments of a natural conjugate posterior:
    (Z'Z + Omega0^-1)^-1 (Z'Y + Omega0^-1 B0)."""
    series = transformed(levels, periods, transforms)
    z, y = rows_of(series, order=max_lags, lags=max_lags, trend=trend)
    n_rows, k, m = *y.shape, TRENDS.index(trend)
    sigma = []
    for i in range(k):
        own = z[:, [*range(m), *range(m + i, z.shape[1], k)]]
        residuals = y[:, i] - own @ np.linalg.lstsq(own, y[:, i], rcond=None)[0]
        sigma.append(np.sqrt(residuals @ residuals / (n_rows - own.shape[1])))
    precision, mean = np.zeros((z.shape[1], z.shape[1])), np.zeros((z.shape[1], k))
    for lag in range(1, max_lags + 1):
        for j in range(k):
            row = m + (lag - 1) * k + j
            # the variance of this coefficient in equation i is sigma_i^2 times this one
            precision[row, row] = 1 / (tightness**2 / (lag ** (2 * decay) * sigma[j] ** 2))
            mean[row, j] = float(lag == 1 and transforms[j] in ("none", "log"))
    inverse = np.linalg.inv(z.T @ z + precision)
    coefficients = inverse @ (z.T @ y + precision @ mean)
    residuals = y - z @ coefficients
    hat = z @ inverse @ z.T
    rest = np.eye(n_rows) - hat
    return coefficients, residuals.T @ residuals / np.trace(rest @ rest.T)


def assert_is_the_formula(fit, row, levels, periods, **options):
    coefficients, sigma_u = moments(levels, periods, **options)
    k, n_terms = len(sigma_u), TRENDS.index(options["trend"])
    ours = np.concatenate([fit.trend_coefficients[row], *fit.coefficients[row].transpose(0, 2, 1)])
    np.testing.assert_allclose(ours, coefficients, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(fit.sigma_u[row], sigma_u, rtol=1e-7, atol=1e-10)
    assert ours.shape == (n_terms + options["max_lags"] * k, k)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    missing=st.sampled_from([0.0, 0.05]),
    trend=st.sampled_from(TRENDS),
    max_lags=st.integers(1, 4),
    tightness=st.sampled_from([0.02, 0.2, 3.0]),
    decay=st.sampled_from([0.0, 1.0, 2.5]),
    transforms=st.sampled_from([("none",), ("none", "log"), ("dlog", "none", "diff"), ("log", "diff")]),
)
def test_the_posterior_is_that_of_the_formula(seed, missing, trend, max_lags, tightness, decay, transforms):
    """Series of different lengths and with holes, in one fleet."""
    options = {"max_lags": max_lags, "trend": trend, "transforms": transforms, "tightness": tightness, "decay": decay}
    pieces, periods = [], []
    for i, n in enumerate((40, 45, 90, 41, 160)):
        keep = np.random.default_rng(seed + i).uniform(size=n) >= (missing if i % 2 else 0.0)
        pieces.append(np.exp(0.1 * simulated(len(transforms), 2, n, seed=seed + i))[keep])
        periods.append(np.flatnonzero(keep))
    fit = fit_with_prior(pieces, periods, **options, **ANY)
    assert fit.positions.tolist() == [0, 1, 2, 3, 4]
    assert fit.lag_order.tolist() == fit.lags_tried.tolist() == [max_lags] * 5
    for row, (piece, dates) in enumerate(zip(pieces, periods, strict=True)):
        assert_is_the_formula(fit, row, piece, dates, **options)


def test_more_regressors_than_rows():
    """12 variables and 4 lags are 49 coefficients an equation, on 36 rows."""
    pieces = [simulated(12, 1, 40, seed=i) for i in range(3)]
    fit = fit_with_prior(pieces, max_lags=4, **ANY)
    for row, piece in enumerate(pieces):
        options = {"max_lags": 4, "trend": "c", "transforms": ("none",) * 12, "tightness": 0.2, "decay": 1.0}
        assert_is_the_formula(fit, row, piece, np.arange(40), **options)


def test_the_scale_is_that_of_statsmodels_autoregression():
    """One variable, one lag, no trend: B = (y'x + w) / (x'x + w) with w = (sigma / tightness)^2."""
    values = simulated(1, 1, 60, seed=5)
    fit = fit_with_prior([values], max_lags=1, trend="n", tightness=0.3, **ANY)
    y, x = values[1:, 0], values[:-1, 0]
    theirs = AutoReg(values[:, 0], 1, trend="n").fit()
    weight = (theirs.resid @ theirs.resid / 58) / 0.3**2
    assert fit.coefficients[0, 0, 0, 0] == pytest.approx((y @ x + weight) / (x @ x + weight), rel=1e-12)


@pytest.mark.parametrize("trend", TRENDS)
def test_a_loose_prior_is_least_squares(trend):
    pieces = [simulated(3, 2, n, seed=n) for n in (60, 80, 120)]
    fit = fit_with_prior(pieces, max_lags=2, trend=trend, tightness=1e7, **ANY)
    for row, piece in enumerate(pieces):
        theirs = VAR(piece).fit(2, trend=trend)
        np.testing.assert_allclose(fit.coefficients[row], theirs.coefs, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(fit.sigma_u[row], theirs.sigma_u, rtol=1e-8)
        if theirs.k_trend:
            np.testing.assert_allclose(fit.trend_coefficients[row], theirs.coefs_exog.T, rtol=1e-8, atol=1e-8)


def test_a_tight_prior_is_a_random_walk_with_drift_or_white_noise():
    levels = np.exp(0.1 * simulated(4, 1, 90, seed=2))
    transforms = ("none", "log", "diff", "dlog")
    fit = fit_with_prior([levels], max_lags=3, transforms=transforms, tightness=1e-6, **ANY)
    expected = np.zeros((3, 4, 4))
    expected[0] = np.diag([1.0, 1.0, 0.0, 0.0])
    np.testing.assert_allclose(fit.coefficients[0], expected, atol=1e-9)
    # the input's change where it is a walk, the input itself where it is noise; the first 3 rows are lags
    changes = np.diff(levels[1:], axis=0)[2:], np.diff(np.log(levels[1:]), axis=0)[2:]
    noise = np.diff(levels, axis=0)[3:], np.diff(np.log(levels), axis=0)[3:]
    left = np.stack([changes[0][:, 0], changes[1][:, 1], noise[0][:, 2], noise[1][:, 3]], axis=1)
    np.testing.assert_allclose(fit.trend_coefficients[0, 0], left.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(fit.sigma_u[0], np.cov(left.T), rtol=1e-7)


def test_units_do_not_matter():
    """The prior is of effects relative to the variables' own noise."""
    values = simulated(3, 2, 70, seed=3)
    units = np.array([1e-6, 1.0, 1e8])
    one, other = (fit_with_prior([x], max_lags=2, trend="ct", **ANY) for x in (values, values * units))
    np.testing.assert_allclose(other.coefficients[0] / units[:, None] * units, one.coefficients[0], rtol=1e-7)
    np.testing.assert_allclose(other.half_widths[0] / units, one.half_widths[0], rtol=1e-8)
