"""A series pipeline in a temporary folder, with models fitted on US macro data, and statsmodels as the truth."""

from dataclasses import dataclass
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import statsmodels.api as sm
from sandbox import Sandbox, TestRegistry
from scipy.stats import norm
from statsmodels.tsa.api import VAR

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_forecast import BOUNDS, output_name
from penstock.udfs.var.fleet_save import fleet_model_parts

VARIABLES = ("realgdp", "realcons", "realinv")
HORIZON = 4
KEEP_LAGS = 6
LEVEL = 0.95
#: The models are fitted on the first so many quarters; what follows is streamed.
FITTED = 160
REFUSED = "too short: 12 observations after the transform, 13 needed for 2 lags"


def macro() -> pd.DataFrame:
    """ds (quarter starts) and the variables in levels, 203 quarters from 1959."""
    data = sm.datasets.macrodata.load_pandas().data
    quarters = pd.PeriodIndex.from_fields(year=data["year"].astype(int), quarter=data["quarter"].astype(int), freq="Q")
    return data[list(VARIABLES)].assign(ds=quarters.to_timestamp())


def register_fleet(
    registry: TestRegistry,
    name: str,
    *,
    ids: tuple[str, ...] = ("US",),
    lags: int = 2,
    transform: str = "dlog",
    refused: tuple[tuple[str, str], ...] = (),
    fallback: str = "none",
    further_levels: tuple[float, ...] = (),
) -> str:
    """One model for `ids`, each fitted on the same quarters, with a fixed lag order; returns the version.

    further_levels: of intervals, beside LEVEL."""
    levels = macro()[list(VARIABLES)].to_numpy()[:FITTED]
    settings = FitSettings(
        transforms=(transform,) * 3,
        max_lags=lags,
        trend="c",
        horizon=HORIZON,
        level=LEVEL,
        max_root_modulus=1.05,
        fallback=fallback,
    )
    offsets = np.arange(len(ids) + 1) * FITTED
    fit = fit_fleet(np.tile(levels, (len(ids), 1)), offsets, settings)
    assert len(fit) == len(ids), fit.refused
    registry.use()
    with (
        fleet_model_parts(
            fit,
            ids=list(ids),
            variables=VARIABLES,
            frequency="QS",
            last_ds=np.full(len(ids), macro()["ds"].to_numpy()[FITTED - 1]),
            refused=refused,
            levels=further_levels,
        ) as parts,
        mlflow.start_run(),
    ):
        info = mlflow.pyfunc.log_model(name="model", registered_model_name=name, **parts)
    version = str(info.registered_model_version)
    registry.client.set_registered_model_alias(name, "champion", version)
    return version


def register_broken_fleet(registry: TestRegistry, model: str) -> str:
    """A version that fails on every window, with all the outputs that the pipeline asks for."""
    steps = range(1, HORIZON + 1)
    names = [output_name(variable, bound, step) for variable in VARIABLES for bound in BOUNDS for step in steps]
    outputs = pd.DataFrame({"lag_order": [2], "needed": [2], **{name: [1.0] for name in names}})
    return registry.register(model, "broken", example=pd.DataFrame({"series_id": ["US"]}), outputs=outputs)


def two_series_model(registry: TestRegistry) -> str:
    """The name of a model for the series US and CA, registered once per registry. Its fit refused the series MOON."""
    if "macro-two" not in registry.made:
        if not registry.client.search_registered_models("name = 'macro-two'"):
            register_fleet(registry, "macro-two", ids=("US", "CA"), refused=(("MOON", REFUSED),))
        registry.made.add("macro-two")
    return "macro-two"


def expected_forecasts(*, cutoff: int, lags: int = 2) -> dict[str, np.ndarray[Any, Any]]:
    """statsmodels' forecasts from quarter number `cutoff`, in dollars: (HORIZON, 3) each of forecast, lower, upper."""
    return forecasts_after(macro()[list(VARIABLES)].to_numpy()[: cutoff + 1], lags=lags)


def forecasts_after(levels: np.ndarray[Any, Any], *, lags: int = 2) -> dict[str, np.ndarray[Any, Any]]:
    """The same after levels of whatever consecutive quarters, by the model that was fitted on the macro data.

    The VAR is on log differences; levels are cumulated by hand (Luetkepohl 2005, section 2.2.2: the forecast error of
    a sum of steps has the cumulated moving-average matrices).
    """
    fitted = macro()[list(VARIABLES)].to_numpy()[:FITTED]
    result = VAR(np.diff(np.log(fitted), axis=0)).fit(lags, trend="c")
    path = result.forecast(np.diff(np.log(levels), axis=0)[-lags:], HORIZON)
    logs = np.log(levels[-1]) + np.cumsum(path, axis=0)
    cumulated = np.cumsum(result.ma_rep(HORIZON - 1), axis=0)
    steps = [phi @ result.sigma_u @ phi.T for phi in cumulated]
    half = norm.ppf(0.5 + LEVEL / 2) * np.sqrt([np.diag(np.sum(steps[: s + 1], axis=0)) for s in range(HORIZON)])
    return {"forecast": np.exp(logs), "lower": np.exp(logs - half), "upper": np.exp(logs + half)}


@dataclass
class SeriesSandbox:
    """A sandbox whose pipeline is `macro`."""

    sandbox: Sandbox

    def __init__(self, sandbox: Sandbox, model: str, **series: Any) -> None:
        self.sandbox = sandbox
        settings = {
            "variables": list(VARIABLES),
            "transform": dict.fromkeys(VARIABLES, "dlog"),
            "frequency": "QS",
            "horizon": HORIZON,
            "keep_lags": KEEP_LAGS,
        }
        sandbox.changes = {
            "pipeline": "macro",
            "workload": "series",
            "contract": "schemas.macro:CONTRACT",
            "series": settings | series,
            "model": {"name": model},
        }

    def drop(self, name: str, rows: pd.DataFrame, *, age_seconds: float = 60) -> None:
        """rows: series_id, ds and the variables."""
        content = rows[["series_id", "ds", *VARIABLES]].to_csv(index=False, date_format="%Y-%m-%d")
        self.sandbox.drop(name, content.encode(), age_seconds=age_seconds)

    def errors(self) -> dict[tuple[str, str], str | None]:
        """The `error` of each observation by series and date."""
        rows = self.sandbox.rows("observations")
        return {(row.series_id, f"{row.ds:%Y-%m-%d}"): row.error for row in rows}

    def forecasts(self) -> pd.DataFrame:
        """All forecasts, sorted, without what the clock and the query put into them."""
        keys = ["series_id", "cutoff", "step", "variable"]
        columns = [*keys, "ds", "forecast", "lower", "upper", "level"]
        rows = [[row[column] for column in columns] for row in self.sandbox.rows("forecasts")]
        return pd.DataFrame(rows, columns=columns).sort_values(keys, ignore_index=True)


def quarters(first: int, last: int, series_id: str = "US") -> pd.DataFrame:
    """The quarters number first..last (exclusive) of the macro data as observations of a series."""
    return macro().iloc[first:last].assign(series_id=series_id)
