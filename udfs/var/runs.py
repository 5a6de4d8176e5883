"""Runs of consecutive periods: where holes divide a series, and which of its observations have all their lags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .kernel import FloatArray, IntArray

PERIOD_TOLERANCE = 1e-6
"""Two observations are consecutive if their periods differ by 1 within this."""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The runs of n series whose observations stand one series after the other, oldest first, in one array.

    offsets: (n_runs + 1,), run j is observations offsets[j] to offsets[j + 1], possibly none. owned: (n + 1,), series
    i has the runs owned[i] to owned[i + 1]. start_periods: (n_runs,), the period of each run's first observation,
    counted from anywhere, the same for all runs of a series.
    """

    offsets: IntArray
    owned: IntArray
    start_periods: FloatArray

    @property
    def series_offsets(self) -> IntArray:
        """(n + 1,), series i is observations series_offsets[i] to series_offsets[i + 1]."""
        return self.offsets[self.owned]

    @property
    def n_holes(self) -> IntArray:
        """(n,)."""
        return np.asarray(np.maximum(np.diff(self.owned) - 1, 0), dtype=np.int64)

    def places(self) -> IntArray:
        """(n_total,), how many observations of the same run come before each one: as many lags it has."""
        return np.arange(self.offsets[-1]) - np.repeat(self.offsets[:-1], np.diff(self.offsets))

    def periods(self) -> FloatArray:
        """(n_total,), the period of each observation."""
        return np.asarray(self.places() + np.repeat(self.start_periods, np.diff(self.offsets)), dtype=np.float64)

    def complete_rows(self, max_lags: int) -> IntArray:
        """(n, max_lags + 1), by lag order how many observations of each series have that many lags."""
        by_run = np.maximum(np.diff(self.offsets)[:, None] - np.arange(max_lags + 1), 0)
        running = np.concatenate([np.zeros((1, max_lags + 1), dtype=np.int64), np.cumsum(by_run, axis=0)])
        return np.asarray(running[self.owned[1:]] - running[self.owned[:-1]], dtype=np.int64)


def whole_runs(offsets: IntArray) -> Runs:
    """Series without holes: each is one run. offsets: (n + 1,), of the series."""
    return Runs(offsets=offsets, owned=np.arange(len(offsets)), start_periods=np.zeros(len(offsets) - 1))


def runs_of(offsets: IntArray, periods: FloatArray) -> Runs:
    """Cut series at their holes. offsets: (n + 1,); periods: (n_total,), rising within each series."""
    is_first = np.ones(len(periods), dtype=bool)
    is_first[1:] = np.abs(np.diff(periods) - 1.0) > PERIOD_TOLERANCE
    is_first[offsets[:-1][np.diff(offsets) > 0]] = True
    starts = np.flatnonzero(is_first)
    return Runs(
        offsets=np.append(starts, len(periods)).astype(np.int64),
        owned=np.searchsorted(starts, offsets).astype(np.int64),
        start_periods=periods[starts],
    )


def lag_window_ends(runs: Runs, *, n_lags: IntArray, last_period: FloatArray) -> IntArray:
    """(n,), each series' last observation up to `last_period` (n,) that ends `n_lags` (n,) consecutive ones;
    -1: none."""
    offsets = runs.series_offsets
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    is_end = (runs.places() >= n_lags[owner] - 1) & (runs.periods() <= last_period[owner] + PERIOD_TOLERANCE)
    ends = np.full(len(offsets) - 1, -1, dtype=np.int64)
    rows = np.flatnonzero(is_end)
    # of several assignments to one place the last one counts, and rows ascend
    ends[owner[rows]] = rows
    return ends
