"""Forecasts of series that have none of a VAR of their own: the newest level carried on, with a random walk's interval.

The changes of a random walk from one period to the next are independent with standard deviation s on the scale, so that
the error h steps ahead has s sqrt(h) (Hyndman and Athanasopoulos 2021, Forecasting: Principles and Practice, 3rd
edition, section 5.5). s is that of the series itself, or else of the fleet, see `WalkSpreads`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .fleet_ids import find_ids
from .fleet_store import FleetStore, WalkSpreads
from .kernel import FloatArray, normal_quantile
from .transform import BoolArray, logged, to_scale

FALLBACKS = ("none", "naive")
"""What a series without a forecast of its own VAR gets."""

METHOD = "method"
"""The output column that says by which method a row's forecast was made; only models with a fallback have it."""

NO_METHOD, OWN_VAR, NAIVE = -1, 0, 1
"""Values of `method`: there is no forecast; it is of the VAR of the series; it is the newest level carried on."""

LEAST_CHANGES = 6
"""From how many changes a series' own spread is taken. The actual value is within 1.96 root mean squares of 6 normal
changes with probability .902 (Student's t with 6 degrees of freedom), of 4 with .878."""


def check_fallback(fallback: str) -> None:
    """Raise ValueError for a name that isn't one of FALLBACKS."""
    if fallback not in FALLBACKS:
        raise ValueError(f"unknown fallback {fallback}; use one of {', '.join(FALLBACKS)}")


def naive_forecasts(store: FleetStore, *, ids: NDArray[np.generic], levels: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Random walk forecasts, (horizon, k, outputs, rows): point, lower, upper, and the bounds of each further level of
    the fleet; and which rows have one, (rows,).

    ids: (rows,). levels: (level_lags, k, rows), newest first, NaN where there is none. A row has a forecast if the
    newest level of every variable is there, and positive for a variable in logs. Bounds are NaN where no spread is
    known. The mean of a variable in logs is exp(mu + sigma^2 / 2) with the variance of its step.
    """
    about = store.about
    is_logged, newest = logged(about.transforms), levels[0]
    scale = to_scale(levels, about.transforms)
    spreads = store.spreads or WalkSpreads.unknown(len(about.variables))
    spread = own_spreads(store, spreads, ids)
    for other in (window_spreads(scale), spreads.fleet[:, None]):
        spread = np.where(np.isnan(spread), other, spread)
    deviations = spread * np.sqrt(np.arange(1.0, about.horizon + 1.0))[:, None, None]
    coverages = (about.level, *about.levels)
    forecasts = np.empty((about.horizon, len(about.variables), 1 + 2 * len(coverages), len(ids)))
    for i in range(len(about.variables)):
        deviation, level = np.ascontiguousarray(deviations[:, i]), newest[i]
        forecasts[:, i, 0] = level
        with np.errstate(over="ignore", invalid="ignore"):
            for number, coverage in enumerate(coverages):
                width = normal_quantile(coverage) * deviation
                lower, upper = level - width, level + width
                if is_logged[i]:
                    lower, upper = level * np.exp(-width), level * np.exp(width)
                forecasts[:, i, 1 + 2 * number], forecasts[:, i, 2 + 2 * number] = lower, upper
            if is_logged[i] and about.point == "mean":
                forecasts[:, i, 0] = level * np.exp(np.square(deviation) / 2.0)
    # the mean of a variable in logs is not known without a spread
    is_made = np.isfinite(scale[0]).all(axis=0) & ~np.isnan(forecasts[:, :, 0]).any(axis=(0, 1))
    forecasts[..., ~is_made] = np.nan
    return forecasts, is_made


def own_spreads(store: FleetStore, spreads: WalkSpreads, ids: NDArray[np.generic]) -> FloatArray:
    """(k, rows), what the fit knows of each series itself, NaN where it is nothing."""
    found = np.full((len(store.about.variables), len(ids)), np.nan)
    for places, known in (
        (store.find(ids), spreads.own),
        (find_ids(store.refused_index, ids) if len(spreads.refused) else np.full(len(ids), -1), spreads.refused),
    ):
        found[:, places >= 0] = known[places[places >= 0]].T
    return found


def window_spreads(scale: FloatArray) -> FloatArray:
    """(k, rows), the root mean squares of the changes in windows on the scale, (level_lags, k, rows), newest first; NaN
    for fewer than LEAST_CHANGES in succession, and where nothing changes."""
    is_known = np.logical_and.accumulate(np.isfinite(scale).all(axis=1), axis=0)
    count = is_known[1:].sum(axis=0)
    total = np.zeros(scale.shape[1:])
    # lag by lag: a sum over the first axis could round differently with the number of rows
    for lag in range(len(scale) - 1):
        with np.errstate(invalid="ignore"):
            total += np.where(is_known[lag + 1], np.square(scale[lag] - scale[lag + 1]), 0.0)
    is_enough = (count >= LEAST_CHANGES) & (total > 0.0)
    return np.where(is_enough, np.sqrt(total / np.maximum(count, 1)), np.nan)
