"""Tables of a series' data and of the fit's own model, which takes all rows with complete lags."""

from collections.abc import Collection

import numpy as np
import pandas as pd
import pyarrow as pa

from penstock.config.series import SeriesConfig
from penstock.models.inspection.report import Layout, ReportTable, moment
from penstock.models.inspection.responses import error_decomposition, impulse_responses
from penstock.udfs.var.bucket import at_observations
from penstock.udfs.var.criteria import lag_order_criteria
from penstock.udfs.var.exogenous_lookup import ExogenousValues
from penstock.udfs.var.fleet_calendar import next_periods
from penstock.udfs.var.fleet_fit import CRITERIA, FitSettings, FleetFit
from penstock.udfs.var.histories import Histories
from penstock.udfs.var.kernel import FloatArray
from penstock.udfs.var.origins import model_forecast
from penstock.udfs.var.runs import runs_of
from penstock.udfs.var.transform import observations_lost


def variables_table(rows: pa.Table, series: SeriesConfig) -> ReportTable:
    """rows: `SeriesObservations.rows`."""
    found = []
    for variable, transform in zip(series.variables, series.transforms, strict=True):
        values = rows[variable].to_numpy().astype(np.float64)
        known = values[~np.isnan(values)]
        extent = (known.min(), known.mean(), known.max()) if len(known) else (np.nan,) * 3
        found.append((variable, transform, len(known), len(values) - len(known), *extent))
    columns = ["variable", "transform", "values", "nulls", "minimum", "mean", "maximum"]
    return ReportTable(
        name="variables", title="Variables", frame=pd.DataFrame(found, columns=columns), note="In levels."
    )


def exogenous_table(
    known: ExogenousValues, given: Histories, names: tuple[str, ...], *, horizon: int
) -> tuple[ReportTable, ...]:
    """variable, values and missing (in the periods of the observations), ahead (for how many periods after the last one
    in succession), minimum, mean, maximum; none without an observation."""
    if not len(given.ids):
        return ()
    at_observations, ahead = known.at(given.series, given.periods), values_ahead(known, given, steps=horizon)
    rows = []
    for place, name in enumerate(names):
        values = at_observations[:, place]
        there = values[np.isfinite(values)]
        n_ahead = int(np.logical_and.accumulate(np.isfinite(ahead[:, place])).sum())
        extent = (there.min(), there.mean(), there.max()) if len(there) else (np.nan,) * 3
        rows.append((name, len(there), len(values) - len(there), n_ahead, *extent))
    columns = ["variable", "values", "missing", "ahead", "minimum", "mean", "maximum"]
    note = f"At the observations; `ahead`: of how many of the next {horizon} periods, one after the other, it is known."
    return (
        ReportTable(
            name="exogenous", title="Exogenous variables", frame=pd.DataFrame(rows, columns=columns), note=note
        ),
    )


def values_ahead(known: ExogenousValues, given: Histories, *, steps: int) -> FloatArray:
    """(steps, q), of the periods after the last observation of the only series."""
    return known.at(np.zeros(steps, dtype=np.int64), given.periods[-1] + np.arange(1, steps + 1))


def lag_orders_table(
    given: Histories, settings: FitSettings, chosen: int, known: ExogenousValues | None = None
) -> ReportTable:
    found = lag_order_criteria(given.levels, given.periods, settings, exogenous=at_observations(known, given))
    columns = {name: found.values[name] for name in CRITERIA}
    frame = pd.DataFrame({"lag_order": found.lag_orders, **columns, "is_chosen": found.lag_orders == chosen})
    by = f"chosen by {settings.criterion}" if settings.criterion else "set by fit.max_lags (fit.criterion is null)"
    note = f"On the {found.n_rows} rows that have {found.lag_orders[-1]} complete lags; the smallest is best; {by}."
    return ReportTable(name="lag_orders", title="Lag orders", frame=frame, note=note)


def parameters_of(fit: FleetFit) -> FloatArray:
    """(m, k) of the fit's first series, in the order of statsmodels' `params`: deterministic terms, then lag by lag."""
    lags = fit.coefficients[0, : fit.lag_order[0]].swapaxes(1, 2)
    return np.concatenate([fit.trend_coefficients[0], lags.reshape(-1, lags.shape[2])])


def impulse_table(fit: FleetFit, *, steps: int) -> ReportTable:
    """Raises ValueError if the residuals of some variables are combinations of each other."""
    names, coefficients = fit.settings.names, fit.coefficients[0, : fit.lag_order[0]]
    return ReportTable(
        name="impulse_responses",
        title="Orthogonalised impulse responses",
        frame=impulse_responses(coefficients, fit.sigma_u[0], names, steps=steps),
        note=f"After a shock of one standard deviation, on the scale of the transforms. {cholesky_order(names)}",
        layout=Layout(by="impulse", rows="step", columns="response", value="orthogonalised"),
    )


def decomposition_table(fit: FleetFit, *, steps: int) -> ReportTable:
    """Raises ValueError as `impulse_table` does."""
    names, coefficients = fit.settings.names, fit.coefficients[0, : fit.lag_order[0]]
    return ReportTable(
        name="error_decomposition",
        title="Forecast error variance decomposition",
        frame=error_decomposition(coefficients, fit.sigma_u[0], names, steps=steps),
        note="The shares of a variable's forecast error that come from shocks to each variable. "
        + cholesky_order(names),
        layout=Layout(by="variable", rows="step", columns="impulse", value="share"),
    )


def cholesky_order(names: tuple[str, ...]) -> str:
    return (
        f"Cholesky order: {', '.join(names)} (a shock moves the variables after its own in the same period, those "
        "before it one period later; the order is that of series.variables)."
    )


def forecast_table(
    given: Histories,
    fit: FleetFit,
    known: ExogenousValues | None = None,
    *,
    frequency: str,
    holidays: Collection[str],
) -> ReportTable:
    """variable, step, ds, forecast, lower, upper. Raises ValueError if a hole is within the observations needed, or an
    exogenous variable has no value in a period that is forecast."""
    settings, end = fit.settings, given.last_ds[0]
    lost = observations_lost(settings.transforms)
    needed = max(1, int(fit.lag_order[0]) + lost)
    last_run = int(np.diff(runs_of(given.offsets, given.periods).offsets)[-1])
    if last_run < needed:
        raise ValueError(f"the last {last_run} observations follow a hole, and the model needs {needed} in succession")
    rows = np.maximum(len(given.levels) - 1 - np.arange(max(1, settings.max_lags + lost)), 0)
    dates = pd.DatetimeIndex(next_periods(end, periods=settings.horizon, frequency=frequency, holidays=holidays))
    ahead = None if known is None else values_ahead(known, given, steps=settings.horizon)
    if ahead is not None and not np.isfinite(ahead).all():
        step, place = np.argwhere(~np.isfinite(ahead))[0]
        raise ValueError(f"{settings.exogenous[place]} has no value at {moment(dates[step].to_pydatetime())}")
    made = model_forecast(
        fit,
        given.levels[rows][:, :, None],
        settings,
        steps=settings.horizon,
        exogenous=None if ahead is None else ahead[:, :, None],
    )
    bounds = (made.points, made.lower, made.upper)
    frame = pd.DataFrame(
        [
            (variable, step + 1, dates[step], *(float(bound[step, place, 0]) for bound in bounds))
            for place, variable in enumerate(settings.names)
            for step in range(settings.horizon)
        ],
        columns=["variable", "step", "ds", "forecast", "lower", "upper"],
    )
    after = moment(pd.Timestamp(end).to_pydatetime())
    note = f"In levels, after {after}, with {settings.level:.0%} intervals; points are {settings.point}s. "
    note += "By this fit, not by a registered version."
    return ReportTable(name="forecast", title="Forecast", frame=frame, note=note)
