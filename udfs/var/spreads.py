"""How far the series of a fleet move from one period, or one season, to the next: what a random walk's intervals are
made of."""

from __future__ import annotations

from math import erf, sqrt

import numpy as np

from .benchmarks import Seasons
from .fleet_fallback import LEAST_CHANGES
from .kernel import FloatArray, normal_quantile
from .runs import Runs
from .transform import BoolArray, to_scale

MAX_SPREADS = 10_000
"""A fleet's spread is computed from so many of its series' at most, evenly spaced by size."""

BISECTIONS = 60


def change_spreads(levels: FloatArray, runs: Runs, transforms: tuple[str, ...]) -> FloatArray:
    """(n_series, k), the root mean square of each series' changes from one period to the next, on the scale (levels, or
    logs of levels for log and dlog).

    About zero, not about their mean: a random walk has no drift. levels: (n_total, k); changes over holes do not count.
    NaN for fewer than LEAST_CHANGES of them, where nothing changes, and for logs of what is not positive.
    """
    scale = to_scale(levels, transforms)
    with np.errstate(invalid="ignore"):
        changes = np.diff(scale, axis=0)
    return root_mean_squares(changes, is_change=runs.places()[1:] > 0, runs=runs, first=1)


def seasonal_spreads(levels: FloatArray, runs: Runs, transforms: tuple[str, ...], *, season: int) -> FloatArray:
    """The same of the changes from one season to the next, over `season` periods. Holes between the two periods do not
    matter."""
    seasons = Seasons.of(to_scale(levels, transforms), runs, length=season)
    return root_mean_squares(seasons.changes, is_change=seasons.is_change > 0.0, runs=runs)


def root_mean_squares(changes: FloatArray, *, is_change: BoolArray, runs: Runs, first: int = 0) -> FloatArray:
    """(n_series, k), of those changes that are some. changes: (n_total - first, k), of the observations from number
    `first` on."""
    offsets = runs.series_offsets
    n_series, k = len(offsets) - 1, changes.shape[1]
    owner = np.repeat(np.arange(n_series), np.diff(offsets))[first:][is_change]
    count = np.bincount(owner, minlength=n_series)
    spreads = np.full((n_series, k), np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        for i, column in enumerate(changes.T):
            total = np.bincount(owner, weights=np.square(column)[is_change], minlength=n_series)
            is_known = (count >= LEAST_CHANGES) & (total > 0.0) & np.isfinite(total)
            spreads[is_known, i] = np.sqrt(total[is_known] / count[is_known])
    return spreads


def fleet_spreads(spreads: FloatArray, *, level: float) -> FloatArray:
    """(k,), the spread for a series of which nothing is known but that it is one like those of the fleet.

    spreads: (n_series, k). The change of a series that is drawn from the fleet has the mixture of the normal
    distributions of its series. The interval of half-width w holds it with probability mean(2 Phi(w / s_i) - 1), which
    is `level` at one w; the spread is w divided by the normal quantile of `level`, as if there were one spread. It is
    above a mean or median of the s_i in so far as these differ. NaN where no series has one.
    """
    return np.array([_mixed(column[np.isfinite(column)], level) for column in spreads.T])


def _mixed(spreads: FloatArray, level: float) -> float:
    if not len(spreads):
        return float("nan")
    chosen = np.sort(spreads)
    if len(chosen) > MAX_SPREADS:
        chosen = chosen[np.rint(np.linspace(0, len(chosen) - 1, MAX_SPREADS)).astype(np.int64)]
    values, quantile = chosen.tolist(), normal_quantile(level)
    lower, upper = values[0], values[-1]
    for _ in range(BISECTIONS if lower < upper else 0):
        middle = 0.5 * (lower + upper)
        coverage = sum(erf(quantile * middle / (spread * sqrt(2.0))) for spread in values) / len(values)
        lower, upper = (middle, upper) if coverage < level else (lower, middle)
    return float(0.5 * (lower + upper))
