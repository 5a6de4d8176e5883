"""A forecast of a VAR taken to pieces: each coefficient times the value that it was given, one step ahead.

Luetkepohl 2005, New introduction to multiple time series analysis, section 2.2.2: the forecast of variable i one step
ahead is its deterministic terms + sum over lags l and variables j of A_l[i, j] y_j(t + 1 - l), y being what the
transform of each variable makes of its levels. What follows from it is the level: that of the newest observation plus
the forecast change of a differenced variable, and exp of it where it is in logs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np

from penstock.config.exogenous import lead_column
from penstock.models.explanation.windows import Observation, as_numpy
from penstock.models.registry import model_metadata
from penstock.udfs.var.fleet_forecast import first_time_index
from penstock.udfs.var.fleet_model import ARTIFACT
from penstock.udfs.var.fleet_store import FleetStore, open_store
from penstock.udfs.var.kernel import FloatArray
from penstock.udfs.var.transform import differenced, logged, observations_lost, scale_variances, transform_lags


@dataclass(frozen=True, kw_only=True)
class Term:
    """coefficient and value are None of a season, whose part is computed as a whole."""

    name: str
    coefficient: float | None
    value: float | None
    product: float


@dataclass(frozen=True, kw_only=True)
class VariableTerms:
    """total: the sum of the terms, the forecast of the transformed variable. newest: the observation at the cutoff, on
    the scale (in logs for log and dlog). level: what the forecast of step 1 follows as."""

    variable: str
    transform: str
    terms: tuple[Term, ...]
    total: float
    newest: float
    level: float


@dataclass(frozen=True, kw_only=True)
class VarForecast:
    """lag_order: p. trend: of statsmodels (n, c, ct, ctt). season: its periods, 0 for none. time_index: t of step 1,
    with a trend in time or a season."""

    lag_order: int
    trend: str
    season: float
    exogenous: tuple[str, ...]
    time_index: float | None
    variables: tuple[VariableTerms, ...]

    def of(self, variable: str) -> Self:
        """Of this variable alone."""
        return replace(self, variables=tuple(one for one in self.variables if one.variable == variable))


def open_fleet(folder: Path) -> FleetStore | None:
    """The coefficients of a fleet model, by its files; None for a model of another kind."""
    function: Mapping[str, Any] = model_metadata(folder).flavors.get("python_function", {})
    artifact = (function.get("artifacts") or {}).get(ARTIFACT)
    return open_store(folder / artifact["path"]) if artifact else None


def var_forecast(
    store: FleetStore,
    *,
    series_id: str | int,
    cutoff: datetime,
    window: Sequence[Observation],
    leads: Mapping[str, float | None],
) -> VarForecast | None:
    """None where the fleet has no VAR of the series, or the window is too short for it. window: newest first."""
    about = store.about
    ids = np.array([series_id]) if isinstance(series_id, int) else np.array([series_id], dtype=object)
    place = int(store.find(ids)[0])
    if place < 0:
        return None
    order = int(store.lag_order[place])
    needed = max(1, order + observations_lost(about.transforms))
    if len(window) < needed:
        return None
    levels = np.array([[float(value or 0.0) for value in one.values] for one in window[:needed]])[..., None]
    lags, newest = transform_lags(levels, about.transforms)
    times = first_time_index(store, np.array([as_numpy(cutoff)]), np.array([place]))
    time = None if times is None else float(times[0])
    parts = np.split(np.array(store.records[place]), about.record_splits[:-1])
    trend, coefficients, widths, of_exogenous = (
        part.reshape(shape) for part, shape in zip(parts[:4], about.record_shapes[:4], strict=True)
    )
    variables = []
    for i, variable in enumerate(about.variables):
        terms = [
            *trend_terms(trend[:, i], time),
            *season_terms(store, place, times, i),
            *exogenous_terms(about.exogenous, of_exogenous[:, i], leads),
            *lag_terms(about.variables, coefficients[:order, i], lags[:, :, 0]),
        ]
        total = float(sum(term.product for term in terms))
        variables.append(
            VariableTerms(
                variable=variable,
                transform=about.transforms[i],
                terms=tuple(terms),
                total=total,
                newest=float(newest[i, 0]),
                level=level_of(store, i, total=total, newest=float(newest[i, 0]), width=widths[0, i]),
            )
        )
    return VarForecast(
        lag_order=order,
        trend=about.trend,
        season=about.season,
        exogenous=about.exogenous,
        time_index=time,
        variables=tuple(variables),
    )


def level_of(store: FleetStore, i: int, *, total: float, newest: float, width: float) -> float:
    """The forecast of step 1 in levels, the median or the mean as the fleet has it."""
    transforms = store.about.transforms
    scale = newest + total if differenced(transforms)[i] else total
    if not logged(transforms)[i]:
        return scale
    if store.about.point == "mean":
        scale += float(scale_variances(np.array(width), level=store.about.level)) / 2.0
    return float(np.exp(scale))


def trend_terms(coefficients: FloatArray, time: float | None) -> list[Term]:
    names = ("constant", "t", "t squared")
    values = [1.0] if time is None else [1.0, time, time * time]
    return [
        Term(name=name, coefficient=float(coefficient), value=value, product=float(coefficient) * value)
        for name, coefficient, value in zip(names, coefficients, values, strict=False)
    ]


def season_terms(store: FleetStore, place: int, times: FloatArray | None, i: int) -> list[Term]:
    about = store.about
    if not about.season or times is None:
        return []
    effects = about.terms.seasonal_effects(store.season, np.array([place]), times, horizon=1)
    return [Term(name=f"season of {about.season:g}", coefficient=None, value=None, product=float(effects[0, i, 0]))]


def exogenous_terms(names: Sequence[str], coefficients: FloatArray, leads: Mapping[str, float | None]) -> list[Term]:
    values = [leads.get(lead_column(name, 1)) for name in names]
    return [
        Term(name=name, coefficient=float(one), value=value, product=float(one) * (np.nan if value is None else value))
        for name, one, value in zip(names, coefficients, values, strict=True)
    ]


def lag_terms(variables: Sequence[str], coefficients: FloatArray, lags: FloatArray) -> list[Term]:
    """coefficients: (p, k), of one variable's equation. lags: (p, k), newest first."""
    return [
        Term(
            name=f"{variable}, lag {lag + 1}",
            coefficient=float(coefficients[lag, j]),
            value=float(lags[lag, j]),
            product=float(coefficients[lag, j]) * float(lags[lag, j]),
        )
        for lag in range(len(coefficients))
        for j, variable in enumerate(variables)
    ]
