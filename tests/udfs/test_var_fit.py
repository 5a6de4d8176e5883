"""The batched fits are statsmodels' fits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.api import VAR
from statsmodels.tsa.vector_ar.tests.results.results_var_data import var_results
from var_truth import MACRO, macro_levels, simulated, west_german_levels

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings, concatenate_fits, empty_fit, fit_from_bytes, fit_to_bytes
from penstock.udfs.var.kernel import forecast_rows

TRENDS = ("n", "c", "ct", "ctt")
#: Series as short as statsmodels takes them.
STATSMODELS_BOUND = {"residual_degrees_per_coefficient": 0, "residual_degrees_beyond": 0}


def fit_all(pieces, **options):
    """Fit a list of (n, k) series in levels."""
    options.setdefault("transforms", ("none",) * pieces[0].shape[1])
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    return fit_fleet(np.concatenate(pieces), offsets, FitSettings(**options))


def assert_is(fit, row, theirs, *, tolerance=1e-8):
    """Row of a fleet fit against statsmodels' results."""
    p = theirs.k_ar
    assert fit.lag_order[row] == p
    close = {"rtol": tolerance, "atol": tolerance}
    np.testing.assert_allclose(fit.coefficients[row, :p], theirs.coefs, **close)
    assert not fit.coefficients[row, p:].any()
    if theirs.k_trend:
        np.testing.assert_allclose(fit.trend_coefficients[row], theirs.coefs_exog.T, **close)
    np.testing.assert_allclose(fit.sigma_u[row], theirs.sigma_u, **close)


def ragged(k, n_series, *, seed):
    """Series of 60 to 160 observations."""
    random = np.random.default_rng(seed)
    return [
        simulated(k, int(random.integers(1, 4)), int(random.integers(60 + 9 * k, 160)), seed=seed + i)
        for i in range(n_series)
    ]


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("k", [2, 3, 5, 8])
@pytest.mark.parametrize("p", [1, 2, 5])
def test_fixed_order_equals_statsmodels(k, p, trend):
    pieces = ragged(k, 6, seed=k * 10 + p)
    fit = fit_all(pieces, max_lags=p, trend=trend, **STATSMODELS_BOUND)
    assert fit.positions.tolist() == list(range(6))
    for row, piece in enumerate(pieces):
        assert_is(fit, row, VAR(piece).fit(p, trend=trend))


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize("criterion", ["aic", "bic", "hqic", "fpe"])
def test_chosen_order_equals_statsmodels(criterion, trend):
    """The order of `select_order` with the same trend, and the refit on all observations at that order."""
    pieces = [*ragged(2, 12, seed=77), *(np.random.default_rng(i).normal(size=(90, 2)) for i in range(4))]
    fit = fit_all(pieces, max_lags=6, criterion=criterion, trend=trend)
    orders = set()
    for row, piece in enumerate(pieces):
        order = int(getattr(VAR(piece).select_order(6, trend=trend), criterion))
        orders.add(order)
        assert_is(fit, row, VAR(piece).fit(order, trend=trend))
    assert len(orders) > 1, "all series have the same order: the test shows little"


def test_with_a_constant_it_is_the_fit_of_statsmodels_with_ic():
    pieces = ragged(3, 8, seed=3)
    fit = fit_all(pieces, max_lags=8, criterion="aic")
    for row, piece in enumerate(pieces):
        assert_is(fit, row, VAR(piece).fit(8, ic="aic"))


def test_order_zero_of_white_noise():
    piece = np.random.default_rng(4).normal(size=(200, 3)) + 5.0
    fit = fit_all([piece], max_lags=4, criterion="bic")
    assert fit.lag_order.tolist() == [0]
    assert fit.root_modulus.tolist() == [0.0]
    np.testing.assert_allclose(fit.trend_coefficients[0, 0], piece.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(fit.sigma_u[0], np.cov(piece.T), rtol=1e-10)


def test_r_vars_on_us_macro():
    """R's package vars, VAR(2) of log differences (the numbers that statsmodels ships from var.R)."""
    names = var_results.coefs.dtype.names
    fit = fit_all([macro_levels()], max_lags=2, transforms=("dlog",) * 3)
    theirs = var_results.coefs.view((float, len(names)))
    ours = np.concatenate([fit.trend_coefficients[0], *(one.T for one in fit.coefficients[0])])
    assert names == MACRO
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)
    assert np.linalg.det(fit.sigma_u[0]) == pytest.approx(float(var_results.detomega[0]), rel=1e-6)
    assert int(fit.n_obs[0]) == int(var_results.totobs[0])


def test_west_german_example_of_the_book():
    """Luetkepohl 2005, section 3.2.3: coefficients and Sigma_u as printed (three digits), 1960-1978."""
    levels = west_german_levels()
    assert levels.shape == (92, 3)
    fit = fit_all([levels[:76]], max_lags=2, transforms=("dlog",) * 3)
    np.testing.assert_allclose(fit.trend_coefficients[0, 0], [-0.017, 0.016, 0.013], atol=6e-4)
    first = [[-0.320, 0.146, 0.961], [0.044, -0.153, 0.289], [-0.002, 0.225, -0.264]]
    second = [[-0.161, 0.115, 0.934], [0.050, 0.019, -0.010], [0.034, 0.355, -0.022]]
    np.testing.assert_allclose(fit.coefficients[0], [first, second], atol=6e-4)
    sigma_u = np.array([[21.30, 0.72, 1.23], [0.72, 1.37, 0.61], [1.23, 0.61, 0.89]]) * 1e-4
    np.testing.assert_allclose(fit.sigma_u[0], sigma_u, atol=6e-7)
    growth_rates = np.diff(np.log(levels[:76]), axis=0)
    growth = fit_all([growth_rates], max_lags=2)
    # section 3.5: point forecasts of two steps as printed
    points = forecast_rows(
        coefficients=growth.coefficients,
        trend_coefficients=growth.trend_coefficients,
        lags=growth_rates[::-1][:2][None],
        lag_order=growth.lag_order,
        horizon=2,
    )
    np.testing.assert_allclose(points[0], [[-0.011, 0.020, 0.022], [0.011, 0.020, 0.015]], atol=6e-4)
    # The printed MSE matrix is the approximate one, Sigma_y(2) + Omega(2) / T: take statsmodels' Omega off
    omega = VAR(growth_rates).fit(2)._omega_forc_cov(2)[1] / 73
    printed = np.array([25.12, 1.581, 1.009]) * 1e-4
    ours = (growth.half_widths[0, 1] / 1.959963984540054) ** 2 + np.diag(omega)
    np.testing.assert_allclose(ours, printed, rtol=5e-4)


def test_us_macro_levels_with_a_trend():
    """Levels in the thousands with estimated roots near one: badly scaled, yet equal."""
    levels = macro_levels()
    for trend in TRENDS:
        fit = fit_all([levels], max_lags=8, criterion="aic", trend=trend)
        theirs = VAR(levels).fit(int(VAR(levels).select_order(8, trend=trend).aic), trend=trend)
        assert_is(fit, 0, theirs)


def test_statsmodels_order_ignores_the_trend_of_its_fit():
    """Why `VAR.fit(ic=..., trend="ct")` isn't the truth here: it calls select_order without its trend."""
    levels = macro_levels()
    with_ic = VAR(levels).fit(8, ic="bic", trend="ctt")
    assert with_ic.k_ar == VAR(levels).select_order(8, trend="c").bic


def refusal_of(piece, **options):
    """The reason why the middle one of three series is refused, after a look that the others are not hurt."""
    good = [simulated(2, 1, 80, seed=i) for i in range(2)]
    fit = fit_all([good[0], piece, good[1]], **options)
    assert fit.positions.tolist() == [0, 2]
    p = options["max_lags"]
    for row, one in enumerate(good):
        alone = fit_all([one], **options)
        np.testing.assert_array_equal(fit.coefficients[row], alone.coefficients[0])
        if options.get("transforms") is None and "criterion" not in options:
            assert_is(fit, row, VAR(one).fit(p))
    (refusal,) = fit.refused
    assert refusal.position == 1
    return refusal.reason


def test_refusals():
    random = np.random.default_rng(0)
    noise = random.normal(size=(80, 2))
    with_nan, with_inf = noise.copy(), noise.copy()
    with_nan[40, 0], with_inf[3, 1] = np.nan, np.inf
    walk = np.cumsum(noise, axis=0)
    explosive = np.stack([1.2 ** np.arange(80) + noise[:, 0], noise[:, 1]], axis=1)
    constant = np.column_stack([noise[:, 0], np.full(80, 3.0)])
    twins = np.column_stack([walk[:, 0], 2 * walk[:, 0] + 1])
    exact = np.column_stack([noise[:, 0], np.concatenate([[0.0], noise[:-1, 0]])])
    assert refusal_of(noise[:11], max_lags=3, **STATSMODELS_BOUND) == (
        "too short: 11 observations after the transform, 12 needed for 3 lags"
    )
    # 7 coefficients, 3 residual degrees of freedom for each and 10 more: 38 rows
    assert refusal_of(noise[:40], max_lags=3) == (
        "too short: 40 observations after the transform, 41 needed for 3 lags"
    )
    # a criterion may choose 1 lag: 3 coefficients, 22 rows
    assert refusal_of(noise[:22], max_lags=3, criterion="aic") == (
        "too short: 22 observations after the transform, 23 needed for 1 lag"
    )
    assert refusal_of(noise[:0], max_lags=3).startswith("too short: 0 observations")
    assert refusal_of(with_nan, max_lags=1) == "not finite: y1 in 1 of 80 observations"
    assert refusal_of(with_inf, max_lags=2, criterion="aic") == "not finite: y2 in 1 of 80 observations"
    assert refusal_of(constant, max_lags=1) == "constant: y2 after its transform"
    named = {"variables": ("price", "volume")}
    assert refusal_of(constant, max_lags=1, **named) == "constant: volume after its transform"
    assert refusal_of(twins, max_lags=1, **named) == (
        "collinear: volume, or one of its lags, is a combination of the other variables and lags"
    )
    assert refusal_of(twins, max_lags=1).startswith("collinear")
    assert refusal_of(exact, max_lags=2).startswith("collinear")
    assert refusal_of(exact, max_lags=4, criterion="bic").startswith("collinear")
    assert refusal_of(explosive, max_lags=1).startswith("unstable: largest root modulus 1.2")
    assert refusal_of(noise * 1e200, max_lags=1).startswith("not finite")


def test_twelve_observations_are_enough_for_what_needs_twelve():
    noise = np.random.default_rng(0).normal(size=(12, 2))
    fit = fit_all([noise], max_lags=3, criterion="aic", max_root_modulus=100.0, **STATSMODELS_BOUND)
    assert_is(fit, 0, VAR(noise).fit(3, ic="aic"))
    with pytest.raises(ValueError, match="maxlags is too large"):
        VAR(noise[:11]).select_order(3)


def test_log_of_a_negative_level_is_refused():
    good = np.exp(simulated(2, 1, 80, seed=1) * 0.1)
    bad = good.copy()
    bad[7, 1] = -2.0
    fit = fit_all([bad, good], max_lags=1, transforms=("diff", "log"))
    assert fit.positions.tolist() == [1]
    assert fit.refused[0].reason == "log of a level that is not positive: y2 in 1 rows"


def test_no_series_and_no_survivors():
    options = FitSettings(transforms=("none", "none"), max_lags=1)
    assert len(fit_fleet(np.zeros((0, 2)), np.array([0]), options)) == 0
    fit = fit_fleet(np.zeros((50, 2)), np.array([0, 25, 50]), options)
    assert len(fit) == 0
    assert len(fit.refused) == 2


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), n_series=st.integers(1, 12), data=st.data())
def test_a_series_does_not_depend_on_its_neighbours(seed, n_series, data):
    """Order, packing and part of the fleet change no model beyond rounding, no order and no refusal."""
    random = np.random.default_rng(seed)
    pieces = [random.normal(size=(int(random.integers(5, 90)), 2)).cumsum(axis=0) for _ in range(n_series)]
    options = {"max_lags": 3, "criterion": "aic"}
    whole = fit_all(pieces, **options)
    cut = data.draw(st.integers(0, n_series))
    parts = [fit_all(part, **options) for part in (pieces[:cut], pieces[cut:]) if part]
    joined = concatenate_fits(parts)
    assert joined.positions.tolist() == whole.positions.tolist()
    assert joined.refused == whole.refused
    assert joined.lag_order.tolist() == whole.lag_order.tolist()
    np.testing.assert_allclose(joined.coefficients, whole.coefficients, rtol=1e-9, atol=1e-9)
    assert len(whole) + len(whole.refused) == whole.n_series == n_series


def test_a_fit_travels_as_bytes():
    pieces = [simulated(2, 1, 70, seed=1), np.ones((40, 2)), simulated(2, 2, 90, seed=2)]
    fit = fit_all(pieces, max_lags=2)
    back = fit_from_bytes(fit_to_bytes(fit), fit.settings)
    assert back.refused == fit.refused
    assert back.n_series == 3
    for name, array in vars(fit).items():
        if isinstance(array, np.ndarray):
            np.testing.assert_array_equal(getattr(back, name), array)
            assert getattr(back, name).dtype == array.dtype
    none = empty_fit(fit.settings, n_series=0)
    assert len(fit_from_bytes(fit_to_bytes(none), fit.settings)) == 0


@pytest.mark.parametrize(
    "options",
    [
        {"trend": "t"},
        {"residual_degrees_per_coefficient": -1},
        {"criterion": "sic"},
        {"max_lags": -1},
        {"max_lags": 0, "trend": "n"},
        {"horizon": 0},
        {"level": 95.0},
        {"transforms": ("none", "square")},
        {"transforms": ()},
        {"variables": ("a",)},
    ],
)
def test_settings_that_make_no_sense(options):
    with pytest.raises(ValueError, match=r"residual|trend|criterion|max_lags|horizon|level|transform|variable"):
        FitSettings(**{"transforms": ("none", "none"), "max_lags": 1, **options})


def test_shapes_that_make_no_sense():
    options = FitSettings(transforms=("none", "none"), max_lags=1)
    with pytest.raises(ValueError, match="levels have shape"):
        fit_fleet(np.zeros((5, 3)), np.array([0, 5]), options)
    with pytest.raises(ValueError, match="offsets must rise from 0 to 5"):
        fit_fleet(np.zeros((5, 2)), np.array([0, 4]), options)
