"""Forecasts of a fleet from a frame of lagged levels and of leads of exogenous variables, vectorised over rows."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .exogenous_effects import exogenous_effects
from .fleet_calendar import period_numbers, whole
from .fleet_fallback import METHOD, NO_METHOD, OWN_VAR, fallback_forecasts, fallback_lags
from .fleet_store import FleetAbout, FleetStore
from .kernel import ROWS_PER_BLOCK, FloatArray, IntArray, forecast_columns, normal_quantile
from .transform import (
    bounds_in_levels,
    differenced,
    observations_lost,
    points_to_levels,
    scale_points,
    scale_variances,
    transform_lags,
)

UNKNOWN_SERIES = -1
"""`lag_order` of a series that isn't in the fleet; its `needed` is 0."""

FIRST_REFUSED = -2
"""`lag_order` of a series that the fit refused for the first of the model's `refused_reasons`; -3 is the second one."""

BOUNDS = ("forecast", "lower", "upper")


def level_lags(about: FleetAbout) -> int:
    """How many lagged levels of each variable the model takes: those of its VARs, and of its fallback."""
    return max(var_level_lags(about), fallback_lags(about))


def var_level_lags(about: FleetAbout) -> int:
    """How many the VARs take: one more than lags if any variable is differenced."""
    return max(1, about.max_lag_order + observations_lost(about.transforms))


def lag_columns(about: FleetAbout) -> list[str]:
    """Names of the lagged levels in order: all variables at lag 0 (the newest), then at lag 1, ..."""
    return [f"{variable}_lag{lag}" for lag in range(level_lags(about)) for variable in about.variables]


def lead_columns(about: FleetAbout) -> list[str]:
    """Names of the exogenous variables' values in order: all of them 1 period after the cutoff, then 2 periods, ..."""
    return [f"{name}_lead{step}" for step in range(1, about.horizon + 1) for name in about.exogenous]


def output_name(variable: str, bound: str, step: int, *, level: float | None = None) -> str:
    """Of a model's output. level: of an interval beside the model's main one; it ends the name in percent, `_50` for
    0.5 and `_99_5` for 0.995."""
    name = f"{variable}_{bound}_{step}"
    if level is None:
        return name
    percent = f"{(Decimal(str(level)) * 100).normalize():f}"
    return f"{name}_{percent.replace('.', '_')}"


def forecast_columns_of(about: FleetAbout) -> list[str]:
    """Names of the forecasts in order: step by step, variable by variable, forecast, lower, upper, and the bounds of
    the further levels."""
    outputs: list[tuple[str, float | None]] = [(bound, None) for bound in BOUNDS]
    outputs += [(bound, level) for level in about.levels for bound in BOUNDS[1:]]
    return [
        output_name(variable, bound, step, level=level)
        for step in range(1, about.horizon + 1)
        for variable in about.variables
        for bound, level in outputs
    ]


def forecast_frame(store: FleetStore, frame: pd.DataFrame) -> pd.DataFrame:
    """One row of forecasts per row of `frame`, in the same order and with the same index.

    Columns in: series_id, ds (the cutoff), `lag_columns`, and `lead_columns`, of which one that is not there has no
    value; out: lag_order, needed, `method` if the fleet has a fallback, `forecast_columns_of`.
    """
    columns = {name: frame[name].to_numpy() for name in ("series_id", "ds", *lag_columns(store.about))}
    for name in lead_columns(store.about):
        columns[name] = frame[name].to_numpy() if name in frame else np.full(len(frame), np.nan)
    lag_order, needed, values = forecast_arrays(store, columns)
    method = _fall_back(store, columns, values) if store.about.fallback != "none" else None
    names = forecast_columns_of(store.about)
    forecasts = pd.DataFrame(values.T, index=frame.index, columns=names, copy=False)
    if method is not None:
        forecasts.insert(0, METHOD, method)
    forecasts.insert(0, "needed", needed)
    forecasts.insert(0, "lag_order", lag_order)
    return forecasts


def forecast_arrays(store: FleetStore, columns: Mapping[str, NDArray[Any]]) -> tuple[IntArray, IntArray, FloatArray]:
    """lag_order (n,), needed (n,) and forecasts (len(forecast_columns_of), n) from one array per input
    column. lag_order is negative for a series without a model: UNKNOWN_SERIES, or why the fit refused it. A row has a
    forecast only if it has the values of all exogenous variables in all steps."""
    about = store.about
    places = store.find(columns["series_id"])
    is_known = places >= 0
    safe_places = np.where(is_known, places, 0)
    n_rows, n_variables = len(places), len(about.variables)
    if len(store.lag_order):
        lag_order = np.where(is_known, store.lag_order[safe_places], UNKNOWN_SERIES).astype(np.int64)
    else:
        lag_order = np.full(n_rows, UNKNOWN_SERIES, dtype=np.int64)
    if not is_known.all():
        codes = store.find_refused(columns["series_id"][~is_known])
        lag_order[~is_known] = np.where(codes >= 0, FIRST_REFUSED - codes, UNKNOWN_SERIES)
    # a VAR(0) of levels needs no lag, but the observation at the cutoff has to be there
    needed = np.where(is_known, np.maximum(1, lag_order + observations_lost(about.transforms)), 0)
    n_outputs = len(BOUNDS) + 2 * len(about.levels)
    values = np.full((about.horizon, n_variables, n_outputs, n_rows), np.nan)
    time_index = first_time_index(store, columns["ds"], safe_places)
    names = lag_columns(about)[: var_level_lags(about) * n_variables]
    lags = [np.asarray(columns[name], dtype=np.float64) for name in names]
    leads = [np.asarray(columns[name], dtype=np.float64) for name in lead_columns(about)]
    for start in range(0, n_rows if is_known.any() else 0, ROWS_PER_BLOCK):
        block = slice(start, min(start + ROWS_PER_BLOCK, n_rows))
        levels = np.stack([lag[block] for lag in lags]).reshape(-1, n_variables, block.stop - start)
        _forecast_block(
            store,
            levels=levels,
            places=safe_places[block],
            lag_order=lag_order[block],
            needed=needed[block],
            time_index=None if time_index is None else time_index[block],
            exogenous=np.stack([lead[block] for lead in leads]).reshape(about.horizon, -1, block.stop - start)
            if leads
            else None,
            out=values[..., block],
        )
    return (
        lag_order,
        needed.astype(np.int64),
        values.reshape(about.horizon * n_variables * n_outputs, n_rows),
    )


def _fall_back(store: FleetStore, columns: Mapping[str, NDArray[Any]], values: FloatArray) -> IntArray:
    """(n,), the `method` of each row; writes forecasts into `values`, as of `forecast_arrays`, where the VAR gives
    none."""
    about = store.about
    method = np.where(np.isnan(values[0]), NO_METHOD, OWN_VAR).astype(np.int64)
    rows = np.flatnonzero(method == NO_METHOD)
    if len(rows):
        lags = [np.asarray(columns[name], dtype=np.float64)[rows] for name in lag_columns(about)]
        levels = np.stack(lags).reshape(-1, len(about.variables), len(rows))
        made, method[rows] = fallback_forecasts(store, ids=columns["series_id"][rows], levels=levels)
        values[:, rows] = made.reshape(len(values), len(rows))
    return method


def first_time_index(store: FleetStore, ds: NDArray[Any], places: IntArray) -> FloatArray | None:
    """(n,), the time index of step 1, NaN where the cutoff isn't on the calendar; None without a trend in
    time or a season."""
    if not store.about.terms.counts_periods or not len(store.time_origin):
        return None
    numbers = period_numbers(
        np.asarray(ds, dtype="datetime64[ns]"),
        frequency=store.about.frequency,
        anchor=np.datetime64(store.about.anchor, "ns"),
        holidays=store.about.holidays,
    )
    return whole(numbers + store.time_origin[places]) + 1.0


def _forecast_block(
    store: FleetStore,
    *,
    levels: FloatArray,
    places: IntArray,
    lag_order: IntArray,
    needed: IntArray,
    time_index: FloatArray | None,
    exogenous: FloatArray | None,
    out: FloatArray,
) -> None:
    """levels (level_lags, k, rows), places (rows,), of the series in the store, exogenous (horizon, q, rows); writes
    out (horizon, k, outputs, rows), NaN where it can't."""
    about = store.about
    # rows last and contiguous: from here on every operation is elementwise over rows
    *ends, before_season, _ = about.record_splits
    fields = np.split(np.array(store.records[places, :before_season].T, order="C"), ends)
    trend, coefficients, widths, of_exogenous = (
        part.reshape(*shape, -1) if part.size else np.zeros((*shape, len(places)))
        for part, shape in zip(fields, about.record_shapes[:-1], strict=True)
    )
    seasonal = None
    if about.season and time_index is not None:
        seasonal = about.terms.seasonal_effects(store.season, places, time_index, horizon=about.horizon)
    if exogenous is not None:
        effects = exogenous_effects(of_exogenous, exogenous)
        seasonal = effects if seasonal is None else seasonal + effects
    is_complete = np.logical_and.accumulate(np.isfinite(levels).all(axis=1), axis=0)
    is_usable = (lag_order >= 0) & (is_complete.sum(axis=0) >= needed)
    lags, newest = transform_lags(levels, about.transforms)
    is_usable &= np.isfinite(newest[differenced(about.transforms)]).all(axis=0)
    for lag in range(about.max_lag_order):
        is_beyond = lag_order <= lag
        is_usable &= is_beyond | np.isfinite(lags[lag]).all(axis=0)
        np.copyto(lags[lag], 0.0, where=is_beyond | ~is_usable)
    points = forecast_columns(
        coefficients=coefficients,
        trend_coefficients=trend,
        lags=lags,
        horizon=about.horizon,
        first_time_index=time_index,
        seasonal=seasonal,
    )
    medians = scale_points(points, newest=newest, transforms=about.transforms)
    bounds = [*bounds_in_levels(medians, half_widths=widths, transforms=about.transforms)]
    for level in about.levels:
        further = widths * (normal_quantile(level) / normal_quantile(about.level))
        bounds += bounds_in_levels(medians, half_widths=further, transforms=about.transforms)
    variances = scale_variances(widths, level=about.level) if about.point == "mean" else None
    points_to_levels(medians, transforms=about.transforms, variances=variances)
    for place, bound in enumerate([medians, *bounds]):
        out[:, :, place] = bound
    out[..., ~is_usable] = np.nan
