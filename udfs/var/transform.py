"""Transforms levels to the input of a VAR, and its forecasts back to levels.

Each variable has its own transform: `none` (y), `log` (ln y), `diff` (y_t - y_{t-1}), `dlog` (ln y_t - ln
y_{t-1}). *Scale* means levels for none and diff, logs of levels for log and dlog: forecast errors are
Gaussian on the scale, so half-widths live there, and bounds of logs are exp of the bounds on the scale. The
point forecast of a logged variable is exp(mu), the median of its lognormal distribution, or by choice its mean,
exp(mu + sigma^2 / 2); mu and sigma^2 are those of the log of the level at that step. Of other variables both are
the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .kernel import (
    FloatArray,
    IntArray,
    forecast_variances,
    moving_average_coefficients,
    normal_quantile,
)

BoolArray = NDArray[np.bool_]

TRANSFORMS = ("none", "log", "diff", "dlog")
POINTS = ("median", "mean")
"""What a point forecast is of the distribution of the level."""


def check_transforms(transforms: Sequence[str]) -> None:
    """Raise ValueError for a name that isn't one of TRANSFORMS."""
    unknown = sorted(set(transforms) - set(TRANSFORMS))
    if unknown:
        raise ValueError(f"unknown transform {', '.join(unknown)}; use one of {', '.join(TRANSFORMS)}")


def check_point(point: str) -> None:
    """Raise ValueError for a name that isn't one of POINTS."""
    if point not in POINTS:
        raise ValueError(f"unknown point {point}; use one of {', '.join(POINTS)}")


def logged(transforms: Sequence[str]) -> BoolArray:
    """(k,), true where a variable is modelled in logs."""
    return np.array([name in ("log", "dlog") for name in transforms], dtype=bool)


def differenced(transforms: Sequence[str]) -> BoolArray:
    """(k,), true where a variable is modelled in first differences."""
    return np.array([name in ("diff", "dlog") for name in transforms], dtype=bool)


def observations_lost(transforms: Sequence[str]) -> int:
    """How many observations at the start of a series are lost to the transforms: 1 if any variable is
    differenced."""
    return int(differenced(transforms).any())


def transform_levels(levels: FloatArray, offsets: IntArray, transforms: Sequence[str]) -> tuple[FloatArray, IntArray]:
    """Transform many series at once for fitting.

    levels: (n_total, k), the series one after the other, oldest first; offsets: (n_series + 1,), series i is
    levels[offsets[i]:offsets[i+1]]. Returns the same two for what the VAR is fitted on: when any variable is
    differenced each series loses its first row, for all variables alike. The log of a level that isn't
    positive is NaN or -inf: the fit refuses the series.
    """
    check_transforms(transforms)
    scale = to_scale(levels, transforms)
    if not observations_lost(transforms):
        return scale, offsets
    lengths = np.diff(offsets)
    kept = np.ones(len(levels), dtype=bool)
    kept[offsets[:-1][lengths > 0]] = False
    with np.errstate(invalid="ignore"):
        steps = np.diff(scale, axis=0, prepend=scale[:1])
    transformed = np.where(differenced(transforms), steps, scale)[kept]
    return transformed, np.concatenate([[0], np.cumsum(np.maximum(lengths - 1, 0))]).astype(np.int64)


def transform_lags(level_lags: FloatArray, transforms: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Transform windows of levels for forecasting.

    level_lags: (n_level_lags, k, rows), newest first. Returns the lags of the VAR, (n_level_lags - 1 if any
    variable is differenced else n_level_lags, k, rows), and the newest observation on the scale, (k, rows).
    """
    scale = to_scale(level_lags, transforms)
    if not observations_lost(transforms):
        return scale, scale[0]
    lags = scale[:-1].copy()
    with np.errstate(invalid="ignore"):
        for i in np.flatnonzero(differenced(transforms)):
            lags[:, i] -= scale[1:, i]
    return lags, scale[0]


def scale_weights(coefficients: FloatArray, *, horizon: int, transforms: Sequence[str]) -> FloatArray:
    """What each past noise weighs in the error of a forecast on the scale.

    The error of a level forecast h steps ahead is sum_{i<h} Psi_i u_{T+h-i} with Psi_i = Phi_0 + ... + Phi_i
    for a differenced variable (the errors of its differences add up) and Psi_i = Phi_i for another one, chosen row by
    row. coefficients (series, p, k, k); returns (series, horizon, k, k).
    """
    phis = moving_average_coefficients(coefficients, n_steps=horizon)
    cumulated = differenced(transforms)
    return np.where(cumulated[:, None], np.cumsum(phis, axis=1), phis) if cumulated.any() else phis


def scale_half_widths(
    *,
    coefficients: FloatArray,
    sigma_u: FloatArray,
    horizon: int,
    level: float,
    transforms: Sequence[str],
    further_variances: FloatArray | None = None,
) -> FloatArray:
    """Half the width of the forecast interval of each variable on its scale.

    With the weights of `scale_weights` Luetkepohl 2005, section 2.2.2 (MSE matrix) gives the variances.
    coefficients (series, p, k, k), sigma_u (series, k, k). further_variances: (series, horizon, k), of errors from
    other causes than noise, such as estimated coefficients. Returns (series, horizon, k).
    """
    weights = scale_weights(coefficients, horizon=horizon, transforms=transforms)
    variances = forecast_variances(weights, sigma_u)
    if further_variances is not None:
        variances = variances + further_variances
    return normal_quantile(level) * np.sqrt(variances)


def scale_variances(half_widths: FloatArray, *, level: float) -> FloatArray:
    """The variances of the forecast errors that `scale_half_widths` made half-widths of, with the same shape."""
    return np.square(half_widths / normal_quantile(level))


def to_levels(
    forecasts: FloatArray,
    *,
    newest: FloatArray,
    half_widths: FloatArray,
    transforms: Sequence[str],
    variances: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Point forecasts, lower and upper bounds in levels.

    forecasts: (horizon, k, rows) of the VAR; newest: (k, rows), the last observation on the scale;
    half_widths: (horizon, k, rows) on the scale. variances: (horizon, k, rows) of the errors on the scale, if the
    points are to be means; without them they are medians. Returns three (horizon, k, rows).
    """
    points = scale_points(forecasts, newest=newest, transforms=transforms)
    lower, upper = bounds_in_levels(points, half_widths=half_widths, transforms=transforms)
    points_to_levels(points, transforms=transforms, variances=variances)
    return points, lower, upper


def points_to_levels(points: FloatArray, *, transforms: Sequence[str], variances: FloatArray | None = None) -> None:
    """Medians on the scale become those of levels, in place, or means with the variances of their errors on the scale;
    (horizon, k, rows) each."""
    if variances is not None:
        points[:, logged(transforms)] += variances[:, logged(transforms)] / 2.0
    _from_scale(points, transforms)


def scale_points(forecasts: FloatArray, *, newest: FloatArray, transforms: Sequence[str]) -> FloatArray:
    """The medians of the forecasts on the scale: those of the VAR, summed up where a variable is differenced.

    forecasts: (horizon, k, rows); newest: (k, rows), on the scale. Returns (horizon, k, rows).
    """
    points = forecasts.copy()
    for i in np.flatnonzero(differenced(transforms)):
        running = newest[i]
        for step in range(len(points)):
            running = running + points[step, i]
            points[step, i] = running
    return points


def bounds_in_levels(
    points: FloatArray, *, half_widths: FloatArray, transforms: Sequence[str]
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds in levels. points, half_widths: (horizon, k, rows), on the scale."""
    lower, upper = points - half_widths, points + half_widths
    _from_scale(lower, transforms)
    _from_scale(upper, transforms)
    return lower, upper


def _from_scale(array: FloatArray, transforms: Sequence[str]) -> None:
    """Logs become levels, in place; (horizon, k, rows)."""
    with np.errstate(over="ignore"):
        for i in np.flatnonzero(logged(transforms)):
            # contiguous before exp: a strided one may take another code path and round differently
            array[:, i] = np.exp(np.ascontiguousarray(array[:, i]))


def to_scale(levels: FloatArray, transforms: Sequence[str]) -> FloatArray:
    """A copy with the logged variables in logs, NaN or -inf where a level is not positive; the variables are on the
    second axis."""
    scale = np.array(levels, dtype=np.float64)
    view = np.moveaxis(scale, 1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        for i in np.flatnonzero(logged(transforms)):
            view[i] = np.log(np.ascontiguousarray(view[i]))
    return scale
