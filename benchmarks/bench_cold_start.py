"""Time from process start to the first committed batch, compared with a bare Spark and Delta that write one row.

Ours: jobs/backfill.py over one file, until its row in `batches` is committed (the pipeline's tables are there, as for
every start but the first): of 100 wines (rows), and of one quarter of 100 series (series). Bare: a script that starts a
session with Delta and appends one row, as one starts it without this project: no class-data archive, Java's own
compiler settings. In turns.

Seconds are those of the clock; cpu_seconds are the processor's, of all processes of a start until they have ended, and
tell more on a machine that is busy with other things.

Usage: python benchmarks/bench_cold_start.py [--rounds 5] [--out FILE]
"""

from __future__ import annotations

import ctypes
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from rows_setup import drop_csv_files, register_wine_model, rows_config, run_benchmark
from series_setup import ids_of, observations, register_made_up_fleet, series_config

from penstock.config.pipeline import PipelineConfig

PROJECT = Path(__file__).parents[1]
SERIES = 100
PR_SET_CHILD_SUBREAPER = 36
BARE = """
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
builder = builder.config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
builder = builder.config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
spark = builder.getOrCreate()
spark.range(1).write.format("delta").mode("append").save({table!r})
"""


@dataclass(frozen=True, kw_only=True)
class Way:
    """A process that commits to a table. prepare: what arrives before the round of that number."""

    command: list[str]
    table: Path
    prepare: Callable[[int], None] = lambda number: None  # noqa: ARG005
    environment: Mapping[str, str] = field(default_factory=dict)


def seconds_to_commit(way: Way) -> tuple[float, float]:
    """Seconds from the start of the process until its commit is in the table's log, and the processor's seconds until
    it and all that it started have ended."""
    log = way.table / "_delta_log"
    before, used = set(log.glob("*.json")), cpu_seconds()
    started = time.perf_counter()
    with (way.table.parent.parent / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            way.command, cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT, env=os.environ | dict(way.environment)
        )
        while set(log.glob("*.json")) == before:
            if process.poll() is not None:
                said = Path(output.name).read_text()[-2000:]
                raise SystemExit(f"{way.command} ended with {process.returncode} without a commit:\n{said}")
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        process.wait()
    wait_for_orphans()
    return seconds, cpu_seconds() - used


def wait_for_orphans() -> None:
    """The JVM outlives the process that started it for a moment, and becomes this one's child."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def backfill(config: PipelineConfig, conf: Path, prepare: Callable[[int], None]) -> Way:
    settings = {"spark.master": "local[2]", "spark.ui.enabled": "false"}
    conf.write_text(yaml.safe_dump(config.model_dump(mode="json") | {"spark": settings}))
    command = [sys.executable, "jobs/backfill.py", "--conf", str(conf)]
    return Way(command=command, table=Path(config.tables.root) / "batches", prepare=prepare)


def rows_way(folder: Path) -> Way:
    config = rows_config(folder)
    register_wine_model(config)
    inbox = Path(config.source.path)
    return backfill(config, folder / "conf.yaml", lambda number: drop_csv_files(inbox, files=number + 1, rows=100))


def series_way(folder: Path) -> Way:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    register_made_up_fleet(uri, folder, n_series=SERIES)
    config = series_config(folder, uri)
    inbox = Path(config.source.path)
    inbox.mkdir()

    def prepare(number: int) -> None:
        path = inbox / f"{number:03d}.parquet"
        observations(ids_of(SERIES), first=number, n_periods=1).to_parquet(path, index=False)
        os.utime(path, (time.time() - 60,) * 2)

    return backfill(config, folder / "conf.yaml", prepare)


def bare_way(folder: Path) -> Way:
    table, no_settings = folder / "bare" / "table", folder / "conf"
    table.parent.mkdir()
    no_settings.mkdir()
    return Way(
        command=[sys.executable, "-c", BARE.format(table=str(table))],
        table=table,
        # What is in pyspark/conf is this project's.
        environment={"SPARK_CONF_DIR": str(no_settings)},
    )


def measure(folder: Path, *, rounds: int) -> dict[str, object]:
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    ways: dict[str, Way] = {}
    for name, make in (("bare", bare_way), ("rows", rows_way), ("series", series_way)):
        (folder / name).mkdir()
        ways[name] = make(folder / name)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            way.prepare(number)
            clock, used = seconds_to_commit(way)
            seconds[name].append(clock)
            cpu[name].append(used)
            print(f"{name}: {clock:.1f} s, processor {used:.1f} s", flush=True)
    # The first round makes the tables.
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    return {
        "rounds": rounds,
        "seconds": {name: values[1:] for name, values in seconds.items()},
        "first_seconds": {name: values[0] for name, values in seconds.items()},
        "median_seconds": medians,
        "median_cpu_seconds": {name: statistics.median(values[1:]) for name, values in cpu.items()},
        "ratio": {name: medians[name] / medians["bare"] for name in ("rows", "series")},
    }


if __name__ == "__main__":
    run_benchmark("cold_start", measure, description=__doc__, rounds=5)
