"""Time from process start to the first committed batch, compared with a bare Spark and Delta that write one row.

Ours: jobs/backfill.py over one file of 100 wines, until its row in `batches` is committed (the pipeline's tables exist,
as for every start but the first). Bare: a script that starts a session with Delta and appends one row. Alternating.

Usage: python benchmarks/bench_cold_start.py [--rounds 5] [--out FILE]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import yaml
from rows_setup import drop_csv_files, register_wine_model, rows_config, run_benchmark

PROJECT = Path(__file__).parents[1]
BARE = """
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
spark = builder.getOrCreate()
spark.range(1).write.format("delta").mode("append").save({table!r})
"""


def seconds_to_commit(command: list[str], table: Path) -> float:
    """Seconds from the start of the process until its commit is in the table's log; waits for its end."""
    log = table / "_delta_log"
    before = set(log.glob("*.json"))
    started = time.perf_counter()
    with (table.parent.parent / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT, env=os.environ)
        while set(log.glob("*.json")) == before:
            if process.poll() is not None:
                raise SystemExit(f"{command} ended with {process.returncode} without a commit: see {output.name}")
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        process.wait()
    return seconds


def measure(folder: Path, *, rounds: int) -> dict[str, object]:
    config = rows_config(folder)
    register_wine_model(config)
    conf = folder / "conf.yaml"
    settings = {"spark.master": "local[2]", "spark.ui.enabled": "false"}
    conf.write_text(yaml.safe_dump(config.model_dump(mode="json") | {"spark": settings}))
    bare_table, batches = folder / "bare" / "table", Path(config.tables.root) / "batches"
    bare_table.parent.mkdir()
    ways = {
        "bare": ([sys.executable, "-c", BARE.format(table=str(bare_table))], bare_table),
        "ours": ([sys.executable, "jobs/backfill.py", "--conf", str(conf)], batches),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, (command, table) in ways.items():
            if name == "ours":
                drop_csv_files(folder / "inbox", files=number + 1, rows=100)
            seconds[name].append(seconds_to_commit(command, table))
            print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
    # The first round creates the tables.
    medians = {name: statistics.median(values[1:]) for name, values in seconds.items()}
    return {
        "rounds": rounds,
        "seconds": {name: values[1:] for name, values in seconds.items()},
        "median_seconds": medians,
        "ratio": medians["ours"] / medians["bare"],
    }


if __name__ == "__main__":
    run_benchmark("cold_start", measure, description=__doc__, rounds=5)
