"""Forecasts from an origin: every series is fitted on what is before it, and what came after it is the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.udfs.var.accuracy import MethodForecast, Scales
from penstock.udfs.var.benchmarks import Seasons, changes, naive_forecast
from penstock.udfs.var.exogenous_effects import exogenous_effects
from penstock.udfs.var.exogenous_lookup import ExogenousValues
from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings, FleetFit
from penstock.udfs.var.kernel import FloatArray, IntArray, forecast_columns, normal_quantile, rows_last
from penstock.udfs.var.lag_bounds import lags_borne
from penstock.udfs.var.runs import PERIOD_TOLERANCE, Runs, lag_window_ends, runs_of, whole_runs
from penstock.udfs.var.samples import complete_rows
from penstock.udfs.var.transform import (
    bounds_in_levels,
    observations_lost,
    points_to_levels,
    scale_points,
    scale_variances,
    transform_lags,
)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Series to evaluate. levels, offsets, periods: as for `fit_fleet`. runs: of them. lags_needed: (n,), how many
    observations in succession a forecast of a series takes; 0 for one that is too short to be fitted. seasons: None
    without a season. exogenous: None without exogenous variables."""

    levels: FloatArray
    offsets: IntArray
    periods: FloatArray | None
    runs: Runs
    lags_needed: IntArray
    seasons: Seasons | None
    exogenous: ExogenousValues | None = None

    @classmethod
    def of(
        cls,
        levels: FloatArray,
        offsets: IntArray,
        settings: FitSettings,
        *,
        periods: FloatArray | None,
        exogenous: ExogenousValues | None = None,
    ) -> Observed:
        runs = whole_runs(offsets) if periods is None else runs_of(offsets, periods)
        lost = observations_lost(settings.transforms)
        series = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        known = None if exogenous is None else exogenous.at(series, runs.periods())
        borne = lags_borne(complete_rows(runs, settings.max_lags + lost, known)[:, lost:], settings)
        return cls(
            levels=levels,
            offsets=offsets,
            periods=periods,
            runs=runs,
            lags_needed=np.where(borne >= 0, np.maximum(1, borne + lost), 0),
            seasons=Seasons.of(levels, runs, length=round(settings.season)) if settings.season else None,
            exogenous=exogenous,
        )

    def cutoffs(self, *, left_out: int) -> IntArray:
        """(n,), the observation after each series' training part, if its last `left_out` periods are no part of it: it
        ends with as many observations in succession as a forecast takes. -1: there are never so many."""
        numbers = self.runs.periods()
        is_filled = np.diff(self.offsets) > 0
        last_period = np.where(is_filled, numbers[np.maximum(self.offsets[1:], 1) - 1], 0.0)
        ends = lag_window_ends(self.runs, n_lags=np.maximum(1, self.lags_needed), last_period=last_period - left_out)
        return np.where((ends >= 0) & (self.lags_needed > 0), ends + 1, -1)


@dataclass(frozen=True, kw_only=True)
class OriginForecasts:
    """From one origin, of the n series that could be fitted there. positions: (n,), which series they are. truth:
    (steps, k, n), NaN where there is none. by_method: the forecasts of each method."""

    positions: IntArray
    truth: FloatArray
    by_method: dict[str, MethodForecast]
    scales: Scales


def methods(settings: FitSettings) -> tuple[str, ...]:
    """The model, and what it is compared with."""
    return ("model", "naive", "seasonal_naive") if settings.season else ("model", "naive")


def forecasts_from(
    given: Observed, settings: FitSettings, *, members: IntArray, cutoffs: IntArray, steps: int
) -> OriginForecasts | None:
    """Fit and forecast the series `members` from their observations before `cutoffs` (members,), which are counted as
    those of `given`; None if no series could be fitted."""
    if not len(members):
        return None
    levels, starts, numbers = given.levels, given.offsets[members], given.runs.periods()
    lengths = cutoffs - starts
    training = np.arange(lengths.sum()) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    fit = fit_fleet(
        levels[training],
        np.concatenate([[0], np.cumsum(lengths)]),
        settings,
        periods=None if given.periods is None else given.periods[training],
        exogenous=None
        if given.exogenous is None
        else given.exogenous.at(np.repeat(members, lengths), numbers[training]),
    )
    if not len(fit):
        return None
    starts, cutoffs, positions = starts[fit.positions], cutoffs[fit.positions], members[fit.positions]

    ahead = None
    if given.exogenous is not None:
        # known in advance: those that came, whether or not there is an observation
        ahead = np.moveaxis(
            given.exogenous.at(positions, numbers[cutoffs - 1] + np.arange(1, steps + 1)[:, None]), -1, 1
        )
    # beyond a series' own lags the coefficients are zero, and any level of its own will do
    n_lags = max(1, settings.max_lags + observations_lost(settings.transforms))
    rows = np.maximum(cutoffs - 1 - np.arange(n_lags)[:, None], starts)
    window = np.moveaxis(levels[rows], -1, 1)
    mean_absolute, spread = changes(levels, given.runs, starts, cutoffs)
    quantile = normal_quantile(settings.level)
    by_method = {
        "model": model_forecast(fit, window, settings, steps=steps, exogenous=ahead),
        "naive": naive_forecast(window[0], spread=spread, quantile=quantile, steps=steps),
    }
    if given.seasons is not None:
        by_method["seasonal_naive"] = given.seasons.forecast(starts, cutoffs, quantile=quantile, steps=steps)
    return OriginForecasts(
        positions=positions,
        truth=truths(levels, numbers, cutoffs, given.offsets[1:][positions], steps=steps),
        by_method=by_method,
        scales=Scales(mean_absolute=mean_absolute, root_mean_square=spread),
    )


def model_forecast(
    fit: FleetFit, window: FloatArray, settings: FitSettings, *, steps: int, exogenous: FloatArray | None = None
) -> MethodForecast:
    """From the end of the fitted sample. window: (lags, k, n), the last levels, newest first. exogenous: (steps, q, n),
    of the periods that are forecast; a series that lacks one has no forecast: NaN."""
    history, newest = transform_lags(window, settings.transforms)
    forecasts = forecast_columns(
        coefficients=rows_last(fit.coefficients),
        trend_coefficients=rows_last(fit.powers_of_time),
        lags=history,
        horizon=steps,
        first_time_index=fit.last_time_index + 1.0,
        seasonal=added_effects(fit, steps=steps, exogenous=exogenous),
    )
    widths = rows_last(fit.half_widths[:, :steps])
    medians = scale_points(forecasts, newest=newest, transforms=settings.transforms)
    lower, upper = bounds_in_levels(medians, half_widths=widths, transforms=settings.transforms)
    points = medians
    if settings.point == "mean":
        points = medians.copy()
        variances = scale_variances(widths, level=settings.level)
        points_to_levels(points, transforms=settings.transforms, variances=variances)
    points_to_levels(medians, transforms=settings.transforms)
    return MethodForecast(points=points, lower=lower, upper=upper, medians=medians)


def added_effects(fit: FleetFit, *, steps: int, exogenous: FloatArray | None) -> FloatArray | None:
    """(steps, k, n), what season and exogenous variables add to the forecasts; None if there is neither."""
    seasonal = fit.seasonal_effects(fit.last_time_index + 1.0, horizon=steps)
    if not fit.settings.exogenous:
        return seasonal
    if exogenous is None:
        raise ValueError(f"no values of the exogenous variables {', '.join(fit.settings.exogenous)} to forecast with")
    effects = exogenous_effects(rows_last(fit.exogenous_coefficients), exogenous)
    return effects if seasonal is None else seasonal + effects


def truths(levels: FloatArray, periods: FloatArray, cutoffs: IntArray, stops: IntArray, *, steps: int) -> FloatArray:
    """(steps, k, n), the levels of the periods after observation cutoffs - 1, NaN where there is none. stops: (n,),
    where each series ends."""
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
