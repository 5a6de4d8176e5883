"""The time of a row's cells in tables of many columns, against one of a hundred; writes JSON.

Each width is a pipeline of its own: an id and columns of doubles, a linear model of them, 20 rows and then 2,000. The
first batch of a width has Spark plan and compile everything; `cell_ratio` compares its seconds for each cell with those
of 100 columns, which is 1 if cost is linear in the columns.

Usage: python benchmarks/bench_wide.py [--widest 5000] [--out FILE]
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import infer_signature
from rows_setup import run_benchmark, session
from sklearn.linear_model import ElasticNet

from penstock.config.pipeline import PipelineConfig
from penstock.operations.run_stream import run_pipeline
from penstock.schemas.contract import Contract, Field

WIDTHS = (100, 300, 1500, 5000)
ROWS = (20, 2000)


def contract_of(columns: int) -> Contract:
    fields = [Field(name=name, type="double") for name in names_of(columns)]
    return Contract(fields=(Field(name="id", type="string"), *fields))


def names_of(columns: int) -> list[str]:
    return [f"f{number}" for number in range(columns)]


def table(columns: int, rows: int) -> pd.DataFrame:
    values = np.random.default_rng(columns + rows).normal(size=(rows, columns)).round(4)
    frame = pd.DataFrame(values, columns=names_of(columns))
    frame.insert(0, "id", [f"row {number}" for number in range(rows)])
    return frame


def prepare(folder: Path, columns: int) -> PipelineConfig:
    """The pipeline of a width, with its model registered."""
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    inputs = table(columns, 50).drop(columns="id")
    model = ElasticNet(alpha=0.1).fit(inputs, inputs.sum(axis=1))
    with mlflow.start_run():
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(inputs, model.predict(inputs)),
            registered_model_name=f"wide-{columns}",
            pip_requirements=mlflow.sklearn.get_default_pip_requirements(include_skops=True),
            serialization_format="skops",
        )
    mlflow.MlflowClient().set_registered_model_alias(f"wide-{columns}", "champion", "1")
    return PipelineConfig.model_validate(
        {
            "pipeline": f"wide_{columns}",
            "workload": "rows",
            "source": {"path": str(folder / f"inbox-{columns}"), "settle": 0},
            "contract": f"bench_wide:CONTRACT_{columns}",
            "model": {"name": f"wide-{columns}"},
            "tables": {"root": str(folder / f"tables-{columns}")},
            "checkpoint": str(folder / f"checkpoint-{columns}"),
            "mlflow": {"tracking_uri": uri},
        }
    )


def seconds_of_batches(folder: Path, columns: int) -> dict[str, float]:
    """Seconds of a batch by its rows; the first has everything to plan."""
    config = prepare(folder, columns)
    inbox = Path(config.source.path)
    inbox.mkdir()
    seconds = {}
    for rows in ROWS:
        table(columns, rows).to_csv(inbox / f"{rows}.csv", index=False)
        begun = time.monotonic()
        [record] = run_pipeline(config, job="bench", once=True, resume=False)
        assert record.accepted == rows
        seconds[str(rows)] = round(time.monotonic() - begun, 1)
    return seconds


def measure(folder: Path, *, widest: int) -> dict[str, Any]:
    session("bench-wide")
    # So that the first width does not pay for the start of Spark and of its workers.
    seconds_of_batches(folder, 11)
    widths = [columns for columns in WIDTHS if columns <= widest]
    seconds = {columns: seconds_of_batches(folder, columns) for columns in widths}
    base = {rows: value / WIDTHS[0] for rows, value in seconds[WIDTHS[0]].items()}
    return {
        "columns": {
            str(columns): {
                "seconds": by_rows,
                "cell_ratio": {rows: round(value / columns / base[rows], 2) for rows, value in by_rows.items()},
            }
            for columns, by_rows in seconds.items()
        }
    }


for width in (11, *WIDTHS):
    globals()[f"CONTRACT_{width}"] = contract_of(width)
if __name__ == "__main__":
    sys.modules["bench_wide"] = sys.modules[__name__]
    run_benchmark("wide", measure, description=__doc__, widest=WIDTHS[-1])
