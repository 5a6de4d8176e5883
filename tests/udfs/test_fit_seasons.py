"""Fits with seasonal terms are statsmodels' with the same columns as exog; with holes they are a plain loop's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from season_truth import columns, dummies, seasonal
from statsmodels.tsa.api import VAR
from var_loop import TRENDS, criterion_of, least_squares, rows_of, transformed
from var_truth import macro_levels

from penstock.udfs.var.deterministic import DeterministicTerms
from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.least_squares import design
from penstock.udfs.var.seasonal_factor import factor_of

CLOSE = {"rtol": 1e-8, "atol": 1e-8}
SEASONS = [(4, 0), (12, 0), (2, 0), (12, 2), (12, 5), (30.4375, 3)]


def fit_all(pieces, periods=None, **options):
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    options.setdefault("transforms", ("none",) * pieces[0].shape[1])
    numbers = None if periods is None else np.concatenate(periods).astype(float)
    return fit_fleet(np.concatenate(pieces), offsets, FitSettings(**options), periods=numbers)


def model_of(piece, season, fourier):
    return VAR(piece, exog=columns(season, fourier, np.arange(1, len(piece) + 1)))


def ragged(k, *, season):
    return [seasonal(k, n, season=season, seed=n) for n in (131, 150, 163, 300)]


@pytest.mark.parametrize("trend", TRENDS)
@pytest.mark.parametrize(("season", "fourier"), SEASONS)
@pytest.mark.parametrize(("k", "p"), [(2, 3), (3, 1)])
def test_fixed_order_equals_statsmodels_with_exog(season, fourier, trend, k, p):
    pieces = ragged(k, season=12)
    fit = fit_all(pieces, max_lags=p, trend=trend, season=season, fourier=fourier)
    assert fit.positions.tolist() == [0, 1, 2, 3]
    for row, piece in enumerate(pieces):
        theirs = model_of(piece, season, fourier).fit(p, trend=trend)
        np.testing.assert_allclose(fit.coefficients[row], theirs.coefs, **CLOSE)
        np.testing.assert_allclose(fit.trend_coefficients[row], theirs.coefs_exog.T, **CLOSE)
        np.testing.assert_allclose(fit.sigma_u[row], theirs.sigma_u, **CLOSE)


def test_plain_dummies_give_the_same_lags_and_covariance():
    """With a constant any coding of the phases will do, and at any phase of the first row."""
    levels = np.diff(np.log(macro_levels()), axis=0)
    fit = fit_all([levels], max_lags=2, season=4)
    for shift in range(4):
        plain = np.eye(4)[(np.arange(len(levels)) + shift) % 4][:, 1:]
        theirs = VAR(levels, exog=plain).fit(2)
        np.testing.assert_allclose(fit.coefficients[0], theirs.coefs, **CLOSE)
        np.testing.assert_allclose(fit.sigma_u[0], theirs.sigma_u, **CLOSE)


@pytest.mark.parametrize("criterion", ["aic", "bic", "hqic", "fpe"])
@pytest.mark.parametrize(("trend", "season", "fourier"), [("c", 12, 0), ("n", 4, 0), ("ct", 12, 3), ("n", 52.18, 1)])
def test_chosen_order_equals_select_order_with_exog(criterion, trend, season, fourier):
    pieces = [seasonal(2, 160 + i, season=12, scale=0.5, seed=i, p=1 + i % 3) for i in range(12)]
    pieces += [np.random.default_rng(i).normal(size=(150, 2)) for i in range(3)]
    fit = fit_all(pieces, max_lags=5, criterion=criterion, trend=trend, season=season, fourier=fourier)
    for row, piece in enumerate(pieces):
        model = model_of(piece, season, fourier)
        order = int(getattr(model.select_order(5, trend=trend), criterion))
        assert fit.lag_order[row] == order
        theirs = model.fit(order, trend=trend)
        np.testing.assert_allclose(fit.coefficients[row, :order], theirs.coefs, **CLOSE)
        np.testing.assert_allclose(fit.sigma_u[row], theirs.sigma_u, **CLOSE)
    assert len(set(fit.lag_order.tolist())) > 1, "all series have the same order: the test shows little"


def seasonal_rows(series, *, order, lags, trend, season, fourier):
    """`rows_of` with the season's columns between those of the trend and of the lags."""
    regressors, targets = rows_of(series, order=order, lags=lags, trend=trend)
    first = min(series)
    times = [
        period - first + 1 for period in sorted(series) if all(period - lag in series for lag in range(1, lags + 1))
    ]
    return np.insert(regressors, [TRENDS.index(trend)], columns(season, fourier, times), axis=1), targets


def looped(levels, periods, *, max_lags, criterion, trend, transforms, season, fourier):
    """Order, terms (m, k), coefficients of lags (p, k, k), sigma_u."""
    series, shape = transformed(levels, periods, transforms), {"trend": trend, "season": season, "fourier": fourier}
    order = max_lags
    if criterion:
        found = []
        for candidate in range(max_lags + 1):
            regressors, targets = seasonal_rows(series, order=candidate, lags=max_lags, **shape)
            found.append(
                criterion_of(criterion, least_squares(regressors, targets)[1], len(targets), regressors.shape[1])
            )
        order = int(np.argmin(found))
    regressors, targets = seasonal_rows(series, order=order, lags=order, **shape)
    coefficients, sums = least_squares(regressors, targets)
    k = len(sums)
    lags = coefficients[-order * k :] if order else coefficients[:0]
    return (
        order,
        coefficients[: len(coefficients) - order * k],
        lags.reshape(order, k, k).transpose(0, 2, 1),
        sums / (len(targets) - regressors.shape[1]),
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    missing=st.sampled_from([0.01, 0.05, 0.1]),
    trend=st.sampled_from(TRENDS),
    criterion=st.sampled_from(["aic", "bic", None]),
    transforms=st.sampled_from([("none", "none"), ("diff", "none")]),
    season=st.sampled_from([(4, 0), (7, 0), (7, 2), (12.3, 1)]),
)
def test_any_pattern_of_holes_is_a_plain_loop(seed, missing, trend, criterion, transforms, season):
    pieces = []
    for place in range(3):
        keep = np.random.default_rng(seed + place).uniform(size=240) >= missing
        keep[[0, -1]] = True
        pieces.append((seasonal(2, 240, season=7, seed=seed + place)[keep], np.flatnonzero(keep) + 5 * place))
    options = {"max_lags": 2, "criterion": criterion, "trend": trend, "transforms": transforms}
    options |= {"season": season[0], "fourier": season[1]}
    fit = fit_all([levels for levels, _ in pieces], [periods for _, periods in pieces], **options)
    assert fit.positions.tolist() == [0, 1, 2]
    for row, (levels, periods) in enumerate(pieces):
        order, terms, lags, sigma_u = looped(levels, periods, **options)
        assert fit.lag_order[row] == order
        np.testing.assert_allclose(fit.trend_coefficients[row], terms, **CLOSE)
        np.testing.assert_allclose(fit.coefficients[row, :order], lags, **CLOSE)
        np.testing.assert_allclose(fit.sigma_u[row], sigma_u, **CLOSE)


def test_the_season_counts_among_the_coefficients():
    """4 m + 10 rows for m coefficients: a constant, 11 dummies and 2 lags of 2 variables are 16, so 74 rows and 2."""
    pieces = [seasonal(2, n, season=12, seed=n) for n in (75, 76)]
    fit = fit_all(pieces, max_lags=2, season=12)
    assert fit.positions.tolist() == [1]
    assert fit.refused[0].reason == "too short: 75 observations after the transform, 76 needed for 2 lags"


def test_a_phase_without_an_observation():
    """Every third month of the year is missing: with the first observation in January that is phase 3 of 12."""
    periods = np.arange(400)
    keep = periods % 12 != 2
    levels = seasonal(2, 400, season=12, seed=1)
    fit = fit_all([levels[keep], levels], [periods[keep], periods], max_lags=1, season=12)
    assert fit.positions.tolist() == [1]
    # with one lag, what follows the missing month is no row either
    assert fit.refused[0].reason == (
        "collinear: season: no observation in phases 3, 4 of 12 that comes after 1 other without a hole"
    )
    no_lag = fit_all([levels[keep]], [periods[keep]], max_lags=0, season=12)
    assert no_lag.refused[0].reason == "collinear: season: no observation in phase 3 of 12"
    shrunk = fit_all([levels[keep]], [periods[keep]], max_lags=1, season=12, prior="minnesota", criterion=None)
    assert shrunk.refused[0].reason == fit.refused[0].reason
    # without a constant the season sums to zero, so that the eleven others give the twelfth
    assert len(fit_all([levels[keep]], [periods[keep]], max_lags=0, trend="n", season=12)) == 1


def test_waves_that_are_the_same_on_all_observations():
    """Every second period of a season of 4: the sine of t is that of 1, 3, 5, ..., and the cosine zero."""
    periods = np.arange(0, 600, 2)
    levels = seasonal(1, 300, season=4, seed=1)
    fit = fit_all([levels], [periods], max_lags=0, season=4.0, fourier=1)
    assert fit.refused[0].reason == (
        "collinear: season of 4: cosine 1 is a combination of the deterministic terms before it"
    )


def test_a_variable_that_is_only_its_season():
    """A pure pattern leaves no residual: its lags, or it, are combinations of the dummies."""
    levels = np.hstack([seasonal(1, 200, season=12, seed=3), dummies(12, np.arange(200))[:, :1]])
    fit = fit_all([levels], max_lags=1, season=12, variables=("x", "calendar"))
    assert fit.refused[0].reason.startswith("collinear: calendar, or one of its lags")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"season": 1}, "season 1 must be more than 1 period"),
        ({"season": -4}, "season -4 must be more than 1 period"),
        ({"season": float("nan")}, "season nan must be more than 1 period"),
        ({"season": 365.25}, "season 365.25 is no whole number of periods, which dummies need; set fourier"),
        ({"fourier": 2}, "fourier 2 needs season"),
        ({"season": 12, "fourier": 6}, "fourier 6 is too much for season 12: want at most 5 pairs"),
        ({"season": 5.5, "fourier": 3}, "fourier 3 is too much for season 5.5: want at most 2 pairs"),
        ({"season": 12, "fourier": -1}, "fourier -1 must be at least 1"),
        ({"trend": "t"}, "unknown trend t; use one of n, c, ct, ctt"),
    ],
)
def test_terms_that_are_impossible(options, message):
    with pytest.raises(ValueError, match=message):
        FitSettings(transforms=("none",), max_lags=1, **options)


def test_without_a_season_there_are_the_trends_columns_only():
    for trend in TRENDS:
        terms = DeterministicTerms(trend)
        assert (terms.n_terms, terms.counts_periods) == (TRENDS.index(trend), trend in ("ct", "ctt"))
    assert DeterministicTerms("n", 12).counts_periods
    assert DeterministicTerms("n", 12).smallest_lag_order == 0
    assert DeterministicTerms("n").smallest_lag_order == 1


@pytest.mark.parametrize("are_in_step", [False, True])
@pytest.mark.parametrize("terms", [DeterministicTerms(trend, season) for trend in TRENDS for season in (2, 4, 12)])
def test_the_factor_is_that_of_the_whole_matrix(terms, are_in_step):
    """Up to the signs of its rows; series of different lengths, and levels far from zero."""
    values = 1e4 + np.stack([seasonal(2, 90, season=4, seed=seed) for seed in range(4)])
    n_obs = np.array([90, 80, 89, 60])
    rows = design(values, n_obs, lag_order=2, first_row=2, terms=terms)
    ours = factor_of(rows, terms, are_in_step=are_in_step)
    for place in range(4):
        wanted = np.linalg.qr(rows[place, : n_obs[place] - 2], mode="r")
        np.testing.assert_allclose(np.abs(ours[place]), np.abs(wanted), rtol=1e-8, atol=1e-7)
        np.testing.assert_array_equal(ours[place], np.triu(ours[place]))
