"""Groups of series of similar size, which are worked on together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .deterministic import DeterministicTerms
from .fleet_fit import FitSettings
from .kernel import FloatArray, IntArray
from .least_squares import BoolArray
from .runs import Runs
from .samples import HoledSamples, Samples, WholeSamples, row_places, time_indices

BYTES_PER_PACK = 1_500_000
"""Size of the [Z Y] matrices of the series that are worked on together."""

LENGTH_RATIO_PER_PACK = 1.25
"""Series in a pack differ in rows at most by this factor: padding costs at most that much time."""


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What the VARs of n series are fitted on. values: (n_total, k), transformed; runs: of them; complete_rows:
    (n, max_lags + 1), by lag order how many of them have that many lags and their exogenous variables; max_lags: (n,),
    the largest order that each series bears, -1 for one that is too short. exogenous: (n_total, q), None without any;
    what is not finite has no value."""

    values: FloatArray
    runs: Runs
    complete_rows: IntArray
    max_lags: IntArray
    exogenous: FloatArray | None = None

    @property
    def n_obs(self) -> IntArray:
        """(n,)."""
        return np.diff(self.runs.series_offsets)

    @property
    def is_whole(self) -> BoolArray:
        """(n,), which series have neither holes nor observations without a value of an exogenous variable."""
        is_whole = self.runs.n_holes == 0
        if self.exogenous is not None:
            is_whole = is_whole & (self.complete_rows[:, 0] == self.n_obs)
        return np.asarray(is_whole, dtype=bool)


@dataclass(frozen=True, kw_only=True)
class Pack:
    """members: (series,), their positions. samples: up to max_lags, which is the same for all of them."""

    members: IntArray
    max_lags: int
    samples: Samples


def packs(accepted: IntArray, observations: Observations, settings: FitSettings) -> Iterator[Pack]:
    """Series with holes, and those that bear fewer lags, have packs of their own."""
    is_whole = observations.is_whole[accepted]
    places, time_index = np.zeros(0, dtype=np.int64), np.zeros(0)
    if not is_whole.all():
        places = row_places(observations.runs, observations.exogenous)
        time_index = time_indices(observations.runs)
    offsets = observations.runs.series_offsets
    max_lags = observations.max_lags[accepted]
    for lags in np.unique(max_lags).tolist():
        width = settings.terms.n_terms + (lags + 1) * len(settings.transforms)
        whole, holed = (accepted[(max_lags == lags) & (is_whole == one)] for one in (True, False))
        for members in groups(whole, observations.n_obs, width=width):
            samples: Samples = whole_samples(members, observations, max_lags=lags, terms=settings.terms)
            yield Pack(members=members, max_lags=lags, samples=samples)
        for members in groups(holed, observations.complete_rows[:, lags], width=width):
            samples = HoledSamples(
                values=observations.values,
                places=places,
                time_index=time_index,
                starts=offsets[members],
                ends=offsets[members + 1],
                max_lags=lags,
                terms=settings.terms,
                exogenous=observations.exogenous,
            )
            yield Pack(members=members, max_lags=lags, samples=samples)


def groups(members: IntArray, sizes: IntArray, *, width: int) -> Iterator[IntArray]:
    """Members of similar size, few enough for BYTES_PER_PACK. sizes: by position, in rows; width: their columns."""
    order = members[np.argsort(sizes[members], kind="stable")]
    lengths = sizes[order]
    start = 0
    while start < len(order):
        longest = int(lengths[start] * LENGTH_RATIO_PER_PACK)
        room = max(1, BYTES_PER_PACK // (8 * width * longest))
        end = min(int(np.searchsorted(lengths, longest, side="right")), start + room)
        yield order[start:end]
        start = end


def whole_samples(
    members: IntArray, observations: Observations, *, max_lags: int, terms: DeterministicTerms
) -> WholeSamples:
    starts, n_obs = observations.runs.series_offsets[members], observations.n_obs[members]
    times = starts[:, None] + np.arange(int(n_obs.max()))
    rows = np.minimum(times, len(observations.values) - 1)
    return WholeSamples(
        values=observations.values[rows],
        n_obs=n_obs,
        max_lags=max_lags,
        terms=terms,
        exogenous=None if observations.exogenous is None else observations.exogenous[rows],
    )
