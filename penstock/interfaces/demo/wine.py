"""The demo's first part: wine files in an inbox, some of them invalid, and the results."""

import logging
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
from pyspark.sql import SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.interfaces.sql.spark_queries import run_query
from penstock.models.registry import Registry
from penstock.storage.files import Storage

TRAINING_ROWS = 1100
FILES = 5
SHOWN_CHARACTERS = 100
PACKAGE = "dist/penstock.zip"
log = logging.getLogger(__name__)


def drop_wine_files(storage: Storage, inbox: str, data: Path, *, stamp: str) -> list[str]:
    """Write the rows that the model has not seen to `inbox` as CSV and Parquet files; returns their names.

    One CSV has its columns in another order. Three files are invalid: one lacks a column, one is truncated, and one
    has rows that violate the contract.
    """
    rows = pd.read_csv(data).iloc[TRAINING_ROWS:].drop(columns="quality")
    parts = [rows.iloc[number::FILES] for number in range(FILES)]
    broken = parts[4].astype({"alcohol": "object"})
    broken["alcohol"] = ["strong", -3, *broken["alcohol"].iloc[2:]]
    files = {
        f"{stamp}-morning.csv": as_csv(parts[0]),
        f"{stamp}-other-order.csv": as_csv(parts[1][sorted(rows.columns)]),
        f"{stamp}-noon.parquet": as_parquet(parts[2]),
        f"{stamp}-evening.parquet": as_parquet(parts[3]),
        f"{stamp}-bad-rows.csv": as_csv(broken),
        f"{stamp}-no-alcohol.csv": as_csv(parts[0].drop(columns="alcohol")),
        f"{stamp}-cut-off.parquet": as_parquet(parts[2])[:-100],
    }
    return drop_files(storage, inbox, files)


def drop_files(storage: Storage, inbox: str, files: Mapping[str, bytes]) -> list[str]:
    """Create each file in `inbox` atomically; returns their names."""
    for name, content in files.items():
        storage.create(f"{inbox}/{name}", content)
    return list(files)


def as_csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, date_format="%Y-%m-%d").encode()


def as_parquet(frame: pd.DataFrame) -> bytes:
    return frame.to_parquet(index=False)


@dataclass(frozen=True, kw_only=True)
class DemoJobs:
    """Runs jobs as a user would, showing their output; the JVM's own output goes to logs/demo.log.

    overlays: config files laid over the pipeline's. master: the cluster to submit to; None runs Spark here.
    """

    overlays: tuple[Path, ...]
    master: str | None

    def run(self, job: str, conf: Path, *options: str) -> None:
        """With Python, on this machine. Raises PenstockError."""
        self._start([sys.executable, f"jobs/{job}.py"], conf, *options)

    def submit(self, job: str, conf: Path) -> None:
        """With spark-submit, if there is a cluster. Raises PenstockError."""
        if not self.master:
            self.run(job, conf)
            return
        submit = [str(Path(sys.executable).parent / "spark-submit"), "--master", self.master]
        self._start([*submit, "--py-files", PACKAGE, f"jobs/{job}.py"], conf)

    def _start(self, program: list[str], conf: Path, *options: str) -> None:
        files = [text for path in (conf, *self.overlays) for text in ("--conf", str(path))]
        command = [*program, *files, *options]
        Path("logs").mkdir(exist_ok=True)
        environment = os.environ | {"PYSPARK_PYTHON": sys.executable}
        environment.pop("SPARK_HOME", None)  # another Spark would lack the jars
        with Path("logs/demo.log").open("ab") as noise:
            code = subprocess.run(command, check=False, stderr=noise, env=environment).returncode
        if code:
            raise PenstockError(f"{shlex.join(command)} ended with {code}; what it said is at the end of logs/demo.log")


def show_results(spark: SparkSession, config: PipelineConfig, *, since: float) -> str:
    """A summary of the batches that finished after `since` (seconds since 1970), as text."""
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
            f"The tables are in {config.tables.root}: predictions, quarantine, batches.",
        ]
    )


def shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 3] + "..."


def champion_metrics(config: PipelineConfig) -> dict[str, float]:
    client = Registry.of(config).client
    version = client.get_model_version_by_alias(config.the_model.name, config.the_model.alias)
    return dict(mlflow.MlflowClient(config.the_mlflow.tracking_uri).get_run(str(version.run_id)).data.metrics)


def stamp_now() -> str:
    return time.strftime("%Y%m%d-%H%M%S")
