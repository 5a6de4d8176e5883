"""Fits with exogenous variables are statsmodels' `VAR(endog, exog)`; with holes and missing values a plain loop's."""

from __future__ import annotations

import re

import numpy as np
import pytest
from exogenous_truth import EFFECTS, NAMES, driven, fit_driven
from hypothesis import given, settings
from hypothesis import strategies as st
from season_truth import columns
from statsmodels.tsa.api import VAR
from var_loop import TRENDS, criterion_of, least_squares, rows_of, transformed

from penstock.udfs.var.criteria import lag_order_criteria
from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings

CLOSE = {"rtol": 1e-8, "atol": 1e-8}


def assert_is_theirs(fit, row, theirs, order):
    np.testing.assert_allclose(fit.coefficients[row, :order], theirs.coefs, **CLOSE)
    np.testing.assert_allclose(fit.trend_coefficients[row], theirs.coefs_exog.T, **CLOSE)
    np.testing.assert_allclose(fit.sigma_u[row], theirs.sigma_u, **CLOSE)


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize(("season", "fourier"), [(0, 0), (4, 0), (12, 2)])
@pytest.mark.parametrize("q", [1, 2, 3])
def test_fixed_order_equals_statsmodels(trend, season, fourier, q):
    pairs = [driven(2, q, n, seed=n) for n in (91, 100, 113, 200)]
    options = {"season": season, "fourier": fourier} if season else {}
    fit = fit_driven([levels for levels, _ in pairs], [known for _, known in pairs], max_lags=2, trend=trend, **options)
    assert fit.positions.tolist() == [0, 1, 2, 3]
    for row, (levels, known) in enumerate(pairs):
        of_season = columns(season, fourier, np.arange(1, len(levels) + 1)) if season else np.zeros((len(levels), 0))
        assert_is_theirs(fit, row, VAR(levels, exog=np.hstack([of_season, known])).fit(2, trend=trend), 2)
        np.testing.assert_allclose(fit.exogenous_coefficients[row], fit.trend_coefficients[row, -q:])


@pytest.mark.parametrize("criterion", ["aic", "bic", "hqic", "fpe"])
@pytest.mark.parametrize(("trend", "season"), [("n", 0), ("c", 0), ("ct", 4)])
def test_chosen_order_equals_select_order(criterion, trend, season):
    pairs = [driven(2, 2, 120 + i, seed=i, p=1 + i % 3) for i in range(12)]
    fit = fit_driven(*zip(*pairs, strict=True), max_lags=5, criterion=criterion, trend=trend, season=season)
    assert len(fit) == len(pairs)
    for row, (levels, known) in enumerate(pairs):
        of_season = columns(season, 0, np.arange(1, len(levels) + 1)) if season else np.zeros((len(levels), 0))
        model = VAR(levels, exog=np.hstack([of_season, known]))
        order = int(getattr(model.select_order(5, trend=trend), criterion))
        assert fit.lag_order[row] == order
        assert_is_theirs(fit, row, model.fit(order, trend=trend), order)
    assert len(set(fit.lag_order.tolist())) > 1, "all series have the same order: the test shows little"


def test_the_criteria_are_those_of_select_order():
    levels, known = driven(3, 2, 120, seed=4)
    own = lag_order_criteria(
        levels,
        np.arange(120.0),
        FitSettings(transforms=("none",) * 3, max_lags=4, criterion="aic", exogenous=NAMES[:2]),
        exogenous=known,
    )
    theirs = VAR(levels, exog=known).select_order(4, trend="c").ics
    for name in ("aic", "bic", "hqic", "fpe"):
        np.testing.assert_allclose(own.values[name], theirs[name], **CLOSE)


def test_differences_have_the_values_of_their_own_period():
    """statsmodels is given the differences and the exogenous values without the first period."""
    levels, known = driven(2, 2, 120, seed=8)
    levels = np.cumsum(levels, axis=0)
    fit = fit_driven([levels], [known], max_lags=2, transforms=("diff", "diff"))
    assert_is_theirs(fit, 0, VAR(np.diff(levels, axis=0), exog=known[1:]).fit(2), 2)


def exogenous_rows(series, known, *, order, lags, trend):
    """[1 t ... | x | lags] and Y of the periods of var_loop.rows_of whose exogenous values are all there."""
    complete = {period for period in series if np.isfinite(known[period]).all()}
    regressors, targets = rows_of(series, order=order, lags=lags, trend=trend)
    periods = [period for period in sorted(series) if all(period - lag in series for lag in range(1, lags + 1))]
    is_row = np.array([period in complete for period in periods])
    given_values = np.array([known[period] for period in periods])
    z = np.insert(regressors, [TRENDS.index(trend)] * given_values.shape[1], given_values, axis=1)
    return z[is_row], targets[is_row]


def looped_with(levels, periods, values, *, max_lags, criterion, trend, transforms):
    """order, B and Sigma_u, and the number of rows."""
    series = transformed(levels, periods, transforms)
    known = dict(zip(periods.tolist(), values, strict=True))
    order = max_lags
    if criterion:
        found = {}
        for candidate in range(max_lags + 1):
            z, y = exogenous_rows(series, known, order=candidate, lags=max_lags, trend=trend)
            found[candidate] = criterion_of(criterion, least_squares(z, y)[1], len(y), z.shape[1])
        order = min(found, key=found.get)
    z, y = exogenous_rows(series, known, order=order, lags=order, trend=trend)
    coefficients, sums = least_squares(z, y)
    return order, coefficients, sums / (len(y) - z.shape[1]), len(y)


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    holes=st.sampled_from([0.0, 0.02, 0.08]),
    missing=st.sampled_from([0.0, 0.02, 0.1]),
    trend=st.sampled_from(TRENDS),
    criterion=st.sampled_from(["aic", "bic", None]),
    transforms=st.sampled_from([("none", "none"), ("diff", "none"), ("dlog", "log")]),
)
def test_any_pattern_of_holes_and_missing_values_is_a_plain_loop(seed, holes, missing, trend, criterion, transforms):
    random = np.random.default_rng(seed)
    pieces, periods, known = [], [], []
    for number in range(4):
        levels, values = driven(2, 2, 150, seed=seed + number)
        keep = random.uniform(size=150) >= (holes if number else 0.0)
        values[random.uniform(size=150) < (missing if number != 1 else 0.0), random.integers(2)] = np.nan
        pieces.append(np.exp(0.1 * levels)[keep])
        periods.append(np.flatnonzero(keep))
        known.append(values[keep])
    options = {"max_lags": 3, "criterion": criterion, "trend": trend, "transforms": transforms}
    fit = fit_driven(pieces, known, periods, **options)
    reasons = {refusal.position: refusal.reason for refusal in fit.refused}
    assert all(reason.startswith("too short") for reason in reasons.values()), reasons
    assert len(fit) >= 2
    lost = int("diff" in transforms or "dlog" in transforms)
    for row, place in enumerate(fit.positions):
        order, coefficients, sigma_u, n_rows = looped_with(pieces[place], periods[place], known[place], **options)
        assert fit.lag_order[row] == order
        n_terms = TRENDS.index(trend) + 2
        np.testing.assert_allclose(fit.trend_coefficients[row], coefficients[:n_terms], **CLOSE)
        lags = coefficients[n_terms:].reshape(order, 2, 2).transpose(0, 2, 1)
        np.testing.assert_allclose(fit.coefficients[row, :order], lags, **CLOSE)
        np.testing.assert_allclose(fit.sigma_u[row], sigma_u, **CLOSE)
        assert fit.rows_left_out[row] == len(pieces[place]) - lost - order - n_rows


def test_a_missing_value_costs_its_own_row_only():
    """Its observation remains a lag of the next ones."""
    levels, known = driven(2, 1, 200, seed=3)
    known[100, 0] = np.nan
    fit = fit_driven([levels], [known], max_lags=4)
    assert (fit.n_holes.tolist(), fit.rows_left_out.tolist()) == ([0], [1])


def test_infinite_values_are_missing():
    levels, known = driven(2, 1, 200, seed=3)
    missing, infinite = known.copy(), known.copy()
    missing[100, 0], infinite[100, 0] = np.nan, np.inf
    np.testing.assert_array_equal(
        fit_driven([levels], [missing], max_lags=2).trend_coefficients,
        fit_driven([levels], [infinite], max_lags=2).trend_coefficients,
    )


def test_the_truth_is_recovered():
    """200,000 periods: the standard error of an effect is about 1 / sqrt(T) = .002, of a sale on or off twice that."""
    levels, known = driven(2, 2, 200_000, seed=1)
    fit = fit_driven([levels], [known], max_lags=1)
    np.testing.assert_allclose(fit.exogenous_coefficients[0], EFFECTS[:2, :2], atol=0.02)
    np.testing.assert_allclose(fit.sigma_u[0], np.eye(2), atol=0.02)


def test_short_series_count_the_coefficients_of_exogenous_variables():
    """m = 1 + 2 + 2 of each equation, 3 residual degrees of freedom for each and 10 more: 30 rows, 1 lag."""
    levels, known = driven(2, 2, 31, seed=5)
    assert len(fit_driven([levels], [known], max_lags=1)) == 1
    [refused] = fit_driven([levels[1:]], [known[1:]], max_lags=1).refused
    assert refused.reason == "too short: 30 observations after the transform, 31 needed for 1 lag"
    assert len(fit_driven([levels[5:]], [known[5:, :0]], max_lags=1, exogenous=())) == 1


def test_a_series_with_too_few_values_is_refused_by_name():
    levels, known = driven(2, 2, 60, seed=5)
    known[10:50, 1] = np.nan
    known[3, 0] = np.nan
    [refused] = fit_driven([levels], [known], max_lags=1).refused
    assert refused.reason == (
        "too short: 60 observations after the transform have no value of an exogenous variable (price in 1, sale in "
        "40), so that only 18 come after 1 other without a hole and have all exogenous variables; 30 needed"
    )


@pytest.mark.parametrize(
    ("trend", "values", "reason"),
    [
        ("c", lambda x: np.column_stack([x, np.full(len(x), 5.0)]), "sale does not vary in the rows of the fit, or"),
        ("n", lambda x: np.column_stack([x, np.zeros(len(x))]), "sale does not vary in the rows of the fit, or is a"),
        ("c", lambda x: np.column_stack([x, 3.0 - 2.0 * x]), "sale .* combination of the constant and price"),
        ("ct", lambda x: np.column_stack([np.arange(len(x)), x]), "price .* combination of the constant, the trend"),
    ],
)
def test_collinear_variables_are_refused_by_name(trend, values, reason):
    levels, known = driven(2, 1, 100, seed=6)
    others = [driven(2, 2, 90, seed=i) for i in range(2)]
    pieces = [others[0][0], levels, others[1][0]]
    fit = fit_driven(pieces, [others[0][1], values(known), others[1][1]], max_lags=2, trend=trend)
    [refused] = fit.refused
    assert refused.position == 1
    assert re.match(f"collinear: exogenous variable {reason}", refused.reason), refused.reason


def test_dummies_that_make_a_season_are_collinear_with_it():
    levels, known = driven(2, 1, 100, seed=6)
    known[:, 0] = np.arange(100) % 4 == 0
    [refused] = fit_driven([levels], [known], max_lags=2, season=4).refused
    assert refused.reason == (
        "collinear: exogenous variable price does not vary in the rows of the fit, or is a combination of the "
        "constant, the season"
    )


def test_a_variable_that_is_exogenous_as_well_is_refused():
    levels, known = driven(2, 1, 100, seed=6)
    known[:, 0] = levels[:, 1]
    [refused] = fit_driven([levels], [known], max_lags=2).refused
    assert refused.reason == (
        "collinear: y2, or one of its lags, is a combination of the other variables, lags and exogenous variables"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"intervals": "asymptotic"}, r"intervals asymptotic are not offered with exogenous variables \(price\)"),
        ({"prior": "minnesota"}, r"prior minnesota is not offered with exogenous variables \(price\)"),
        ({"exogenous": ("price", "price")}, "price, price are not different from one another"),
        ({"exogenous": ("y1",)}, "y1 can't be exogenous and among the variables that are forecast"),
    ],
)
def test_settings_that_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FitSettings(**{"transforms": ("none",), "max_lags": 1, "exogenous": ("price",)} | options)


def test_values_have_to_fit_the_observations():
    levels, known = driven(2, 2, 100, seed=6)
    given_settings = FitSettings(transforms=("none",) * 2, max_lags=1, exogenous=("price",))
    with pytest.raises(ValueError, match=r"exogenous values have shape \(100, 2\), want \(100, 1\)"):
        fit_fleet(levels, np.array([0, 100]), given_settings, exogenous=known)
    with pytest.raises(ValueError, match="no values of the exogenous variables price"):
        fit_fleet(levels, np.array([0, 100]), given_settings)
