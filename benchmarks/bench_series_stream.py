"""A micro-batch of a fleet, compared with plain ways of the same work; writes JSON.

1. The whole micro-batch (plan, checks, windows, forecasts, observations, lags, row counts, marker) of 100,000 series x
   2 observations, compared with reading a Parquet copy of the same forecast rows and appending it to a Delta table.
2. Forecasts per second, compared with statsmodels called for each series inside applyInPandasWithState.

Usage: python benchmarks/bench_series_stream.py [--series 100000] [--rounds 5] [--python-series 2000] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from bench_fleet_model import HORIZON, made_up_fit
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.state import GroupState, GroupStateTimeout
from series_setup import (
    KEEP_LAGS,
    VARIABLES,
    ids_of,
    observations,
    register_made_up_fleet,
    series_config,
    session,
    spread,
    timed,
)

from penstock.config.pipeline import PipelineConfig
from penstock.operations.run_stream import run_pipeline
from penstock.pipeline import stream
from penstock.pipeline.microbatch import run_microbatch

PERIODS_PER_BATCH = 2
WARM_UP_BATCHES = 5
#: The last two observations; a state of arrays fails in PySpark 4.2.
STATE_SCHEMA = ", ".join(f"level_{number} double" for number in range((KEEP_LAGS - 1) * len(VARIABLES)))
FORECAST_SCHEMA = (
    "series_id string, cutoff timestamp, step int, variable string, forecast double, lower double, upper double"
)


def run_microbatches(config: PipelineConfig, inbox: Path, frames: Iterable[pd.DataFrame]) -> list[tuple[float, Any]]:
    """Drop each frame as a file, run a micro-batch: the seconds of `run_microbatch` and the record of each."""
    inbox.mkdir(parents=True)
    seconds: list[float] = []

    def measured(*arguments: Any, **options: Any) -> Any:
        before = time.perf_counter()
        record = run_microbatch(*arguments, **options)
        seconds.append(time.perf_counter() - before)
        return record

    results = []
    for batch, frame in enumerate(frames):
        path = inbox / f"{batch:03d}.parquet"
        frame.to_parquet(path, index=False, row_group_size=len(frame) // 4)
        os.utime(path, (time.time() - 60, time.time() - 60))
        with patch.object(stream, "run_microbatch", measured):
            [record] = run_pipeline(config, job="bench", once=True, resume=False)
        results.append((seconds[-1], record))
        print(f"batch {batch}: {seconds[-1]:.2f} s", {k: round(v, 2) for k, v in record.seconds.items()}, flush=True)
    return results


def new_observations(n_series: int, *, batch: int) -> pd.DataFrame:
    return observations(ids_of(n_series), first=batch * PERIODS_PER_BATCH, n_periods=PERIODS_PER_BATCH)


def plain_appends(spark: SparkSession, config: PipelineConfig, folder: Path, *, rounds: int) -> tuple[list[float], int]:
    """Seconds to read a Parquet copy of one batch's forecasts and append it to a Delta table, and its rows."""
    forecasts = spark.read.format("delta").load(config.table_path("forecasts"))
    last = forecasts.where(f"batch_id = {WARM_UP_BATCHES}")
    last.repartition(4).write.parquet(str(folder / "copy"))
    n_rows = spark.read.parquet(str(folder / "copy")).count()

    def append() -> None:
        copy = spark.read.parquet(str(folder / "copy"))
        copy.write.format("delta").mode("append").save(str(folder / "plain"))

    seconds = [timed(append) for _ in range(rounds + 2)]
    return seconds[2:], n_rows


def python_way(spark: SparkSession, folder: Path, *, n_series: int, rounds: int) -> list[float]:
    """Seconds of the micro-batches of a stream that keeps each series' lags in a Python state and asks statsmodels."""
    fit = made_up_fit(n_series)
    models = {
        series_id: (fit.coefficients[i], fit.trend_coefficients[i, 0], fit.sigma_u[i])
        for i, series_id in enumerate(ids_of(n_series))
    }
    shared = spark.sparkContext.broadcast(models)

    def forecast(key: tuple[Any, ...], parts: Iterator[pd.DataFrame], state: GroupState) -> Iterator[pd.DataFrame]:
        from statsmodels.tsa.vector_ar.var_model import forecast_interval

        new = pd.concat(list(parts)).sort_values("ds")
        known = np.array(state.get).reshape(-1, len(VARIABLES)) if state.exists else np.empty((0, len(VARIABLES)))
        levels = np.concatenate([known, new[list(VARIABLES)].to_numpy()])
        coefficients, intercept, sigma_u = shared.value[key[0]]
        for place, cutoff in enumerate(new["ds"], start=len(known)):
            if place < KEEP_LAGS - 1:
                continue
            steps = np.diff(np.log(levels[place - KEEP_LAGS + 1 : place + 1]), axis=0)
            bounds = forecast_interval(steps, coefficients, intercept, sigma_u, steps=HORIZON, alpha=0.05)
            # Cumulated point forecasts only, without the intervals in levels that ours computes.
            middle, lower, upper = (levels[place] * np.exp(np.cumsum(values, axis=0)) for values in bounds)
            yield pd.DataFrame(
                {
                    "series_id": key[0],
                    "cutoff": cutoff,
                    "step": np.repeat(np.arange(1, HORIZON + 1, dtype=np.int32), len(VARIABLES)),
                    "variable": np.tile(VARIABLES, HORIZON),
                    "forecast": middle.ravel(),
                    "lower": lower.ravel(),
                    "upper": upper.ravel(),
                }
            )
        state.update(tuple(levels[-KEEP_LAGS + 1 :].ravel().tolist()))

    inbox = folder / "python-inbox"
    inbox.mkdir()
    frame = spark.readStream.schema("series_id string, ds timestamp, realgdp double, realcons double, realinv double")
    grouped = frame.option("maxFilesPerTrigger", 1).parquet(str(inbox)).groupBy("series_id")
    answer = grouped.applyInPandasWithState(
        forecast, FORECAST_SCHEMA, STATE_SCHEMA, "append", GroupStateTimeout.NoTimeout
    )
    for batch in range(rounds + 2):
        part = observations(ids_of(n_series), first=batch * PERIODS_PER_BATCH, n_periods=PERIODS_PER_BATCH)
        part.to_parquet(inbox / f"{batch:03d}.parquet", index=False)
        time.sleep(0.05)
    query = write_once(answer, folder)
    return [progress["batchDuration"] / 1000 for progress in query.recentProgress if progress["numInputRows"]][2:]


def write_once(frame: DataFrame, folder: Path) -> Any:
    writer = frame.writeStream.format("delta").outputMode("append")
    query = writer.option("checkpointLocation", str(folder / "python-checkpoint")).trigger(availableNow=True)
    started = query.start(str(folder / "python-forecasts"))
    started.awaitTermination()
    return started


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--python-series", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "series_stream.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["PENSTOCK_MODEL_CACHE"] = str(folder / "cache")
        os.environ["PENSTOCK_SPARK_LOG"] = str(folder / "spark.log")
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        spark = session("bench")
        register_made_up_fleet(uri, folder, n_series=arguments.series)
        config = series_config(folder, uri)
        frames = (new_observations(arguments.series, batch=n) for n in range(WARM_UP_BATCHES + arguments.rounds))
        batches = run_microbatches(config, folder / "inbox", frames)[WARM_UP_BATCHES:]
        plain, n_forecasts = plain_appends(spark, config, folder, rounds=arguments.rounds)
        python = python_way(spark, folder, n_series=arguments.python_series, rounds=arguments.rounds)
        seconds, plain_seconds, python_seconds = map(spread, ([one for one, _ in batches], plain, python))
        per_second = n_forecasts / seconds["median"]
        python_forecasts = arguments.python_series * PERIODS_PER_BATCH * HORIZON * len(VARIABLES)
        result = {
            "series": arguments.series,
            "forecast_rows_per_batch": n_forecasts,
            "batch_seconds": seconds,
            "batch_phase_seconds": batches[len(batches) // 2][1].seconds,
            "plain_append_seconds": plain_seconds,
            "ratio_batch_to_plain_append": seconds["median"] / plain_seconds["median"],
            "python_series": arguments.python_series,
            "python_batch_seconds": python_seconds,
            "forecast_rows_per_second": per_second,
            "python_forecast_rows_per_second": python_forecasts / python_seconds["median"],
            "ratio_to_python_way": per_second * python_seconds["median"] / python_forecasts,
        }
    print(json.dumps(result, indent=1))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
