"""Forecasts of series that have none of a VAR of their own: by a VAR of all series together, by the last season
repeated, or by the newest level carried on.

The VAR of all series is in `pooled_var`. The other two have the interval of a random walk. The changes of one from one
period to the next are independent with standard deviation s on the scale, so that the error h steps ahead has s sqrt(h)
(Hyndman and Athanasopoulos 2021, Forecasting: Principles and Practice, 3rd edition, section 5.5). Those of a seasonal
random walk are from one season to the next, and the error has s times the root of the number of seasons ahead,
floor((h - 1) / m) + 1. s is that of the series itself, or else of the fleet, see `WalkSpreads`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .fleet_ids import find_ids
from .fleet_store import FleetAbout, FleetStore, WalkSpreads
from .kernel import FloatArray, IntArray, normal_quantile
from .pooled_var import PooledVar
from .transform import BoolArray, logged, to_scale

FALLBACKS = ("none", "naive", "seasonal_naive", "pooled")
"""What a series without a forecast of its own VAR gets."""

METHOD = "method"
"""The output column that says by which method a row's forecast was made; only models with a fallback have it."""

NO_METHOD, OWN_VAR, NAIVE, SEASONAL_NAIVE, POOLED = -1, 0, 1, 2, 3
"""Values of `method`: there is no forecast; it is of the VAR of the series; it is the newest level carried on; it
repeats the last season; it is of the VAR of all series together."""

LEAST_CHANGES = 6
"""From how many changes a series' own spread is taken. The actual value is within 1.96 root mean squares of 6 normal
changes with probability .902 (Student's t with 6 degrees of freedom), of 4 with .878."""


def check_fallback(fallback: str, *, season: float) -> None:
    """Raise ValueError for a name that isn't one of FALLBACKS, and for one that does not go with the season."""
    if fallback not in FALLBACKS:
        raise ValueError(f"unknown fallback {fallback}; use one of {', '.join(FALLBACKS)}")
    if fallback == "seasonal_naive" and not (season > 1 and season == int(season)):
        found = f"season {season:g}" if season else "no season"
        raise ValueError(f"fallback seasonal_naive with {found}: set season to a whole number of periods, or use naive")
    if fallback == "pooled" and season:
        raise ValueError(
            f"fallback pooled with season {season:g}: the phases of a season are those of each series, which have no "
            "common ones; use seasonal_naive or naive"
        )


def fallback_lags(about: FleetAbout) -> int:
    """How many lagged levels a fallback takes, so far as it takes any that the VARs do not."""
    return {"seasonal_naive": int(about.season), "pooled": 2}.get(about.fallback, 0)


def fallback_forecasts(
    store: FleetStore, *, ids: NDArray[np.generic], levels: FloatArray
) -> tuple[FloatArray, IntArray]:
    """The forecasts by the fleet's fallback, or where a row is too short for it the naive ones, as of `made_of`; and
    the `method` of each row, (rows,), NO_METHOD for one without a forecast.

    ids: (rows,). levels: (level_lags, k, rows), newest first, NaN where there is none.
    """
    forecasts, is_made = naive_forecasts(store, ids=ids, levels=levels)
    method = np.where(is_made, NAIVE, NO_METHOD).astype(np.int64)
    if store.about.fallback == "seasonal_naive":
        better, is_better = seasonal_forecasts(store, ids=ids, levels=levels)
        forecasts[..., is_better] = better[..., is_better]
        method[is_better] = SEASONAL_NAIVE
    if store.pooled is not None:
        better, is_better = pooled_forecasts(store, store.pooled, ids=ids, levels=levels)
        forecasts[..., is_better] = better[..., is_better]
        method[is_better] = POOLED
    return forecasts, method


def naive_forecasts(store: FleetStore, *, ids: NDArray[np.generic], levels: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Random walk forecasts, and which rows have one, (rows,): those whose newest level of every variable is there, and
    positive for a variable in logs. The rest as in `fallback_forecasts`."""
    about = store.about
    scale = to_scale(levels, about.transforms)
    deviations = walk_spreads(store, ids, scale) * np.sqrt(np.arange(1.0, about.horizon + 1.0))[:, None, None]
    medians = np.broadcast_to(levels[0], deviations.shape)
    return made_of(about, medians=medians, deviations=deviations, may_be=np.isfinite(scale[0]).all(axis=0))


def seasonal_forecasts(
    store: FleetStore, *, ids: NDArray[np.generic], levels: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Those of a seasonal random walk: each step has the level of its phase in the last season. A row has one if the
    newest level and all these are there. The rest as in `naive_forecasts`."""
    about = store.about
    season = int(about.season)
    ahead = np.arange(about.horizon)
    needed = np.unique([0, *(season - 1 - ahead % season)])
    scale = to_scale(levels[needed], about.transforms)
    spreads = store.seasonal_spreads
    spread = first_known(own_spreads(store, spreads, ids), fleet_spread(store, spreads))
    deviations = spread * np.sqrt(ahead // season + 1.0)[:, None, None]
    medians = levels[season - 1 - ahead % season]
    is_there = np.isfinite(scale).all(axis=1).all(axis=0)
    return made_of(about, medians=medians, deviations=deviations, may_be=np.asarray(is_there))


def pooled_forecasts(
    store: FleetStore, pooled: PooledVar, *, ids: NDArray[np.generic], levels: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """Those of the VAR of all series together, with as many lags as the row has, up to the VAR's. A row has one if its
    two newest levels are there and its spread is known. The rest as in `naive_forecasts`.

    The spread is the unit of the point too, and the fleet's is that of no series where these have sizes: it serves only
    variables in logs, which have none.
    """
    about, transforms = store.about, store.about.transforms
    scale = to_scale(levels, transforms)
    is_logged = logged(transforms)
    of_fleet = np.where(is_logged[:, None], fleet_spread(store, store.spreads), np.nan)
    spread = first_known(own_spreads(store, store.spreads, ids), window_spreads(scale), of_fleet)
    known = np.logical_and.accumulate(np.isfinite(scale).all(axis=1), axis=0).sum(axis=0)
    n_lags = np.where(np.isfinite(spread).all(axis=0), np.minimum(known - 1, pooled.max_lags), 0)
    medians, deviations = (np.full((about.horizon, *scale.shape[1:]), np.nan) for _ in range(2))
    for used in np.unique(n_lags[n_lags > 0]).tolist():
        rows = np.flatnonzero(n_lags == used)
        changes = (scale[:used, :, rows] - scale[1 : used + 1, :, rows]) / spread[:, rows]
        ahead = pooled.changes_ahead(changes) * spread[:, rows]
        newest = levels[0][:, rows]
        for i in range(len(transforms)):
            change = np.ascontiguousarray(ahead[:, i])
            with np.errstate(over="ignore"):
                medians[:, i, rows] = newest[i] * np.exp(change) if is_logged[i] else newest[i] + change
        deviations[..., rows] = pooled.deviations[used - 1, ..., None] * spread[:, rows]
    return made_of(about, medians=medians, deviations=deviations, may_be=n_lags > 0)


def made_of(
    about: FleetAbout, *, medians: FloatArray, deviations: FloatArray, may_be: BoolArray
) -> tuple[FloatArray, BoolArray]:
    """Forecasts in levels, (horizon, k, outputs, rows): point, lower, upper, and the bounds of each further level of
    the fleet; and which rows have one, (rows,), of those that may.

    medians: (horizon, k, rows), in levels. deviations: the same of the errors' standard deviations on the scale, NaN
    where none is known: there are no bounds then. The mean of a variable in logs is exp(mu + sigma^2 / 2) with the
    variance of its step, and not known without it.
    """
    is_logged = logged(about.transforms)
    coverages = (about.level, *about.levels)
    forecasts = np.empty((about.horizon, len(about.variables), 1 + 2 * len(coverages), len(may_be)))
    for i in range(len(about.variables)):
        # contiguous before exp: a strided one may take another code path and round differently
        deviation, level = np.ascontiguousarray(deviations[:, i]), medians[:, i]
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
    is_made = may_be & ~np.isnan(forecasts[:, :, 0]).any(axis=(0, 1))
    forecasts[..., ~is_made] = np.nan
    return forecasts, is_made


def first_known(*spreads: FloatArray) -> FloatArray:
    """(k, rows), the first of the spreads that is not NaN."""
    spread = spreads[0]
    for other in spreads[1:]:
        spread = np.where(np.isnan(spread), other, spread)
    return spread


def walk_spreads(store: FleetStore, ids: NDArray[np.generic], scale: FloatArray) -> FloatArray:
    """(k, rows), of the changes from one period to the next: of the series itself as the fit knows it, of the levels on
    the scale that are given, or of the fleet."""
    return first_known(
        own_spreads(store, store.spreads, ids), window_spreads(scale), fleet_spread(store, store.spreads)
    )


def fleet_spread(store: FleetStore, spreads: WalkSpreads | None) -> FloatArray:
    """(k, 1)."""
    return (spreads or WalkSpreads.unknown(len(store.about.variables))).fleet[:, None]


def own_spreads(store: FleetStore, spreads: WalkSpreads | None, ids: NDArray[np.generic]) -> FloatArray:
    """(k, rows), what the fit knows of each series itself, NaN where it is nothing."""
    found = np.full((len(store.about.variables), len(ids)), np.nan)
    if spreads is None:
        return found
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
