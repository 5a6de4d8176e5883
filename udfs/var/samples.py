"""The rows of [Z Y] that a pack of series is fitted on: those whose lags and exogenous variables are all there.

The common sample has the rows with `max_lags` lags, on which lag orders are compared; a smaller order is then fitted
on the further rows as well that have enough lags for it. Without holes these are blocks and are cut out as such; with
holes, or where an exogenous variable has no value, they are gathered one by one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .deterministic import DeterministicTerms
from .kernel import FloatArray, IntArray
from .least_squares import BoolArray, design, gathered_design
from .runs import Runs


class Samples(Protocol):
    """The samples of one pack of series."""

    @property
    def are_in_step(self) -> bool:
        """Whether row t of all series that have it is of the same period, and of the one after that of row t - 1."""

    def common(self) -> FloatArray:
        """(series, rows, m + k), [Z Y] at max_lags; rows of zeros fill up what a series does not have."""

    def further(self, chosen: IntArray, lag_order: int) -> FloatArray:
        """(chosen, rows, m_p + k), [Z Y] at a smaller lag order over the rows that are not in the common sample."""

    def times(self, place: int) -> FloatArray:
        """(rows,), t of the common sample's rows of one series of the pack."""


@dataclass(frozen=True, kw_only=True)
class WholeSamples:
    """Of series without holes. values: (series, T, k), series i in its first n_obs[i] rows; exogenous: (series, T, q),
    None without any."""

    values: FloatArray
    n_obs: IntArray
    max_lags: int
    terms: DeterministicTerms
    exogenous: FloatArray | None = None
    are_in_step: bool = True

    def common(self) -> FloatArray:
        return design(
            self.values,
            self.n_obs,
            lag_order=self.max_lags,
            first_row=self.max_lags,
            terms=self.terms,
            exogenous=self.exogenous,
        )

    def further(self, chosen: IntArray, lag_order: int) -> FloatArray:
        return design(
            self.values[chosen, : self.max_lags],
            self.n_obs[chosen],
            lag_order=lag_order,
            first_row=lag_order,
            terms=self.terms,
            exogenous=None if self.exogenous is None else self.exogenous[chosen, : self.max_lags],
        )

    def times(self, place: int) -> FloatArray:
        return np.arange(self.max_lags + 1, self.n_obs[place] + 1, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class HoledSamples:
    """Of series with holes. values: (n_total, k); places, time_index: (n_total,), of each observation, how many lags
    it has (see `row_places`) and t; exogenous: (n_total, q), None without any; starts, ends: (series,), between which
    each series of the pack stands in these."""

    values: FloatArray
    places: IntArray
    time_index: FloatArray
    starts: IntArray
    ends: IntArray
    max_lags: int
    terms: DeterministicTerms
    exogenous: FloatArray | None = None
    are_in_step: bool = False

    def common(self) -> FloatArray:
        return self._rows(self.starts, self.ends, lag_order=self.max_lags, below=None)

    def further(self, chosen: IntArray, lag_order: int) -> FloatArray:
        return self._rows(self.starts[chosen], self.ends[chosen], lag_order=lag_order, below=self.max_lags)

    def times(self, place: int) -> FloatArray:
        own = slice(self.starts[place], self.ends[place])
        return self.time_index[own][self.places[own] >= self.max_lags]

    def _rows(self, starts: IntArray, ends: IntArray, *, lag_order: int, below: int | None) -> FloatArray:
        """Rows with at least lag_order lags, and fewer than `below`."""
        lengths = ends - starts
        first = np.cumsum(lengths) - lengths
        observations = np.arange(int(lengths.sum())) + np.repeat(starts - first, lengths)
        places = self.places[observations]
        is_row = places >= lag_order
        if below is not None:
            is_row &= places < below
        owner = np.repeat(np.arange(len(starts)), lengths)[is_row]
        rows, is_there = padded(observations[is_row], np.bincount(owner, minlength=len(starts)))
        return gathered_design(
            self.values,
            rows,
            is_there,
            time_index=self.time_index[rows],
            lag_order=lag_order,
            terms=self.terms,
            exogenous=self.exogenous,
        )


NO_ROW = -1
"""The place of an observation that no row can be made of."""


def row_places(runs: Runs, exogenous: FloatArray | None) -> IntArray:
    """(n_total,), how many lags each observation has; NO_ROW where one of exogenous, (n_total, q), has no value."""
    places = runs.places()
    return places if exogenous is None else np.where(np.isfinite(exogenous).all(axis=1), places, NO_ROW)


def complete_rows(runs: Runs, max_lags: int, exogenous: FloatArray | None) -> IntArray:
    """(n, max_lags + 1), by lag order how many observations of each series have that many lags, and a value of every
    exogenous variable, (n_total, q)."""
    counts = runs.complete_rows(max_lags)
    lacking = np.zeros(0, dtype=np.int64) if exogenous is None else np.flatnonzero(~np.isfinite(exogenous).all(axis=1))
    if not len(lacking):
        return counts
    owner = np.searchsorted(runs.series_offsets, lacking, side="right") - 1
    by_place = np.zeros_like(counts)
    np.add.at(by_place, (owner, np.minimum(runs.places()[lacking], max_lags)), 1)
    # an observation with three lags is a row of the orders 0 to 3
    return np.asarray(counts - by_place[:, ::-1].cumsum(axis=1)[:, ::-1], dtype=np.int64)


def padded(items: IntArray, counts: IntArray) -> tuple[IntArray, BoolArray]:
    """Items of n groups, one group after the other, as (n, largest count) with the mask of those that are there; the
    others repeat an item, so that they can be used as an index."""
    is_there = np.arange(int(counts.max(initial=0))) < counts[:, None]
    table = np.full(is_there.shape, items[0] if len(items) else 0, dtype=np.int64)
    table[is_there] = items
    return table, is_there


def time_indices(runs: Runs) -> FloatArray:
    """(n_total,), t of each observation: 1 at its series' first one, as in statsmodels, and on by periods."""
    offsets, periods = runs.series_offsets, runs.periods()
    lengths = np.diff(offsets)
    first = periods[np.minimum(offsets[:-1], max(len(periods) - 1, 0))] if len(periods) else np.zeros(len(lengths))
    return np.asarray(periods - np.repeat(first, lengths) + 1.0)
