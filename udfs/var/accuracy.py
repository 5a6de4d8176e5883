"""Measures of forecasts against the values that came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.udfs.var.kernel import FloatArray

MEASURES = ("mae", "rmse", "mase", "coverage")
"""Of a hold-out, over the steps of a series."""

STEP_MEASURES = ("mae", "rmse", "mase", "rmsse", "coverage", "wis")
"""Of each step."""

SQUARED = np.array([name in ("rmse", "rmsse") for name in STEP_MEASURES])
"""Those of STEP_MEASURES that are the root of a mean of squares."""


@dataclass(frozen=True, kw_only=True)
class MethodForecast:
    """What a method says of n series: (steps, k, n) each, in levels, NaN for a series that it has no forecast for.
    medians: the points, unless those are means."""

    points: FloatArray
    lower: FloatArray
    upper: FloatArray
    medians: FloatArray


@dataclass(frozen=True, kw_only=True)
class Scales:
    """By what errors are divided: mean absolute value and root mean square of the changes from one period to the next
    within the training part, the errors of the naive forecast; (k, n) each."""

    mean_absolute: FloatArray
    root_mean_square: FloatArray


def measures(truth: FloatArray, forecast: MethodForecast, scales: Scales) -> FloatArray:
    """MEASURES by series, (4, k, n); truth (NaN where there is none) is (steps, k, n). A series without any truth has
    NaN, and one without a forecast all but coverage."""
    is_there = ~np.isnan(truth)
    count = is_there.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        errors = np.where(is_there, forecast.points - truth, 0.0)
        mae = np.abs(errors).sum(axis=0) / count
        coverage = ((forecast.lower <= truth) & (truth <= forecast.upper)).sum(axis=0) / count
        return np.array([mae, np.sqrt((errors**2).sum(axis=0) / count), mae / scales.mean_absolute, coverage])


def step_terms(truth: FloatArray, forecast: MethodForecast, scales: Scales, *, level: float) -> FloatArray:
    """What STEP_MEASURES are means of, (6, steps, k, n), where SQUARED the roots of means; NaN without a truth.

    With e the point forecast minus the truth: |e|; e^2; |e| / mean absolute change (MASE: Hyndman and Koehler 2006,
    "Another look at measures of forecast accuracy", section 3); e^2 / mean square change (RMSSE: Makridakis,
    Spiliotis and Assimakopoulos 2022, "M5 accuracy competition", section 2.3); whether the interval has the truth; the
    weighted interval score.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        errors = forecast.points - truth
        is_inside = (forecast.lower <= truth) & (truth <= forecast.upper)
        return np.array(
            [
                np.abs(errors),
                errors**2,
                np.abs(errors) / scales.mean_absolute,
                (errors / scales.root_mean_square) ** 2,
                np.where(np.isnan(errors), np.nan, is_inside),
                weighted_interval_score(truth, forecast, level=level),
            ]
        )


def weighted_interval_score(truth: FloatArray, forecast: MethodForecast, *, level: float) -> FloatArray:
    """Bracher, Ray, Gneiting and Reich 2021, "Evaluating epidemic forecasts in an interval format", PLOS Computational
    Biology 17(2). Of K intervals [l_k, u_k] of coverage 1 - alpha_k and the median m, with the truth y,

        WIS = (|y - m| / 2 + sum_k alpha_k / 2 * IS_k) / (K + 1/2),
        IS_k = u_k - l_k + 2 / alpha_k * (max(l_k - y, 0) + max(y - u_k, 0)),

    here with one interval, K = 1 and alpha = 1 - level. In the unit of y, smaller is better. Any shape.
    """
    alpha = 1.0 - level
    outside = np.maximum(forecast.lower - truth, 0.0) + np.maximum(truth - forecast.upper, 0.0)
    interval_score = forecast.upper - forecast.lower + 2.0 / alpha * outside
    return np.asarray((np.abs(truth - forecast.medians) / 2.0 + alpha / 2.0 * interval_score) / 1.5)
