"""Hold-out evaluation: accuracy on the last periods of each series, compared with the naive forecast."""

from dataclasses import dataclass

import numpy as np

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.kernel import FloatArray, IntArray, forecast_columns, normal_quantile, rows_last
from penstock.udfs.var.transform import observations_lost, scale_variances, to_levels, transform_lags

METHODS = ("model", "naive")
MEASURES = ("mae", "rmse", "mase", "coverage")


@dataclass(frozen=True)
class HoldoutScores:
    """sums: (2 methods, 4 measures, k), of the measures of `n_series` series."""

    sums: FloatArray
    n_series: int


def holdout_scores(levels: FloatArray, offsets: IntArray, settings: FitSettings, *, holdout: int) -> HoldoutScores:
    """Fit every series without its last `holdout` periods, forecast from there, and compare with the actual values.

    min(horizon, holdout) steps are forecast. By variable and series: mean absolute error and root mean squared error
    over the steps; MASE, the first divided by the mean absolute one-step error of the naive forecast within the
    training part; the share of steps whose truth lies in the interval. The naive forecast carries the last level on;
    its interval is that of a random walk: the root mean square of the training part's changes times the root of the
    step. A series too short to be fitted without its last periods is left out.
    """
    k, steps = len(settings.transforms), min(settings.horizon, holdout)
    nothing = HoldoutScores(sums=np.zeros((len(METHODS), len(MEASURES), k)), n_series=0)
    long_enough = np.flatnonzero(np.diff(offsets) > holdout)
    if steps < 1 or not len(long_enough):
        return nothing
    starts, cutoffs = offsets[long_enough], offsets[long_enough + 1] - holdout
    training = np.concatenate([levels[start:cutoff] for start, cutoff in zip(starts, cutoffs, strict=True)])
    fit = fit_fleet(training, np.concatenate([[0], np.cumsum(cutoffs - starts)]), settings)
    if not len(fit):
        return nothing
    starts, cutoffs = starts[fit.positions], cutoffs[fit.positions]

    lags = np.arange(settings.max_lags + observations_lost(settings.transforms))
    window = np.moveaxis(levels[cutoffs - 1 - lags[:, None]], -1, 1)
    history, newest = transform_lags(window, settings.transforms)
    points = forecast_columns(
        coefficients=rows_last(fit.coefficients),
        trend_coefficients=rows_last(fit.trend_coefficients),
        lags=history,
        horizon=steps,
        first_time_index=fit.n_obs.astype(np.float64) + 1.0,
    )
    widths = rows_last(fit.half_widths[:, :steps])
    forecasts = {
        "model": to_levels(
            points,
            newest=newest,
            half_widths=widths,
            transforms=settings.transforms,
            variances=scale_variances(widths, level=settings.level) if settings.point == "mean" else None,
        )
    }
    changes = [np.diff(levels[start:cutoff], axis=0) for start, cutoff in zip(starts, cutoffs, strict=True)]
    scale = np.stack([np.abs(change).mean(axis=0) for change in changes], axis=-1)
    spread = np.stack([np.sqrt((change**2).mean(axis=0)) for change in changes], axis=-1)
    naive = np.broadcast_to(window[0], points.shape)
    width = normal_quantile(settings.level) * spread * np.sqrt(np.arange(1, steps + 1))[:, None, None]
    forecasts["naive"] = (naive, naive - width, naive + width)

    truth = np.moveaxis(levels[cutoffs + np.arange(steps)[:, None]], -1, 1)
    by_series = np.array([measures(truth, forecasts[method], scale) for method in METHODS])
    is_finite = np.isfinite(by_series).all(axis=(0, 1, 2))
    return HoldoutScores(sums=by_series[..., is_finite].sum(axis=-1), n_series=int(is_finite.sum()))


def measures(truth: FloatArray, forecast: tuple[FloatArray, FloatArray, FloatArray], scale: FloatArray) -> FloatArray:
    """(4, k, series); truth and the three arrays of forecast are (steps, k, series), scale is (k, series)."""
    points, lower, upper = forecast
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        errors = points - truth
        mae = np.abs(errors).mean(axis=0)
        coverage = ((lower <= truth) & (truth <= upper)).mean(axis=0)
        return np.array([mae, np.sqrt((errors**2).mean(axis=0)), mae / scale, coverage])
