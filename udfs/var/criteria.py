"""The information criteria by which the fit of one series compares lag orders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fit import transformed_observations
from .fleet_fit import FitSettings, smallest_lag_order
from .kernel import FloatArray, IntArray
from .least_squares import information_criteria, triangular_factor
from .packs import packs
from .runs import runs_of


@dataclass(frozen=True, kw_only=True)
class LagOrderCriteria:
    """lag_orders: (orders,), those tried. values: by CRITERIA, (orders,) each. n_rows: of the common sample."""

    lag_orders: IntArray
    values: dict[str, FloatArray]
    n_rows: int


def lag_order_criteria(levels: FloatArray, periods: FloatArray, settings: FitSettings) -> LagOrderCriteria:
    """Of a series that `fit_fleet` fits: levels (n, k), periods (n,), as there.

    Raises ValueError for a series too short for any of its lag orders.
    """
    observations = transformed_observations(levels, runs_of(np.array([0, len(levels)]), periods), settings)
    max_lags = int(observations.max_lags[0])
    if max_lags < 0:
        raise ValueError("the series is too short for any lag order")
    [pack] = packs(np.array([0]), observations, settings)
    n_rows = observations.complete_rows[[0], max_lags]
    values = information_criteria(
        triangular_factor(pack.samples.common()),
        n_rows,
        max_lags=max_lags,
        n_variables=levels.shape[1],
        trend=settings.trend,
    )
    return LagOrderCriteria(
        lag_orders=np.arange(smallest_lag_order(settings.trend), max_lags + 1),
        values={name: of_series[0] for name, of_series in values.items()},
        n_rows=int(n_rows[0]),
    )
