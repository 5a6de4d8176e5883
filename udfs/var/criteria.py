"""The information criteria by which the fit of one series compares lag orders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fleet_fit import FitSettings
from .kernel import FloatArray, IntArray
from .least_squares import information_criteria
from .packs import packs
from .runs import runs_of
from .seasonal_factor import factor_of
from .transformed import exogenous_of, transformed_observations


@dataclass(frozen=True, kw_only=True)
class LagOrderCriteria:
    """lag_orders: (orders,), those tried. values: by CRITERIA, (orders,) each. n_rows: of the common sample."""

    lag_orders: IntArray
    values: dict[str, FloatArray]
    n_rows: int


def lag_order_criteria(
    levels: FloatArray, periods: FloatArray, settings: FitSettings, *, exogenous: FloatArray | None = None
) -> LagOrderCriteria:
    """Of a series that `fit_fleet` fits: levels (n, k), periods (n,), exogenous (n, q), as there.

    Raises ValueError for a series too short for any of its lag orders.
    """
    observations = transformed_observations(
        levels,
        runs_of(np.array([0, len(levels)]), periods),
        settings,
        exogenous=exogenous_of(exogenous, settings, n_observations=len(levels)),
    )
    max_lags = int(observations.max_lags[0])
    if max_lags < 0:
        raise ValueError("the series is too short for any lag order")
    [pack] = packs(np.array([0]), observations, settings)
    n_rows = observations.complete_rows[[0], max_lags]
    values = information_criteria(
        factor_of(pack.samples.common(), settings.terms, are_in_step=pack.samples.are_in_step),
        n_rows,
        max_lags=max_lags,
        n_variables=levels.shape[1],
        terms=settings.terms,
    )
    return LagOrderCriteria(
        lag_orders=np.arange(settings.terms.smallest_lag_order, max_lags + 1),
        values={name: of_series[0] for name, of_series in values.items()},
        n_rows=int(n_rows[0]),
    )
