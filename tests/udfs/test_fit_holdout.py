"""Hold-out measures against a computation by hand, with statsmodels' forecasts."""

import numpy as np
import pytest
from fit_sandbox import QUANTILE, level_forecasts, macro_frame, random_levels, selected
from holdouts import holdout_scores

from penstock.udfs.var.fleet_fit import FitSettings


def by_hand(levels, *, holdout, horizon, max_lags):
    """(2, 4, 3) as in HoldoutScores, of one series."""
    train, steps = levels[:-holdout], min(holdout, horizon)
    truth = levels[len(train) : len(train) + steps]
    points, lower, upper = level_forecasts(train, selected(train, max_lags=max_lags), steps=steps)
    scale = np.mean(np.abs(train[1:] - train[:-1]), axis=0)
    width = (
        QUANTILE * np.sqrt(np.mean((train[1:] - train[:-1]) ** 2, axis=0)) * np.sqrt(np.arange(1, steps + 1))[:, None]
    )
    last = np.repeat(train[-1:], steps, axis=0)
    answers = [(points, lower, upper), (last, last - width, last + width)]
    return np.array(
        [
            [
                np.mean(np.abs(point - truth), axis=0),
                np.sqrt(np.mean((point - truth) ** 2, axis=0)),
                np.mean(np.abs(point - truth), axis=0) / scale,
                np.mean((low <= truth) & (truth <= high), axis=0),
            ]
            for point, low, high in answers
        ]
    )


def settings(horizon, max_lags):
    return FitSettings(transforms=("dlog",) * 3, max_lags=max_lags, criterion="aic", horizon=horizon)


@pytest.mark.parametrize(("holdout", "horizon"), [(8, 8), (12, 4), (3, 8), (1, 1)])
def test_us_macro(holdout, horizon):
    levels = macro_frame().iloc[:, 2:].to_numpy()
    found = holdout_scores(levels, np.array([0, len(levels)]), settings(horizon, 8), holdout=holdout)
    assert found.n_series == 1
    np.testing.assert_allclose(found.sums, by_hand(levels, holdout=holdout, horizon=horizon, max_lags=8), rtol=1e-8)


def test_the_sums_are_over_the_series_that_are_long_enough():
    histories = [random_levels(n, seed=n) for n in (60, 5, 0, 48, 40, 20)]
    offsets = np.cumsum([0, *map(len, histories)])
    found = holdout_scores(np.concatenate(histories), offsets, settings(4, 2), holdout=6)
    # 2 lags take 7 coefficients and so 38 rows; without the last 6 observations and a difference 48 have 39, 40 have 31
    lags = {60: 2, 48: 2, 40: 1}
    truth = [by_hand(one, holdout=6, horizon=4, max_lags=lags[len(one)]) for one in histories if len(one) in lags]
    assert found.n_series == 3
    np.testing.assert_allclose(found.sums, np.sum(truth, axis=0), rtol=1e-8)


@pytest.mark.parametrize("holdout", [0, 100])
def test_without_a_test_there_are_no_scores(holdout):
    levels = random_levels(50, seed=1)
    found = holdout_scores(levels, np.array([0, 50]), settings(4, 2), holdout=holdout)
    assert (found.n_series, found.sums.shape, found.sums.any()) == (0, (2, 4, 3), False)
