"""Checks of the data before the fit: why a series can't be fitted; all series at once."""

from __future__ import annotations

import numpy as np

from .fleet_fit import FitSettings
from .kernel import FloatArray, IntArray
from .lag_bounds import least_lags, too_short
from .packs import Observations


def reasons_before_fitting(
    levels: FloatArray, offsets: IntArray, observations: Observations, settings: FitSettings
) -> dict[int, str]:
    """Reasons by position, for series whose data rules out a fit."""
    reasons: dict[int, str] = {}
    values, value_offsets, n_obs = observations.values, observations.runs.series_offsets, observations.n_obs
    nonempty = np.flatnonzero(n_obs > 0)
    if len(nonempty):
        # reduceat does not support empty segments, and empty ones can be left out
        starts = value_offsets[nonempty]
        is_constant = np.minimum.reduceat(values, starts) == np.maximum.reduceat(values, starts)
        for row in np.flatnonzero(is_constant.any(axis=1)):
            variables = ", ".join(str(i) for i in np.flatnonzero(is_constant[row]))
            reasons[int(nonempty[row])] = f"constant: variable {variables} after its transform"
    not_positive = _count_bad_rows(values, value_offsets)
    for position in np.flatnonzero(not_positive):
        reasons[int(position)] = f"log of a level that is not positive: {not_positive[position]} rows"
    not_finite, lengths = _count_bad_rows(levels, offsets), np.diff(offsets)
    for position in np.flatnonzero(not_finite):
        reasons[int(position)] = f"not finite: {not_finite[position]} of {lengths[position]} observations"
    n_rows, n_holes = observations.complete_rows[:, least_lags(settings)], observations.runs.n_holes
    for position in np.flatnonzero(observations.max_lags < 0):
        reasons[int(position)] = too_short(
            n_obs=int(n_obs[position]), n_rows=int(n_rows[position]), n_holes=int(n_holes[position]), settings=settings
        )
    return reasons


def _count_bad_rows(values: FloatArray, offsets: IntArray) -> IntArray:
    """How many rows of each series hold a NaN or an infinity."""
    is_finite = np.isfinite(values)
    if is_finite.all():
        return np.zeros(len(offsets) - 1, dtype=np.int64)
    running = np.concatenate([[0], np.cumsum(~is_finite.all(axis=1))])
    return np.asarray(running[offsets[1:]] - running[offsets[:-1]], dtype=np.int64)
