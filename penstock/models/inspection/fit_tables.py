"""Tables of a series' data and of the fit's own model, which takes all rows with complete lags."""

from collections.abc import Collection

import numpy as np
import pandas as pd
import pyarrow as pa

from penstock.config.series import SeriesConfig
from penstock.models.inspection.report import Layout, ReportTable, moment
from penstock.models.inspection.responses import error_decomposition, impulse_responses
from penstock.udfs.var.criteria import lag_order_criteria
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


def lag_orders_table(given: Histories, settings: FitSettings, chosen: int) -> ReportTable:
    found = lag_order_criteria(given.levels, given.periods, settings)
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


def forecast_table(given: Histories, fit: FleetFit, *, frequency: str, holidays: Collection[str]) -> ReportTable:
    """variable, step, ds, forecast, lower, upper. Raises ValueError if a hole is within the observations needed."""
    settings, end = fit.settings, given.last_ds[0]
    lost = observations_lost(settings.transforms)
    needed = max(1, int(fit.lag_order[0]) + lost)
    last_run = int(np.diff(runs_of(given.offsets, given.periods).offsets)[-1])
    if last_run < needed:
        raise ValueError(f"the last {last_run} observations follow a hole, and the model needs {needed} in succession")
    rows = np.maximum(len(given.levels) - 1 - np.arange(max(1, settings.max_lags + lost)), 0)
    made = model_forecast(fit, given.levels[rows][:, :, None], settings, steps=settings.horizon)
    bounds = (made.points, made.lower, made.upper)
    dates = pd.DatetimeIndex(next_periods(end, periods=settings.horizon, frequency=frequency, holidays=holidays))
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
