"""Time to save, load and score one model of a million series (k=3, p=2, h=8); writes JSON.

Usage: python benchmarks/bench_fleet_model.py [--series 1000000] [--rows 100000] [--rounds 7] [--out FILE]
Loading is measured in fresh processes: once with an empty cache (the copy is filled and its hashes checked),
then with a filled one, which is what every further worker of a host sees.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from penstock.udfs.var.fleet_fit import FitSettings, FleetFit
from penstock.udfs.var.fleet_save import save_fleet_model
from penstock.udfs.var.transform import scale_half_widths

VARIABLES = ("x", "y", "z")
HORIZON = 8
LOAD = """
import sys, time
import mlflow.pyfunc
before = time.perf_counter()
model = mlflow.pyfunc.load_model(sys.argv[1])
print(time.perf_counter() - before)
"""


def made_up_fit(n_series: int) -> FleetFit:
    """Stable random VAR(2) models."""
    random = np.random.default_rng(0)
    coefficients = random.uniform(-0.15, 0.15, size=(n_series, 2, 3, 3))
    sigma_u = np.broadcast_to(np.eye(3) * 1e-4, (n_series, 3, 3))
    settings = FitSettings(transforms=("dlog",) * 3, max_lags=2, horizon=HORIZON)
    widths = scale_half_widths(
        coefficients=coefficients,
        sigma_u=sigma_u,
        horizon=HORIZON,
        level=0.95,
        transforms=settings.transforms,
    )
    return FleetFit(
        settings=settings,
        n_series=n_series,
        positions=np.arange(n_series),
        lag_order=np.full(n_series, 2),
        lags_tried=np.full(n_series, 2),
        trend_coefficients=random.normal(size=(n_series, 1, 3)) * 1e-3,
        coefficients=coefficients,
        sigma_u=sigma_u,
        half_widths=widths,
        n_obs=np.full(n_series, 200),
        n_holes=np.zeros(n_series, dtype=np.int64),
        rows_left_out=np.zeros(n_series, dtype=np.int64),
        last_time_index=np.full(n_series, 200.0),
        root_modulus=np.zeros(n_series),
        refused=(),
    )


def lag_frame(n_series: int, n_rows: int) -> pd.DataFrame:
    """Rows for random series."""
    random = np.random.default_rng(1)
    ids = np.array([f"series-{i:07d}" for i in random.integers(0, n_series, n_rows)], dtype=object)
    columns: dict[str, Any] = {"series_id": ids, "ds": np.full(n_rows, np.datetime64("2024-01-01", "ns"))}
    for lag in range(3):
        for variable in VARIABLES:
            columns[f"{variable}_lag{lag}"] = random.uniform(90, 110, n_rows)
    return pd.DataFrame(columns)


def load_seconds(path: Path, cache: Path) -> float:
    """Seconds of `load_model` in a new process, imports left out."""
    environment = {**os.environ, "PENSTOCK_MODEL_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, str(path)], env=environment, capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def timed(call: Any, rounds: int) -> float:
    """Median seconds of a call."""
    seconds = []
    for _ in range(rounds):
        before = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - before)
    return statistics.median(seconds)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "fleet_model.json")
    arguments = parser.parse_args()
    ids = np.array([f"series-{i:07d}" for i in range(arguments.series)], dtype=object)
    with tempfile.TemporaryDirectory() as scratch:
        path, cache = Path(scratch) / "model", Path(scratch) / "cache"
        fit = made_up_fit(arguments.series)
        before = time.perf_counter()
        save_fleet_model(path, fit, ids=ids, variables=VARIABLES, frequency="QS")
        save_seconds = time.perf_counter() - before
        first = load_seconds(path, cache)
        again = statistics.median(load_seconds(path, cache) for _ in range(arguments.rounds))
        os.environ["PENSTOCK_MODEL_CACHE"] = str(cache)
        model = mlflow.pyfunc.load_model(str(path))
        frame = lag_frame(arguments.series, arguments.rows)
        inner = model.unwrap_python_model()
        inner.predict(None, frame)
        bare = timed(lambda: inner.predict(None, frame), arguments.rounds)
        whole = timed(lambda: model.predict(frame), arguments.rounds)
        result = {
            "series": arguments.series,
            "model_bytes": sum(file.stat().st_size for file in path.rglob("*") if file.is_file()),
            "save_seconds": save_seconds,
            "load_seconds_empty_cache": first,
            "load_seconds_filled_cache": again,
            "rows": arguments.rows,
            "horizon": HORIZON,
            "predict_seconds": bare,
            "predict_rows_per_second": arguments.rows / bare,
            "predict_forecasts_per_second_rows_times_steps": arguments.rows * HORIZON / bare,
            "pyfunc_predict_seconds": whole,
            "pyfunc_predict_rows_per_second": arguments.rows / whole,
        }
    print(json.dumps(result, indent=1))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
