"""Series with holes are fitted on every row whose lags are complete, as a plain loop over those rows does."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from fit_sandbox import level_forecasts, random_levels
from holdouts import holdout_scores
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.api import VAR
from var_loop import TRENDS, looped
from var_truth import simulated

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_save import save_fleet_model

CRITERIA = ("aic", "bic", "hqic", "fpe", None)


def fit_holed(pieces, periods, **options):
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    options.setdefault("transforms", ("none",) * pieces[0].shape[1])
    given = None if periods is None else np.concatenate(periods).astype(float)
    return fit_fleet(np.concatenate(pieces), offsets, FitSettings(**options), periods=given)


def assert_is_the_loop(fit, row, levels, periods, *, n_levels_lost=0, **options):
    theirs = looped(levels, periods, **options)
    order = theirs.k_ar
    assert fit.lag_order[row] == order
    np.testing.assert_allclose(fit.trend_coefficients[row], theirs.terms, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(fit.coefficients[row, :order], theirs.coefs, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(fit.sigma_u[row], theirs.sigma_u, rtol=1e-8, atol=1e-8)
    assert fit.n_holes[row] == np.sum(np.diff(periods) != 1)
    assert fit.rows_left_out[row] == len(levels) - n_levels_lost - order - theirs.n_rows


def with_holes(levels, *, missing, seed):
    """Levels and periods without some of the observations; the first and last stay."""
    keep = np.random.default_rng(seed).uniform(size=len(levels)) >= missing
    keep[[0, -1]] = True
    return levels[keep], np.flatnonzero(keep)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    missing=st.sampled_from([0.0, 0.01, 0.05, 0.15]),
    trend=st.sampled_from(TRENDS),
    criterion=st.sampled_from(CRITERIA),
    transforms=st.sampled_from([("none", "none"), ("diff", "none"), ("dlog", "dlog"), ("log", "diff")]),
)
def test_any_pattern_of_holes_is_a_plain_loop(seed, missing, trend, criterion, transforms):
    """Complete series and such with a long hole are among them, in one fleet."""
    options = {"max_lags": 3, "criterion": criterion, "trend": trend, "transforms": transforms}
    pieces = [with_holes(np.exp(0.1 * simulated(2, 2, 140, seed=seed + i)), missing=missing, seed=i) for i in range(4)]
    levels = np.exp(0.1 * simulated(2, 1, 130, seed=seed))
    pieces.insert(1, (levels, np.arange(-40, 90)))
    pieces.insert(3, (levels, np.concatenate([np.arange(60), np.arange(1060, 1130)])))
    fit = fit_holed([piece for piece, _ in pieces], [periods for _, periods in pieces], **options)
    lost = int(any(name in ("diff", "dlog") for name in transforms))
    reasons = {refusal.position: refusal.reason for refusal in fit.refused}
    assert not reasons or (criterion is None and missing == 0.15), reasons
    for row, position in enumerate(fit.positions):
        assert_is_the_loop(fit, row, *pieces[position], n_levels_lost=lost, **options)


def test_periods_without_a_hole_change_nothing():
    pieces = [simulated(3, 2, 90 + i, seed=i) for i in range(9)]
    options = {"max_lags": 5, "criterion": "aic"}
    plain = fit_holed(pieces, None, **options)
    counted = fit_holed(pieces, [np.arange(len(piece)) + 7 for piece in pieces], **options)
    np.testing.assert_array_equal(plain.coefficients, counted.coefficients)
    np.testing.assert_array_equal(plain.last_time_index, counted.last_time_index)
    assert not counted.n_holes.any()
    assert not counted.rows_left_out.any()
    theirs = VAR(pieces[4]).fit(5, ic="aic")
    np.testing.assert_allclose(counted.sigma_u[4], theirs.sigma_u, rtol=1e-8)


def test_one_missing_day_costs_its_own_rows_only():
    """120 days before the end of 3,000, and of 2 variables: 10 lags lose 10 rows, not 2,880."""
    levels, periods = simulated(2, 2, 3000, seed=5), np.arange(3000)
    keep = periods != 2880
    options = {"max_lags": 10}
    fit = fit_holed([levels[keep]], [periods[keep]], **options)
    assert (fit.n_holes.tolist(), fit.rows_left_out.tolist()) == ([1], [10])
    assert fit.last_time_index.tolist() == [3000.0]
    assert_is_the_loop(fit, 0, levels[keep], periods[keep], **options)


def test_a_trend_counts_the_missing_periods():
    """Values on a line with little noise: the slope is that by period, not by observation."""
    periods = np.concatenate([np.arange(60), np.arange(400, 470)])
    noise = np.random.default_rng(3).normal(scale=0.1, size=(len(periods), 2))
    fit = fit_holed([periods[:, None] * [2.0, -1.0] + noise], [periods], max_lags=0, trend="ct")
    np.testing.assert_allclose(fit.trend_coefficients[0, 1], [2.0, -1.0], atol=1e-3)
    assert fit.last_time_index[0] == 470


def test_the_holdout_leaves_out_missing_truth():
    """The last 8 periods are tested; two of them are missing, and so is one 30 periods before."""
    levels, periods = random_levels(120, seed=3), np.arange(120)
    keep = ~np.isin(periods, [82, 113, 118])
    options = FitSettings(transforms=("dlog",) * 3, max_lags=1, horizon=8)
    found = holdout_scores(levels[keep], np.array([0, keep.sum()]), options, holdout=8, periods=periods[keep] * 1.0)
    train = keep & (periods < 112)
    theirs = looped(levels[train], periods[train], max_lags=1, transforms=("dlog",) * 3)
    points, lower, upper = level_forecasts(levels[:112][-20:], theirs, steps=8)
    seen = keep[112:]
    truth = levels[112:]
    change = np.concatenate([np.diff(levels[:82], axis=0), np.diff(levels[83:112], axis=0)])
    error = np.abs(points - truth)[seen]
    assert found.n_series == 1
    np.testing.assert_allclose(found.sums[0, 0], error.mean(axis=0), rtol=1e-8)
    np.testing.assert_allclose(found.sums[0, 1], np.sqrt((error**2).mean(axis=0)), rtol=1e-8)
    np.testing.assert_allclose(found.sums[0, 2], error.mean(axis=0) / np.abs(change).mean(axis=0), rtol=1e-8)
    inside = ((lower <= truth) & (truth <= upper))[seen]
    np.testing.assert_allclose(found.sums[0, 3], inside.mean(axis=0), rtol=1e-12)
    naive = np.abs(levels[111] - truth)[seen]
    np.testing.assert_allclose(found.sums[1, 0], naive.mean(axis=0), rtol=1e-12)


def test_the_holdout_begins_after_observations_in_succession():
    """Period 111 is missing, after which 8 are tested: with 2 lags of differences the forecast is made after 110."""
    levels, periods = random_levels(120, seed=4), np.arange(120)
    keep = periods != 111
    options = FitSettings(transforms=("dlog",) * 3, max_lags=2, horizon=8)
    holed = holdout_scores(levels[keep], np.array([0, 119]), options, holdout=8, periods=periods[keep] * 1.0)
    earlier = holdout_scores(levels[:119], np.array([0, 119]), options, holdout=8)
    assert holed.n_series == earlier.n_series == 1
    theirs = VAR(np.diff(np.log(levels[:111]), axis=0)).fit(2)
    points, _, _ = level_forecasts(levels[:111], theirs, steps=8)
    np.testing.assert_allclose(earlier.sums[0, 0], np.abs(points - levels[111:119]).mean(axis=0), rtol=1e-8)
    np.testing.assert_allclose(holed.sums[0, 0], np.abs(points - levels[111:119])[1:].mean(axis=0), rtol=1e-8)


def test_too_few_rows_are_refused_with_their_holes():
    levels = simulated(2, 1, 60, seed=1)
    periods = np.arange(60)
    keep = periods % 4 != 3
    fit = fit_holed([levels[keep], levels], [periods[keep], periods], max_lags=3)
    assert fit.positions.tolist() == [1]
    assert fit.refused[0].reason == (
        "too short: 45 observations after the transform have 14 holes, so that only 0 come after 3 others without a "
        "hole; 38 needed"
    )


@pytest.mark.parametrize("periods", [np.arange(5.0), np.array([0, 1, 1, 2.0]), np.array([3, 2, 1, 0.0])])
def test_periods_that_make_no_sense(periods):
    options = FitSettings(transforms=("none",), max_lags=1)
    with pytest.raises(ValueError, match="periods"):
        fit_fleet(np.zeros((4, 1)), np.array([0, 4]), options, periods=periods)


def test_a_model_with_a_trend_goes_on_after_its_holes(tmp_path):
    """Saved, opened and asked for a forecast two days after its last observation."""
    levels, periods = with_holes(simulated(2, 1, 90, seed=8), missing=0.05, seed=8)
    levels = levels + periods[:, None] * [0.3, -0.2]
    fit = fit_holed([levels], [periods], max_lags=1, trend="ct")
    days = np.datetime64("2024-01-01", "ns") + periods * np.timedelta64(1, "D")
    save_fleet_model(tmp_path / "m", fit, ids=["s"], variables=("u", "v"), frequency="D", last_ds=np.array([days[-1]]))
    newest = np.array([20.0, -15.0])
    row = {"series_id": "s", "ds": days[-1] + np.timedelta64(2, "D"), "u_lag0": newest[0], "v_lag0": newest[1]}
    answer = mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(pd.DataFrame([row])).iloc[0]
    theirs = looped(levels, periods, max_lags=1, trend="ct")
    # t is 1 at period 0, and step 1 is three days after the last one
    time = periods[-1] - periods[0] + 1 + 3
    for step in (1, 2, 3):
        newest = theirs.terms[0] + theirs.terms[1] * time + theirs.coefs[0] @ newest
        np.testing.assert_allclose([answer[f"u_forecast_{step}"], answer[f"v_forecast_{step}"]], newest, rtol=1e-8)
        time += 1
