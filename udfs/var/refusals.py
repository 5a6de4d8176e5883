"""Checks of the data before the fit: why a series can't be fitted; all series at once."""

from __future__ import annotations

import numpy as np

from .fleet_fit import FitSettings
from .kernel import FloatArray, IntArray
from .lag_bounds import least_lags, too_short
from .packs import Observations

TOO_LARGE = "not finite: the values are too large to square"


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
            constant = ", ".join(settings.names[i] for i in np.flatnonzero(is_constant[row]))
            reasons[int(nonempty[row])] = f"constant: {constant} after its transform"
    for place, counts in _bad_values(values, value_offsets, settings.names).items():
        reasons[place] = f"log of a level that is not positive: {counts} rows"
    lengths = np.diff(offsets)
    for place, counts in _bad_values(levels, offsets, settings.names).items():
        reasons[place] = f"not finite: {counts} of {lengths[place]} observations"
    n_rows, n_holes = observations.complete_rows[:, least_lags(settings)], observations.runs.n_holes
    lacking = lacking_exogenous(observations, settings)
    for position in np.flatnonzero(observations.max_lags < 0):
        reasons[int(position)] = too_short(
            n_obs=int(n_obs[position]),
            n_rows=int(n_rows[position]),
            n_holes=int(n_holes[position]),
            settings=settings,
            lacking=lacking.get(int(position), ""),
        )
    return reasons


def lacking_exogenous(observations: Observations, settings: FitSettings) -> dict[int, str]:
    """By position `price in 3, sale in 1`: which exogenous variables have no value, and in how many observations."""
    if observations.exogenous is None:
        return {}
    return _bad_values(observations.exogenous, observations.runs.series_offsets, settings.exogenous)


def collinear(column: int, *, settings: FitSettings, max_lags: int, times: FloatArray) -> str:
    """The reason of a series whose column of [Z Y] at max_lags is a combination of those before it; times: (rows,), t
    of its rows."""
    terms, names = settings.terms, settings.names
    if column < terms.n_trend:
        return "collinear: the trend's terms are combinations of each other"
    if column >= terms.n_of_time and column < terms.n_terms:
        return collinear_exogenous(column - terms.n_of_time, settings)
    if column < terms.n_of_time:
        unseen = terms.unseen_phases(times)
        if not unseen:
            return f"collinear: {terms.names[column]} is a combination of the deterministic terms before it"
        phases = f"phase{'' if len(unseen) == 1 else 's'} {', '.join(map(str, unseen))} of {terms.season:g}"
        others = f" that comes after {max_lags} other{'' if max_lags == 1 else 's'} without a hole" if max_lags else ""
        return f"collinear: season: no observation in {phases}{others}"
    name = names[(column - terms.n_terms) % len(names)]
    others = "variables, lags and exogenous variables" if settings.exogenous else "variables and lags"
    return f"collinear: {name}, or one of its lags, is a combination of the other {others}"


def collinear_exogenous(place: int, settings: FitSettings) -> str:
    """place: of the variable, the first that is a combination of those before it and the terms of time."""
    before = settings.exogenous[:place]
    of_time = [
        *(["the constant"] if settings.terms.n_trend else []),
        *(["the trend"] if settings.terms.n_trend > 1 else []),
        *(["the season"] if settings.season else []),
    ]
    others = " and ".join([", ".join(part) for part in (of_time, before) if part]) or "nothing"
    return (
        f"collinear: exogenous variable {settings.exogenous[place]} does not vary in the rows of the fit, or is a "
        f"combination of {others}"
    )


def _bad_values(values: FloatArray, offsets: IntArray, names: tuple[str, ...]) -> dict[int, str]:
    """By position `a in 3, b in 1`: the variables with a NaN or an infinity, and in how many rows."""
    is_finite = np.isfinite(values)
    if is_finite.all():
        return {}
    running = np.concatenate([np.zeros((1, len(names)), dtype=np.int64), np.cumsum(~is_finite, axis=0)])
    counts = running[offsets[1:]] - running[offsets[:-1]]
    return {
        int(position): ", ".join(f"{names[i]} in {counts[position, i]}" for i in np.flatnonzero(counts[position]))
        for position in np.flatnonzero(counts.any(axis=1))
    }
