"""Forecasts and intervals in levels: against simulated paths, statsmodels on transformed data, and by
hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.api import VAR
from var_truth import macro_levels

from penstock.udfs.var.transform import (
    TRANSFORMS,
    check_transforms,
    scale_half_widths,
    to_levels,
    transform_lags,
    transform_levels,
)

MIXED = ("dlog", "diff", "none", "log")
COEFFICIENTS = np.array(
    [
        [[0.4, 0.1, 0.0, 0.1], [0.2, 0.3, 0.1, 0.0], [0.0, 0.2, 0.5, -0.1], [0.1, 0.0, 0.1, 0.6]],
        [[0.1, 0.0, 0.1, 0.0], [0.0, -0.2, 0.0, 0.1], [0.1, 0.0, 0.1, 0.0], [0.0, 0.1, 0.0, 0.2]],
    ]
)
SIGMA_U = np.array([[1.0, 0.3, 0.1, 0.0], [0.3, 2.0, 0.2, 0.1], [0.1, 0.2, 1.5, 0.4], [0.0, 0.1, 0.4, 0.8]]) * 1e-3


def test_intervals_in_levels_cover_simulated_paths():
    """100,000 paths of a mixed VAR(2), levels built observation by observation: the share of paths within the
    interval is its level at each step, and so are the tails on either side."""
    random = np.random.default_rng(7)
    n_paths, horizon, level = 100_000, 8, 0.9
    newest_levels = np.array([100.0, 5.0, 2.0, 30.0])
    history = random.normal(size=(2, 4)) * 0.03  # newest first, transformed
    history[0, 2:] = [2.0, np.log(30.0)]
    window = [np.broadcast_to(one, (n_paths, 4)) for one in history]
    state, paths = newest_levels * np.ones((n_paths, 4)), []
    factor = np.linalg.cholesky(SIGMA_U)
    for _ in range(horizon):
        value = window[0] @ COEFFICIENTS[0].T + window[1] @ COEFFICIENTS[1].T
        value = value + random.normal(size=(n_paths, 4)) @ factor.T
        window = [value, window[0]]
        state = np.column_stack(
            [state[:, 0] * np.exp(value[:, 0]), state[:, 1] + value[:, 1], value[:, 2], np.exp(value[:, 3])]
        )
        paths.append(state)
    expected = [history[0], history[1]]
    points = []
    for _ in range(horizon):
        points.append(COEFFICIENTS[0] @ expected[0] + COEFFICIENTS[1] @ expected[1])
        expected = [points[-1], expected[0]]
    widths = scale_half_widths(
        coefficients=COEFFICIENTS[None], sigma_u=SIGMA_U[None], horizon=horizon, level=level, transforms=MIXED
    )
    newest_scale = np.array([np.log(100.0), 5.0, 2.0, np.log(30.0)])
    middle, lower, upper = to_levels(
        np.stack(points)[..., None],
        newest=newest_scale[:, None],
        half_widths=widths[0][..., None],
        transforms=MIXED,
    )
    simulated = np.stack(paths)  # (horizon, paths, 4)
    # the standard error of a share of 100,000 paths is at most 0.0016
    np.testing.assert_allclose((simulated < lower[:, :, 0][:, None]).mean(axis=1), 0.05, atol=0.004)
    np.testing.assert_allclose((simulated > upper[:, :, 0][:, None]).mean(axis=1), 0.05, atol=0.004)
    np.testing.assert_allclose((simulated < middle[:, :, 0][:, None]).mean(axis=1), 0.5, atol=0.008)


def test_dlog_of_us_macro_is_statsmodels_on_the_differences():
    levels = macro_levels()
    values = np.diff(np.log(levels), axis=0)
    fit = VAR(values).fit(2)
    transforms = ("dlog",) * 3
    lags, newest = transform_lags(levels[::-1][:3][..., None], transforms)
    np.testing.assert_allclose(lags[..., 0], values[::-1][:2], rtol=1e-12)
    widths = scale_half_widths(
        coefficients=fit.coefs[None], sigma_u=fit.sigma_u[None], horizon=8, level=0.95, transforms=transforms
    )[0]
    # Var of the cumulated error, from statsmodels' cumulated impulse responses (not from our recursion)
    cumulated = fit.irf(8).cum_effects
    variances = np.cumsum([np.diag(psi @ fit.sigma_u @ psi.T) for psi in cumulated[:8]], axis=0)
    np.testing.assert_allclose(widths, 1.959963984540054 * np.sqrt(variances), rtol=1e-12)
    points = fit.forecast(values[-2:], 8)
    middle, lower, upper = to_levels(
        points[..., None], newest=newest, half_widths=widths[..., None], transforms=transforms
    )
    want = np.log(levels[-1]) + np.cumsum(points, axis=0)
    np.testing.assert_allclose(middle[..., 0], np.exp(want), rtol=1e-12)
    np.testing.assert_allclose(lower[..., 0], np.exp(want - widths), rtol=1e-12)
    np.testing.assert_allclose(upper[..., 0], np.exp(want + widths), rtol=1e-12)


def test_levels_are_statsmodels_intervals_without_a_transform():
    levels = macro_levels()
    fit = VAR(levels).fit(3)
    widths = scale_half_widths(
        coefficients=fit.coefs[None],
        sigma_u=fit.sigma_u[None],
        horizon=6,
        level=0.8,
        transforms=("none",) * 3,
    )
    points, lower, upper = fit.forecast_interval(levels[-3:], 6, alpha=0.2)
    np.testing.assert_allclose(widths[0], (upper - lower) / 2, rtol=1e-10)
    np.testing.assert_allclose(widths[0], points - lower, rtol=1e-10)


def test_random_walk_by_hand():
    """Differences without memory: the level's variance after h steps is h sigma squared, its forecast the
    last."""
    widths = scale_half_widths(
        coefficients=np.zeros((1, 1, 1, 1)),
        sigma_u=np.full((1, 1, 1), 9.0),
        horizon=4,
        level=0.95,
        transforms=("diff",),
    )
    np.testing.assert_allclose(widths.ravel(), 1.959963984540054 * 3 * np.sqrt([1, 2, 3, 4]), rtol=1e-12)
    middle, lower, upper = to_levels(
        np.array([1.0, 2.0]).reshape(2, 1, 1),
        newest=np.full((1, 1), 10.0),
        half_widths=np.array([3.0, 4.0]).reshape(2, 1, 1),
        transforms=("diff",),
    )
    assert middle.ravel().tolist() == [11.0, 13.0]
    assert lower.ravel().tolist() == [8.0, 9.0]
    assert upper.ravel().tolist() == [14.0, 17.0]


def test_each_transform_by_hand():
    levels = np.array([[1.0, 1.0, 1.0, 1.0], [2.0, np.e, 3.0, np.e], [4.0, np.e**3, 7.0, np.e**3]])
    values, offsets = transform_levels(levels, np.array([0, 3]), ("none", "log", "diff", "dlog"))
    np.testing.assert_allclose(values, [[2, 1, 2, 1], [4, 3, 4, 2]], rtol=1e-12)
    assert offsets.tolist() == [0, 2]


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=6),
    transforms=st.lists(st.sampled_from(TRANSFORMS), min_size=1, max_size=3),
)
def test_series_laid_end_to_end_do_not_touch(lengths, transforms):
    """Transforming many series at once is transforming each on its own, empty ones included."""
    levels = np.random.default_rng(sum(lengths)).uniform(1, 2, size=(sum(lengths), len(transforms)))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values, value_offsets = transform_levels(levels, offsets, transforms)
    for i, length in enumerate(lengths):
        alone, _ = transform_levels(levels[offsets[i] : offsets[i + 1]], np.array([0, length]), transforms)
        np.testing.assert_array_equal(values[value_offsets[i] : value_offsets[i + 1]], alone)


@settings(max_examples=60, deadline=None)
@given(transforms=st.lists(st.sampled_from(TRANSFORMS), min_size=1, max_size=4), seed=st.integers(0, 999))
def test_there_and_back(transforms, seed):
    """The true future transformed, and transformed back to levels from the cutoff, is the future."""
    levels = np.random.default_rng(seed).uniform(1, 9, size=(9, len(transforms)))
    values, _ = transform_levels(levels, np.array([0, 9]), transforms)
    _, newest = transform_lags(levels[4::-1][..., None], transforms)
    future = values[-4:][..., None]
    middle, _, _ = to_levels(future, newest=newest, half_widths=np.zeros_like(future), transforms=transforms)
    np.testing.assert_allclose(middle[..., 0], levels[5:], rtol=1e-9)


def test_unknown_transform():
    with pytest.raises(ValueError, match="unknown transform sqrt"):
        check_transforms(("none", "sqrt"))
