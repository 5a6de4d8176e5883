"""Shared by the benchmarks of the series workload: session, fleet model in a registry, observations."""

from __future__ import annotations

import logging
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench_fleet_model import HORIZON, made_up_fit

from penstock.config.pipeline import PipelineConfig
from penstock.spark.session import build_session
from penstock.udfs.var.fleet_save import fleet_model_parts

VARIABLES = ("realgdp", "realcons", "realinv")
#: Two lags of log differences: three levels.
KEEP_LAGS = 3


def session(name: str) -> SparkSession:
    """The project's own session, with memory for a batch of millions of rows."""
    settings = {"spark.master": "local[2]", "spark.driver.memory": "6g", "spark.ui.enabled": "false"}
    return build_session(name, settings=settings)


def ids_of(n_series: int) -> np.ndarray[Any, Any]:
    return np.array([f"series-{i:07d}" for i in range(n_series)], dtype=object)


def register_made_up_fleet(uri: str, folder: Path, *, n_series: int) -> None:
    """A model `fleet` of stable random VAR(2)s, k=3, h=8, with the alias champion."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_experiment(experiment_id=mlflow.create_experiment("bench", (folder / "artifacts").as_uri()))
    with (
        fleet_model_parts(made_up_fit(n_series), ids=ids_of(n_series), variables=VARIABLES, frequency="QS") as parts,
        mlflow.start_run(),
    ):
        mlflow.pyfunc.log_model(name="model", registered_model_name="fleet", **parts)
    mlflow.MlflowClient(uri).set_registered_model_alias("fleet", "champion", "1")


def series_config(folder: Path, uri: str) -> PipelineConfig:
    return PipelineConfig.model_validate(
        {
            "pipeline": "bench",
            "workload": "series",
            "source": {"format": "parquet", "path": str(folder / "inbox"), "settle": 0},
            "contract": "schemas.macro:CONTRACT",
            "series": {
                "variables": list(VARIABLES),
                "transform": dict.fromkeys(VARIABLES, "dlog"),
                "frequency": "QS",
                "horizon": HORIZON,
                "keep_lags": KEEP_LAGS,
            },
            "forecast": {"at": "every", "every_of_many": True},
            "model": {"name": "fleet"},
            "tables": {"root": str(folder / "tables")},
            "checkpoint": str(folder / "checkpoint"),
            "mlflow": {"tracking_uri": uri},
        }
    )


def observations(ids: np.ndarray[Any, Any], *, first: int, n_periods: int, seed: int = 0) -> pd.DataFrame:
    """The quarters number first, first + 1, ... of each series, period by period."""
    random = np.random.default_rng(seed + first)
    quarters = pd.date_range("2000-01-01", periods=first + n_periods, freq="QS")[first:]
    rows = len(ids) * n_periods
    frame = pd.DataFrame({"series_id": np.tile(ids, n_periods), "ds": np.repeat(quarters.to_numpy(), len(ids))})
    for variable in VARIABLES:
        frame[variable] = random.uniform(90, 110, rows)
    return frame.astype({"ds": "datetime64[us]"})


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def spread(seconds: list[float]) -> dict[str, float]:
    return {"minimum": min(seconds), "median": statistics.median(seconds), "maximum": max(seconds)}
