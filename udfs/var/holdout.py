"""Accuracy out of sample: hold-out and rolling origins, compared with the naive and the seasonal naive forecast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from penstock.udfs.var.accuracy import MEASURES, SQUARED, STEP_MEASURES, measures, step_terms
from penstock.udfs.var.evaluation import Evaluation, HoldoutScores, StepScores
from penstock.udfs.var.exogenous_lookup import ExogenousValues
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.kernel import FloatArray, IntArray
from penstock.udfs.var.origins import Observed, OriginForecasts, forecasts_from, methods

COMPARED = 2
"""The first methods, model and naive, have the same series in every mean."""


def evaluate(
    levels: FloatArray,
    offsets: IntArray,
    settings: FitSettings,
    *,
    holdout: int,
    origins: int = 1,
    origin_every: int = 1,
    periods: FloatArray | None = None,
    exogenous: ExogenousValues | None = None,
) -> Evaluation:
    """Fit every series on what is before an origin, forecast from there, and compare with what came; at each origin.

    levels, offsets, periods: as for `fit_fleet`. The last origin lies `holdout` periods before the end of each series,
    every other one `origin_every` periods before the next; min(horizon, holdout) steps are forecast. A series that is
    too short to be fitted at an origin is left out at that origin.

    exogenous: needed if the settings have exogenous variables; a series without a period counts its observations from
    0. A forecast takes the values that came in its periods, as they are known in advance; one that lacks a value of a
    step is left out.

    Of the last origin alone, by variable and series: mean absolute error and root mean squared error over the steps;
    MASE, the first divided by the mean absolute one-step error of the naive forecast within the training part; the
    share of steps whose truth lies in the interval. The result has their sums over series.

    Of all origins, by step and for all steps together: the measures of `step_terms` are means (and roots of means) over
    the origins of a series, and the result has the sums of these over series. MASE and RMSSE divide by the errors of
    the one-step naive forecast with a season as well: a scale that every fitted series has, and the same whether or not
    there is a season.

    With holes: a forecast needs as many observations in succession as the series bears lags, so that the training part
    ends with the last ones of these before an origin; where it is the same as at a later origin, the series counts at
    that one only. Steps whose truth is missing are left out, and so is a series of which the truth of all steps is
    missing. Changes over a hole are none of the training part's, but seasonal changes between two observations are.
    """
    k, steps = len(settings.transforms), min(settings.horizon, holdout)
    running = RunningSums(n_series=len(offsets) - 1, n_origins=origins, steps=max(steps, 0), settings=settings)
    last = HoldoutScores(
        sums=np.zeros((len(methods(settings)), len(MEASURES), k)),
        counts=np.zeros(len(methods(settings)), dtype=np.int64),
    )
    if steps < 1 or not len(levels):
        return Evaluation(holdout=last, by_step=running.scores())
    # of the VARs alone: the spreads of a fallback would be worked out at each origin in vain
    settings = replace(settings, fallback="none")
    given = Observed.of(levels, offsets, settings, periods=periods, exogenous=exogenous)
    later = np.full(len(offsets) - 1, len(levels) + 1)
    for origin in range(origins):
        cutoffs = given.cutoffs(left_out=holdout + origin * origin_every)
        members = np.flatnonzero((cutoffs >= 0) & (cutoffs < later))
        later = cutoffs
        made = forecasts_from(given, settings, members=members, cutoffs=cutoffs[members], steps=steps)
        if made is None:
            continue
        running.add(origin, made)
        if origin == 0:
            last = holdout_sums(made)
    return Evaluation(holdout=last, by_step=running.scores())


def holdout_sums(made: OriginForecasts) -> HoldoutScores:
    """A series one of whose measures is not finite, of the model or the naive forecast, is left out."""
    by_series = np.array([measures(made.truth, forecast, made.scales) for forecast in made.by_method.values()])
    is_compared = np.isfinite(by_series[:COMPARED]).all(axis=(0, 1, 2))
    counted = [is_compared & np.isfinite(own).all(axis=(0, 1)) for own in by_series]
    return HoldoutScores(
        sums=np.array([own[..., mask].sum(axis=-1) for own, mask in zip(by_series, counted, strict=True)]),
        counts=np.array([mask.sum() for mask in counted]),
    )


class RunningSums:
    """Sums over origins, by series."""

    def __init__(self, *, n_series: int, n_origins: int, steps: int, settings: FitSettings) -> None:
        n_methods, k = len(methods(settings)), len(settings.transforms)
        self.level = settings.level
        self.totals = np.zeros((n_methods, len(STEP_MEASURES), steps, k, n_series))
        self.counts = np.zeros((n_methods, steps, n_series), dtype=np.int64)
        self.n_forecasts = np.zeros((n_origins, n_methods, steps + 1), dtype=np.int64)

    def add(self, origin: int, made: OriginForecasts) -> None:
        """A forecast with a term that is not finite is left out, of the model and of the naive forecast alike."""
        is_there = ~np.isnan(made.truth).any(axis=1)
        terms = [
            step_terms(made.truth, forecast, made.scales, level=self.level) for forecast in made.by_method.values()
        ]
        is_sound = np.array([(np.isfinite(own).all(axis=(0, 2)) | ~is_there).all(axis=0) for own in terms])
        is_sound &= is_sound[:COMPARED].all(axis=0)
        for method, own in enumerate(terms):
            is_counted = is_sound[method] & is_there
            self.totals[method][..., made.positions] += np.where(is_counted[:, None], own, 0.0)
            self.counts[method][:, made.positions] += is_counted
            self.n_forecasts[origin, method] = [*is_counted.sum(axis=1), is_counted.any(axis=0).sum()]

    def scores(self) -> StepScores:
        """Means over the origins of each series, summed over series."""
        sums, n_series = [], []
        for totals, counts in zip(self.totals, self.counts, strict=True):
            total = np.concatenate([totals, totals.sum(axis=1, keepdims=True)], axis=1)
            count = np.concatenate([counts, counts.sum(axis=0, keepdims=True)])
            means = total / np.maximum(count, 1)[:, None]
            means[SQUARED] = np.sqrt(means[SQUARED])
            sums.append(means.sum(axis=-1))
            n_series.append((count > 0).sum(axis=-1))
        return StepScores(sums=np.array(sums), n_series=np.array(n_series), n_forecasts=self.n_forecasts)
