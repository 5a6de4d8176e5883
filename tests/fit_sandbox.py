"""Series to fit, and what statsmodels makes of them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from sandbox import TestRegistry
from statsmodels.datasets import macrodata
from statsmodels.tsa.api import VAR

from penstock.config.loading import load_config
from penstock.config.pipeline import PipelineConfig

PROJECT = Path(__file__).parent.parent
MACRO = ("realgdp", "realcons", "realinv")
QUANTILE = 1.959963984540054


def macro_frame() -> pd.DataFrame:
    """US macro data, quarterly, 1959 to 2009: 203 rows of series_id, ds, three variables."""
    levels = macrodata.load_pandas().data[list(MACRO)]
    dates = pd.date_range("1959-01-01", periods=len(levels), freq="QS")
    return levels.assign(series_id="usa", ds=dates)[["series_id", "ds", *MACRO]]


def overrides(root: Path, registry: TestRegistry, **changes: object) -> list[str]:
    """`--set` values; in the keys of `changes` two underscores stand for the dot."""
    settings = {
        "source.path": root / "inbox",
        "source.settle": "0.2",
        "tables.root": root / "tables",
        "checkpoint": root / "checkpoint",
        "mlflow.tracking_uri": registry.uri,
        **{key.replace("__", "."): value for key, value in changes.items()},
    }
    return [f"{key}={value}" for key, value in settings.items()]


def fit_config(root: Path, registry: TestRegistry, **changes: object) -> PipelineConfig:
    """conf/macro.yaml in a temporary folder."""
    return load_config([PROJECT / "conf" / "macro.yaml"], overrides=overrides(root, registry, **changes))


def to_csv(frame: pd.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, date_format="%Y-%m-%d")
    return path


def fleet_frame(series: Mapping[str, np.ndarray], *, start: str = "2000-01-01", freq: str = "QS") -> pd.DataFrame:
    """Observations of series given as (n, 3) levels by id."""
    parts = [
        pd.DataFrame(levels, columns=list(MACRO)).assign(
            series_id=name, ds=pd.date_range(start, periods=len(levels), freq=freq)
        )
        for name, levels in series.items()
    ]
    return pd.concat(parts, ignore_index=True)[["series_id", "ds", *MACRO]]


def random_levels(n: int, *, seed: int) -> np.ndarray:
    """Positive levels whose log differences are a stable VAR(1) with noise: (n, 3)."""
    random = np.random.default_rng(seed)
    steps = random.normal(scale=0.02, size=(n, 3))
    coefficients = random.uniform(-0.3, 0.3, size=(3, 3))
    for t in range(1, n):
        steps[t] += coefficients @ steps[t - 1]
    return 100 * np.exp(np.cumsum(steps, axis=0))


def selected(levels: np.ndarray, *, max_lags: int, trend: str = "c", criterion: str = "aic"):
    """statsmodels' results on the log differences, at the order of `select_order`."""
    model = VAR(np.diff(np.log(levels), axis=0))
    order = int(getattr(model.select_order(max_lags, trend=trend), criterion))
    return model.fit(order, trend=trend)


def level_forecasts(levels: np.ndarray, result, *, steps: int):
    """Points and bounds in levels at the end of `levels`: (steps, 3) each."""
    values = np.diff(np.log(levels), axis=0)
    points = np.log(levels[-1]) + np.cumsum(result.forecast(values[-max(result.k_ar, 1) :], steps), axis=0)
    psi = result.irf(steps).cum_effects[:steps] if result.k_ar else np.repeat(np.eye(3)[None], steps, axis=0)
    width = QUANTILE * np.sqrt(np.cumsum([np.diag(one @ result.sigma_u @ one.T) for one in psi], axis=0))
    return np.exp(points), np.exp(points - width), np.exp(points + width)


def window(levels: np.ndarray, *, lags: int, series_id: object, ds: object) -> dict[str, object]:
    """A row of the model's input."""
    row: dict[str, object] = {"series_id": series_id, "ds": pd.Timestamp(ds)}
    return row | {f"{name}_lag{lag}": levels[-1 - lag, i] for lag in range(lags) for i, name in enumerate(MACRO)}


def lags_of(model) -> int:
    """How many lagged levels a loaded model takes."""
    return sum(name.startswith("realgdp_lag") for name in model.metadata.signature.inputs.input_names())


def answered(frame: pd.DataFrame, bound: str, *, row: int = 0) -> np.ndarray:
    """(steps, 3) of a row of a model's output."""
    steps = sum(name.startswith(f"{MACRO[0]}_{bound}_") for name in frame.columns)
    return np.array([[frame.iloc[row][f"{name}_{bound}_{step}"] for name in MACRO] for step in range(1, steps + 1)])
