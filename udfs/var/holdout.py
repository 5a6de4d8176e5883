"""Hold-out evaluation: accuracy on the last periods of each series, compared with the naive forecast."""

from dataclasses import dataclass

import numpy as np

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings, FleetFit
from penstock.udfs.var.kernel import FloatArray, IntArray, forecast_columns, normal_quantile, rows_last
from penstock.udfs.var.lag_bounds import lags_borne
from penstock.udfs.var.runs import PERIOD_TOLERANCE, Runs, lag_window_ends, runs_of, whole_runs
from penstock.udfs.var.transform import observations_lost, scale_variances, to_levels, transform_lags

METHODS = ("model", "naive")
MEASURES = ("mae", "rmse", "mase", "coverage")


@dataclass(frozen=True)
class HoldoutScores:
    """sums: (2 methods, 4 measures, k), of the measures of `n_series` series."""

    sums: FloatArray
    n_series: int


def holdout_scores(
    levels: FloatArray,
    offsets: IntArray,
    settings: FitSettings,
    *,
    holdout: int,
    periods: FloatArray | None = None,
) -> HoldoutScores:
    """Fit every series without its last `holdout` periods, forecast from there, and compare with the actual values.

    levels, offsets, periods: as for `fit_fleet`. min(horizon, holdout) steps are forecast. By variable and series: mean
    absolute error and root mean squared error over the steps; MASE, the first divided by the mean absolute one-step
    error of the naive forecast within the training part; the share of steps whose truth lies in the interval. The naive
    forecast carries the last level on; its interval is that of a random walk: the root mean square of the training
    part's changes times the root of the step. A series too short to be fitted without its last periods is left out.

    With holes: a forecast needs as many observations in succession as the series bears lags, so that the training part
    ends with the last ones of these before the last `holdout` periods. Steps whose truth is missing are left out, and
    so is a series of which the truth of all steps is missing. Changes over a hole are none of the training part's.
    """
    k, steps = len(settings.transforms), min(settings.horizon, holdout)
    nothing = HoldoutScores(sums=np.zeros((len(METHODS), len(MEASURES), k)), n_series=0)
    if steps < 1 or not len(levels):
        return nothing
    runs = whole_runs(offsets) if periods is None else runs_of(offsets, periods)
    numbers = runs.periods()
    lost = observations_lost(settings.transforms)
    borne = lags_borne(runs.complete_rows(settings.max_lags + lost)[:, lost:], settings)
    filled = np.diff(offsets) > 0
    last_period = np.where(filled, numbers[np.maximum(offsets[1:], 1) - 1], 0.0)
    ends = lag_window_ends(runs, n_lags=np.maximum(1, borne + lost), last_period=last_period - holdout)
    long_enough = np.flatnonzero((ends >= 0) & (borne >= 0))
    if not len(long_enough):
        return nothing
    starts, cutoffs = offsets[long_enough], ends[long_enough] + 1
    lengths = cutoffs - starts
    training = np.arange(lengths.sum()) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    fit = fit_fleet(
        levels[training],
        np.concatenate([[0], np.cumsum(lengths)]),
        settings,
        periods=None if periods is None else periods[training],
    )
    if not len(fit):
        return nothing
    starts, cutoffs = starts[fit.positions], cutoffs[fit.positions]
    stops = offsets[1:][long_enough[fit.positions]]

    # beyond a series' own lags the coefficients are zero, and any level of its own will do
    rows = np.maximum(cutoffs - 1 - np.arange(max(1, settings.max_lags + lost))[:, None], starts)
    window = np.moveaxis(levels[rows], -1, 1)
    forecasts = {"model": model_forecasts(fit, window, steps=steps)}
    scale, spread = changes(levels, runs, starts, cutoffs)
    naive = np.broadcast_to(window[0], (steps, *window.shape[1:]))
    width = normal_quantile(settings.level) * spread * np.sqrt(np.arange(1, steps + 1))[:, None, None]
    forecasts["naive"] = (naive, naive - width, naive + width)

    truth = truths(levels, numbers, cutoffs, stops, steps=steps)
    by_series = np.array([measures(truth, forecasts[method], scale) for method in METHODS])
    is_finite = np.isfinite(by_series).all(axis=(0, 1, 2))
    return HoldoutScores(sums=by_series[..., is_finite].sum(axis=-1), n_series=int(is_finite.sum()))


def model_forecasts(fit: FleetFit, window: FloatArray, *, steps: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points, lower and upper bounds in levels, (steps, k, series) each, from the last observation of every fitted
    series. window: (max_lags, one more if any variable is differenced; k, series), levels, the newest first; beyond a
    series' own lags any finite ones."""
    settings = fit.settings
    history, newest = transform_lags(window, settings.transforms)
    points = forecast_columns(
        coefficients=rows_last(fit.coefficients),
        trend_coefficients=rows_last(fit.trend_coefficients),
        lags=history,
        horizon=steps,
        first_time_index=fit.last_time_index + 1.0,
    )
    widths = rows_last(fit.half_widths[:, :steps])
    return to_levels(
        points,
        newest=newest,
        half_widths=widths,
        transforms=settings.transforms,
        variances=scale_variances(widths, level=settings.level) if settings.point == "mean" else None,
    )


def changes(levels: FloatArray, runs: Runs, starts: IntArray, cutoffs: IntArray) -> tuple[FloatArray, FloatArray]:
    """(k, series) each: mean absolute value and root mean square of the changes from one period to the next, from
    observation `starts` to before `cutoffs` (series,); NaN where there is none."""
    is_change = runs.places() > 0
    count = summed(is_change.astype(np.float64), starts, cutoffs)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        steps = np.diff(levels, axis=0, prepend=levels[:1])
        steps[~is_change] = 0.0
        return summed(np.abs(steps), starts, cutoffs).T / count, np.sqrt(summed(steps**2, starts, cutoffs).T / count)


def summed(values: FloatArray, starts: IntArray, stops: IntArray) -> FloatArray:
    """Sums of values[starts[i]:stops[i]] along the first axis; no segment is empty, and they do not overlap."""
    edges = np.stack([starts, stops], axis=1).reshape(-1)
    inside = edges[:-1] if edges[-1] == len(values) else edges
    return np.asarray(np.add.reduceat(values, inside, axis=0)[::2])


def truths(levels: FloatArray, periods: FloatArray, cutoffs: IntArray, stops: IntArray, *, steps: int) -> FloatArray:
    """(steps, k, series), the levels of the periods after observation cutoffs - 1, NaN where there is none. stops:
    (series,), where each series ends."""
    rows = cutoffs + np.arange(steps)[:, None]
    is_own = rows < stops
    rows = np.minimum(rows, len(levels) - 1)
    ahead = periods[rows] - periods[cutoffs - 1]
    step = np.rint(ahead).astype(np.int64) - 1
    is_own &= (step < steps) & (np.abs(ahead - np.rint(ahead)) <= PERIOD_TOLERANCE)
    truth = np.full((steps, levels.shape[1], len(cutoffs)), np.nan)
    place, series = np.nonzero(is_own)
    truth[step[place, series], :, series] = levels[rows[place, series]]
    return truth


def measures(truth: FloatArray, forecast: tuple[FloatArray, FloatArray, FloatArray], scale: FloatArray) -> FloatArray:
    """(4, k, series); truth (NaN where there is none) and the three arrays of forecast are (steps, k, series), scale is
    (k, series). A series without any truth has NaN."""
    points, lower, upper = forecast
    is_there = ~np.isnan(truth)
    count = is_there.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        errors = np.where(is_there, points - truth, 0.0)
        mae = np.abs(errors).sum(axis=0) / count
        coverage = ((lower <= truth) & (truth <= upper)).sum(axis=0) / count
        return np.array([mae, np.sqrt((errors**2).sum(axis=0) / count), mae / scale, coverage])
