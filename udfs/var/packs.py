"""Groups of series of similar size, which are worked on together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .fleet_fit import FitSettings
from .kernel import TREND_TERMS, FloatArray, IntArray
from .runs import Runs
from .samples import HoledSamples, Samples, WholeSamples, time_indices

BYTES_PER_PACK = 1_500_000
"""Size of the [Z Y] matrices of the series that are worked on together."""

LENGTH_RATIO_PER_PACK = 1.25
"""Series in a pack differ in rows at most by this factor: padding costs at most that much time."""


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What the VARs of n series are fitted on. values: (n_total, k), transformed; runs: of them; complete_rows:
    (n, max_lags + 1), by lag order how many of them have that many lags."""

    values: FloatArray
    runs: Runs
    complete_rows: IntArray

    @property
    def n_obs(self) -> IntArray:
        """(n,)."""
        return np.diff(self.runs.series_offsets)


def packs(accepted: IntArray, observations: Observations, settings: FitSettings) -> Iterator[tuple[IntArray, Samples]]:
    """The positions of each pack's series, and their samples. Series with holes have packs of their own."""
    has_holes = observations.runs.n_holes[accepted] > 0
    whole, holed = accepted[~has_holes], accepted[has_holes]
    for members in groups(whole, observations.n_obs, settings):
        yield members, whole_samples(members, observations, settings)
    if not len(holed):
        return
    places, time_index = observations.runs.places(), time_indices(observations.runs)
    offsets = observations.runs.series_offsets
    for members in groups(holed, observations.complete_rows[:, settings.max_lags], settings):
        yield (
            members,
            HoledSamples(
                values=observations.values,
                places=places,
                time_index=time_index,
                starts=offsets[members],
                ends=offsets[members + 1],
                max_lags=settings.max_lags,
                trend=settings.trend,
            ),
        )


def groups(members: IntArray, sizes: IntArray, settings: FitSettings) -> Iterator[IntArray]:
    """Members of similar size, few enough for BYTES_PER_PACK. sizes: by position, in rows."""
    order = members[np.argsort(sizes[members], kind="stable")]
    lengths = sizes[order]
    width = TREND_TERMS[settings.trend] + (settings.max_lags + 1) * len(settings.transforms)
    start = 0
    while start < len(order):
        longest = int(lengths[start] * LENGTH_RATIO_PER_PACK)
        room = max(1, BYTES_PER_PACK // (8 * width * longest))
        end = min(int(np.searchsorted(lengths, longest, side="right")), start + room)
        yield order[start:end]
        start = end


def whole_samples(members: IntArray, observations: Observations, settings: FitSettings) -> WholeSamples:
    starts, n_obs = observations.runs.series_offsets[members], observations.n_obs[members]
    times = starts[:, None] + np.arange(int(n_obs.max()))
    return WholeSamples(
        values=observations.values[np.minimum(times, len(observations.values) - 1)],
        n_obs=n_obs,
        max_lags=settings.max_lags,
        trend=settings.trend,
    )
