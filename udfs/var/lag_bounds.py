"""How many lags a series' rows bear, and why it is refused when they bear none."""

from __future__ import annotations

import numpy as np

from .fleet_fit import FitSettings
from .kernel import IntArray

TOO_SHORT = "too short"


def lags_borne(complete_rows: IntArray, settings: FitSettings) -> IntArray:
    """(n,), the largest lag order whose sample leaves enough residual degrees of freedom; -1: the series is too short.

    complete_rows: (n, max_lags + 1), by lag order the rows of [Z Y] that each series has. The largest order is tried
    with a criterion; without one there is only max_lags itself.
    """
    needed = np.array([settings.rows_needed(lag_order) for lag_order in range(settings.max_lags + 1)])
    # a larger order needs more rows and has fewer: those that are borne are the first ones
    borne = (complete_rows >= needed).sum(axis=1) - 1
    return np.where(borne >= least_lags(settings), borne, -1)


def least_lags(settings: FitSettings) -> int:
    """The order that a series must bear. With a criterion one lag is enough: fewer, and there is nothing to choose."""
    return settings.max_lags if settings.criterion is None else min(1, settings.max_lags)


def too_short(*, n_obs: int, n_rows: int, n_holes: int, settings: FitSettings, lacking: str = "") -> str:
    """The reason of a series of n_obs transformed observations, n_rows of which come after `least_lags` others and have
    their exogenous variables. lacking: in how many observations which of these have no value; empty if in none."""
    lags = least_lags(settings)
    needed = settings.rows_needed(lags)
    plural = "" if lags == 1 else "s"
    if not n_holes and not lacking:
        return f"{TOO_SHORT}: {n_obs} observations after the transform, {needed + lags} needed for {lags} lag{plural}"
    holes = f"{n_holes} hole{'s' if n_holes > 1 else ''}"
    faults = " and ".join(
        [*([holes] if n_holes else []), *([f"no value of an exogenous variable ({lacking})"] if lacking else [])]
    )
    after = f"come after {lags} other{plural} without a hole"
    return (
        f"{TOO_SHORT}: {n_obs} observations after the transform have {faults}, so that only {n_rows} "
        f"{after + (' and have all exogenous variables' if lacking else '')}; {needed} needed"
    )
