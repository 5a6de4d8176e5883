"""The demo: wine files dropped into an inbox, among them bad ones, and what comes of them."""

import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
from pyspark.sql import SparkSession

from penstock.config import PipelineConfig
from penstock.queries import run_query
from penstock.registry import Registry

TRAINING_ROWS = 1100
FILES = 5
SHOWN_CHARACTERS = 100
log = logging.getLogger(__name__)


def drop_wine_files(inbox: Path, data: Path, *, stamp: str) -> list[str]:
    """Put the rows that the model has not seen into `inbox` as CSV and Parquet files; returns their names.

    One CSV has its header in another order. Three files are bad: one lacks a column, one is cut off, and one has
    rows that break the contract.
    """
    rows = pd.read_csv(data).iloc[TRAINING_ROWS:].drop(columns="quality")
    parts = [rows.iloc[number::FILES] for number in range(FILES)]
    inbox.mkdir(parents=True, exist_ok=True)
    broken = parts[4].astype({"alcohol": "object"})
    broken["alcohol"] = ["strong", -3, *broken["alcohol"].iloc[2:]]
    writers: dict[str, Callable[[Path], None]] = {
        f"{stamp}-morning.csv": lambda path: parts[0].to_csv(path, index=False),
        f"{stamp}-other-order.csv": lambda path: parts[1][sorted(rows.columns)].to_csv(path, index=False),
        f"{stamp}-noon.parquet": lambda path: parts[2].to_parquet(path, index=False),
        f"{stamp}-evening.parquet": lambda path: parts[3].to_parquet(path, index=False),
        f"{stamp}-bad-rows.csv": lambda path: broken.to_csv(path, index=False),
        f"{stamp}-no-alcohol.csv": lambda path: parts[0].drop(columns="alcohol").to_csv(path, index=False),
        f"{stamp}-cut-off.parquet": lambda path: cut_off(parts[2], path),
    }
    for name, write in writers.items():
        # Under a name that the stream overlooks until the file is whole.
        hidden = inbox / f".{name}"
        write(hidden)
        hidden.rename(inbox / name)
    return list(writers)


def cut_off(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path, index=False)
    path.write_bytes(path.read_bytes()[:-100])


def run_quietly(job: str, *arguments: str) -> None:
    """Run a job as a person would, its lines shown, the JVM's own greetings kept in logs/demo.log."""
    Path("logs").mkdir(exist_ok=True)
    with Path("logs/demo.log").open("ab") as noise:
        subprocess.run([sys.executable, f"jobs/{job}.py", *arguments], check=True, stderr=noise, env=os.environ)


def show_results(spark: SparkSession, config: PipelineConfig, *, since: float) -> str:
    """What a person wants to see of the batches that finished after `since` (seconds since 1970), as text."""
    tables = {name: spark.read.format("delta").load(config.table_path(name)) for name in ("batches", "predictions")}
    recent = tables["batches"].where(tables["batches"].finished_at.cast("double") > since)
    total = recent.selectExpr("sum(rows_in)", "sum(accepted)", "sum(failed)", "sum(quarantined)", "sum(files_refused)")
    rows_in, accepted, failed, quarantined, refused = total.first() or (0, 0, 0, 0, 0)
    reasons = run_query(spark, config, "quarantine_by_reason").toPandas()
    sample = tables["predictions"].orderBy("scored_at", ascending=False)
    sample = sample.select("alcohol", "volatile_acidity", "sulphates", "prediction", "model_version", "source_file")
    shown = sample.limit(5).toPandas()
    shown["source_file"] = [Path(path).name for path in shown["source_file"]]
    metrics = champion_metrics(config)
    return "\n".join(
        [
            "",
            f"{rows_in} rows came in: {accepted - failed} scored, {failed} failed in the model, {quarantined} "
            f"quarantined; {refused} files refused.",
            "",
            "Why (all runs of this demo together):",
            *[f"  {row.rows_quarantined:>4}  {shortened(str(row.reason))}" for row in reasons.itertuples()],
            "",
            "A few predictions of quality (3 to 8):",
            shown.to_string(index=False, float_format="{:.3f}".format),
            "",
            f"On the hold-out wines: MAE {metrics['holdout_mae']:.3f}, RMSE {metrics['holdout_rmse']:.3f}.",
            f"The tables lie in {config.tables.root}: predictions, quarantine, batches.",
        ]
    )


def shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def champion_metrics(config: PipelineConfig) -> dict[str, float]:
    client = Registry.of(config).client
    version = client.get_model_version_by_alias(config.model.name, config.model.alias)
    return dict(mlflow.MlflowClient(config.mlflow.tracking_uri).get_run(str(version.run_id)).data.metrics)


def stamp_now() -> str:
    return time.strftime("%Y%m%d-%H%M%S")
