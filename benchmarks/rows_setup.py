"""Shared by the benchmarks of the rows workload: session, wine model in a registry, wine files, batch times."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

sys.path.insert(0, str(Path(__file__).parents[1]))

from penstock.config.pipeline import PipelineConfig
from penstock.models.training.elasticnet import train_elasticnet
from penstock.schemas.wine import MEASUREMENTS
from penstock.spark.session import build_session

RESULTS = Path(__file__).parent / "results"
#: The measurements as a typed schema for Spark's reader.
TYPED = ", ".join(f"`{name}` double" for name in MEASUREMENTS)
RED_WINE = Path(__file__).parents[1] / "data" / "winequality-red.csv"


def session(name: str, *, cores: int = 2, settings: Mapping[str, str] | None = None) -> SparkSession:
    """The project's own session."""
    fixed = {"spark.master": f"local[{cores}]", "spark.driver.memory": "4g", "spark.ui.enabled": "false"}
    return build_session(name, settings=fixed | dict(settings or {}))


def rows_config(folder: Path, **source: Any) -> PipelineConfig:
    """The wine pipeline in `folder`. source: changes of its source section."""
    return PipelineConfig.model_validate(
        {
            "pipeline": "bench",
            "workload": "rows",
            "source": {"format": "csv", "path": str(folder / "inbox"), "settle": 0} | source,
            "contract": "schemas.wine:CONTRACT",
            "model": {"name": "wine-quality"},
            "tables": {"root": str(folder / "tables")},
            "checkpoint": str(folder / "checkpoint"),
            "mlflow": {"tracking_uri": f"sqlite:///{folder / 'mlflow.db'}"},
        }
    )


def table_columns() -> list[Column]:
    """The measurements under names that Delta accepts."""
    return [F.col(f"`{name}`").alias(name.replace(" ", "_")) for name in MEASUREMENTS]


def register_wine_model(config: PipelineConfig) -> None:
    """The wine model of the demo, with the alias champion."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    train_elasticnet(config, data=RED_WINE, alpha=0.02, l1_ratio=0.5, first_rows=None, promote=True)


def wines(rows: int, *, seed: int = 0) -> pd.DataFrame:
    """Red wines, sampled with replacement, with eleven measurements each."""
    return pd.read_csv(RED_WINE)[list(MEASUREMENTS)].sample(
        rows, replace=True, random_state=np.random.default_rng(seed)
    )


def drop_csv_files(inbox: Path, *, files: int, rows: int) -> None:
    """Files of some rows each, with modification times a second apart, the last a minute ago."""
    inbox.mkdir(parents=True, exist_ok=True)
    now = time.time()
    for number in range(files):
        path = inbox / f"{number:05d}.csv"
        wines(rows, seed=number).to_csv(path, index=False)
        os.utime(path, (now - 60 - files + number,) * 2)


def commits(config: PipelineConfig, table: str) -> int:
    """Commits of a table, without the one that created it; -1 if there is no table."""
    return len(list((Path(config.table_path(table)) / "_delta_log").glob("*.json"))) - 1


class BatchSeconds(StreamingQueryListener):
    """Seconds of each micro-batch with files, as measured by Spark (triggerExecution), for any query."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def take(self, expected: int) -> list[float]:
        """The batches since the last call; waits for the expected number, since events arrive with a delay."""
        deadline = time.monotonic() + 30
        while len(self.seconds) < expected and time.monotonic() < deadline:
            time.sleep(0.1)
        taken, self.seconds = self.seconds, []
        return taken

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: N802
        pass

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: N802
        if "addBatch" in event.progress.durationMs:
            self.seconds.append(event.progress.durationMs["triggerExecution"] / 1000)

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: N802
        pass

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: N802
        pass


def run_benchmark(name: str, measure: Callable[..., object], *, description: str | None, **numbers: int) -> None:
    """Measure in a temporary folder and write the result to results/NAME.json.

    numbers: the arguments of `measure` beside the folder, each a command-line option with this default.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in numbers.items():
        parser.add_argument(f"--{option}", type=int, default=default)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{name}.json")
    options = vars(parser.parse_args())
    out: Path = options.pop("out")
    with tempfile.TemporaryDirectory() as folder:
        result = json.dumps(measure(Path(folder), **options), indent=1)
    print(result)
    out.write_text(result + "\n")
