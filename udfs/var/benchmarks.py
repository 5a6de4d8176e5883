"""The forecasts that a model has to beat: the last level, and the level of the same phase of the last season."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.udfs.var.accuracy import MethodForecast
from penstock.udfs.var.kernel import FloatArray, IntArray
from penstock.udfs.var.runs import PERIOD_TOLERANCE, Runs


def naive_forecast(newest: FloatArray, *, spread: FloatArray, quantile: float, steps: int) -> MethodForecast:
    """A random walk without drift: the last level carried on, the interval the spread (root mean square of the changes)
    times the root of the step (Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section
    5.5). newest, spread: (k, n)."""
    points = np.broadcast_to(newest, (steps, *newest.shape))
    width = quantile * spread * np.sqrt(np.arange(1, steps + 1))[:, None, None]
    return MethodForecast(points=points, lower=points - width, upper=points + width, medians=points)


@dataclass(frozen=True, kw_only=True)
class Seasons:
    """Where the observations of one season before stand. length: of a season, in whole periods. series: (n_total,),
    whose observation each one is; numbers: (n_total,), its period, counted from the series' first observation;
    changes: (n_total, k), the level minus that of one season before, zero where that is missing; is_change:
    (n_total,), where it is not."""

    length: int
    levels: FloatArray
    series: IntArray
    numbers: FloatArray
    changes: FloatArray
    is_change: FloatArray

    @classmethod
    def of(cls, levels: FloatArray, runs: Runs, *, length: int) -> Seasons:
        offsets, periods = runs.series_offsets, runs.periods()
        lengths = np.diff(offsets)
        series = np.repeat(np.arange(len(lengths)), lengths)
        numbers = periods - periods[offsets[:-1][series]]
        rows = observations_at(series, numbers, series=series, wanted=numbers - length)
        is_change = rows >= 0
        with np.errstate(over="ignore", invalid="ignore"):
            changes = np.where(is_change[:, None], levels - levels[rows], 0.0)
        return cls(
            length=length,
            levels=levels,
            series=series,
            numbers=numbers,
            changes=changes,
            is_change=is_change.astype(np.float64),
        )

    def forecast(self, starts: IntArray, cutoffs: IntArray, *, quantile: float, steps: int) -> MethodForecast:
        """Of n series, from their observations starts[i] to before cutoffs[i].

        Step h is the last level of its phase. The interval is that of a seasonal random walk, the root mean square of
        the seasonal changes times the root of the number of seasons ahead, floor((h - 1) / length) + 1 (Hyndman and
        Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., sections 5.2 and 5.5). A series that lacks a
        level that is needed, or has no seasonal change, has no forecast: NaN.
        """
        newest, ahead = cutoffs - 1, np.arange(steps)
        back = self.length - 1 - ahead[: self.length]
        rows = observations_at(
            self.series, self.numbers, series=self.series[newest], wanted=self.numbers[newest] - back[:, None]
        )
        season = np.moveaxis(np.where((rows >= 0)[..., None], self.levels[rows], np.nan), -1, 1)
        points = season[ahead % self.length]
        count = summed(self.is_change, starts, cutoffs)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            spread = np.sqrt(summed(self.changes**2, starts, cutoffs).T / count)
        points[:, np.isnan(points).any(axis=0) | np.isnan(spread)] = np.nan
        width = quantile * spread * np.sqrt(ahead // self.length + 1)[:, None, None]
        return MethodForecast(points=points, lower=points - width, upper=points + width, medians=points)


def observations_at(owners: IntArray, numbers: FloatArray, *, series: IntArray, wanted: FloatArray) -> IntArray:
    """Where the observation of a series in a period stands, -1: there is none.

    owners, numbers: (n_total,), series and period of each observation, ascending. series, wanted: of what is looked
    for, of shapes that broadcast.
    """
    whole, whole_wanted = np.rint(numbers).astype(np.int64), np.rint(wanted).astype(np.int64)
    lowest = min(int(whole.min(initial=0)), int(whole_wanted.min(initial=0)))
    span = max(int(whole.max(initial=0)), int(whole_wanted.max(initial=0))) - lowest + 1
    keys = owners * span + (whole - lowest)
    keys_wanted = series * span + (whole_wanted - lowest)
    rows = np.minimum(np.searchsorted(keys, keys_wanted), max(len(keys) - 1, 0))
    is_there = (keys[rows] == keys_wanted) & (np.abs(numbers[rows] - wanted) <= PERIOD_TOLERANCE)
    return np.where(is_there, rows, -1)


def changes(levels: FloatArray, runs: Runs, starts: IntArray, cutoffs: IntArray) -> tuple[FloatArray, FloatArray]:
    """(k, n) each: mean absolute value and root mean square of the changes from one period to the next, from
    observation `starts` to before `cutoffs` (n,); NaN where there is none."""
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
