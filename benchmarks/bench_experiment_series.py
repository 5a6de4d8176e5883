"""A micro-batch of a fleet that two versions answer, compared with one that the champion answers alone; writes JSON.

Three pipelines of one fleet take the same observations in turns: without an experiment, with a shadow of all series,
and with a shadow of every tenth series. Champion and candidate are of the same size. The goals: 1.35 times the seconds
of the champion alone, and 1.08 times.

Usage: python benchmarks/bench_experiment_series.py [--series 100000] [--rounds 5] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mlflow
import pandas as pd
from bench_series_stream import WARM_UP_BATCHES, new_observations
from series_setup import register_made_up_fleet, series_config, session, spread

from penstock.config.experiment import ExperimentConfig
from penstock.config.pipeline import PipelineConfig
from penstock.operations.run_stream import run_pipeline
from penstock.pipeline import stream
from penstock.pipeline.microbatch import run_microbatch

#: By the name of a pipeline: the share of the series that the candidate answers, 0 without one.
FRACTIONS = {"alone": 0.0, "shadow": 1.0, "tenth": 0.1}
GOALS = {"shadow": 1.35, "tenth": 1.08}


def configs(folder: Path, uri: str) -> dict[str, PipelineConfig]:
    return {
        name: series_config(folder / name, uri).model_copy(
            update={"experiment": ExperimentConfig(fraction=(fraction,)) if fraction else None}
        )
        for name, fraction in FRACTIONS.items()
    }


def register_candidate(uri: str) -> None:
    """The champion's files once more, as version 2."""
    client = mlflow.MlflowClient(uri)
    champion = client.get_model_version("fleet", "1")
    version = client.create_model_version("fleet", str(champion.source), run_id=champion.run_id).version
    client.set_registered_model_alias("fleet", "candidate", str(version))


def run_batch(config: PipelineConfig, frame: pd.DataFrame, *, number: int) -> tuple[float, Any]:
    """The seconds of a micro-batch, and its record."""
    path = Path(config.source.path) / f"{number:03d}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_parquet(path, index=False, row_group_size=max(1, len(frame) // 4))
    os.utime(path, (time.time() - 60, time.time() - 60))
    seconds: list[float] = []

    def measured(*arguments: Any, **options: Any) -> Any:
        before = time.perf_counter()
        record = run_microbatch(*arguments, **options)
        seconds.append(time.perf_counter() - before)
        return record

    with patch.object(stream, "run_microbatch", measured):
        [record] = run_pipeline(config, job="bench", once=True, resume=False)
    return seconds[-1], record


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "experiment_series.json")
    arguments = parser.parse_args()
    found: dict[str, list[tuple[float, Any]]] = {name: [] for name in FRACTIONS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["PENSTOCK_MODEL_CACHE"] = str(folder / "cache")
        os.environ["PENSTOCK_SPARK_LOG"] = str(folder / "spark.log")
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        session("bench")
        register_made_up_fleet(uri, folder, n_series=arguments.series)
        register_candidate(uri)
        pipelines = configs(folder, uri)
        for number in range(WARM_UP_BATCHES + arguments.rounds):
            frame = new_observations(arguments.series, batch=number)
            for name, config in pipelines.items():
                seconds, record = run_batch(config, frame, number=number)
                phases = {phase: round(value, 2) for phase, value in record.seconds.items()}
                print(f"{number} {name}: {seconds:.2f} s", phases, flush=True)
                if number >= WARM_UP_BATCHES:
                    found[name].append((seconds, record))
    medians = {name: spread([seconds for seconds, _ in batches]) for name, batches in found.items()}
    alone = medians["alone"]["median"]
    result = {
        "series": arguments.series,
        "rows_per_batch": found["alone"][-1][1].rows_in,
        "seconds": medians,
        "phase_seconds": {name: batches[len(batches) // 2][1].seconds for name, batches in found.items()},
        "model_seconds": {name: batches[-1][1].model_seconds for name, batches in found.items()},
        "ratios": {name: medians[name]["median"] / alone for name in GOALS},
        "goals": GOALS,
    }
    print(json.dumps(result, indent=1))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
