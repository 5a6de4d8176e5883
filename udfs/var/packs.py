"""Groups of series of similar size, which are worked on together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .deterministic import DeterministicTerms
from .fleet_fit import FitSettings
from .kernel import FloatArray, IntArray
from .runs import Runs
from .samples import HoledSamples, Samples, WholeSamples, time_indices

BYTES_PER_PACK = 1_500_000
"""Size of the [Z Y] matrices of the series that are worked on together."""

LENGTH_RATIO_PER_PACK = 1.25
"""Series in a pack differ in rows at most by this factor: padding costs at most that much time."""


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What the VARs of n series are fitted on. values: (n_total, k), transformed; runs: of them; complete_rows:
    (n, max_lags + 1), by lag order how many of them have that many lags; max_lags: (n,), the largest order that each
    series bears, -1 for one that is too short."""

    values: FloatArray
    runs: Runs
    complete_rows: IntArray
    max_lags: IntArray

    @property
    def n_obs(self) -> IntArray:
        """(n,)."""
        return np.diff(self.runs.series_offsets)


@dataclass(frozen=True, kw_only=True)
class Pack:
    """members: (series,), their positions. samples: up to max_lags, which is the same for all of them."""

    members: IntArray
    max_lags: int
    samples: Samples


def packs(accepted: IntArray, observations: Observations, settings: FitSettings) -> Iterator[Pack]:
    """Series with holes, and those that bear fewer lags, have packs of their own."""
    has_holes = observations.runs.n_holes[accepted] > 0
    places, time_index = np.zeros(0, dtype=np.int64), np.zeros(0)
    if has_holes.any():
        places, time_index = observations.runs.places(), time_indices(observations.runs)
    offsets = observations.runs.series_offsets
    max_lags = observations.max_lags[accepted]
    for lags in np.unique(max_lags).tolist():
        width = settings.terms.n_terms + (lags + 1) * len(settings.transforms)
        whole, holed = (accepted[(max_lags == lags) & (has_holes == one)] for one in (False, True))
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
    return WholeSamples(
        values=observations.values[np.minimum(times, len(observations.values) - 1)],
        n_obs=n_obs,
        max_lags=max_lags,
        terms=terms,
    )
