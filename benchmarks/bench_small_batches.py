"""A small micro-batch, compared with a plain stream that only copies; writes JSON.

Files of 100 rows, one per batch. Ours: the whole micro-batch (admission, plan, contract, model, predictions, row
counts, marker). Plain: readStream of typed CSV appended to a Delta table, no model. Batch times are Spark's own.

Usage: python benchmarks/bench_small_batches.py [--files 200] [--out FILE]
"""

from __future__ import annotations

import statistics
from pathlib import Path

from pyspark.sql import SparkSession
from rows_setup import (
    TYPED,
    BatchSeconds,
    commits,
    drop_csv_files,
    register_wine_model,
    rows_config,
    run_benchmark,
    session,
    table_columns,
)

from penstock.operations.run_stream import run_pipeline

ROWS = 100
#: The first batches warm the JVM up.
WARM_UP = 20


def plain_copy(spark: SparkSession, inbox: Path, folder: Path) -> None:
    """The minimum of a stream: read, append, commit."""
    reader = spark.readStream.schema(TYPED).option("header", "true").option("maxFilesPerTrigger", 1)
    writer = reader.csv(str(inbox)).select(*table_columns()).writeStream.format("delta")
    writer = writer.option("checkpointLocation", str(folder / "checkpoint")).trigger(availableNow=True)
    writer.start(str(folder / "table")).awaitTermination()


def measure(folder: Path, *, files: int) -> dict[str, object]:
    config = rows_config(folder, max_files_per_trigger=1)
    register_wine_model(config)
    drop_csv_files(folder / "inbox", files=files, rows=ROWS)
    spark, listener = session("bench-small-batches"), BatchSeconds()
    spark.streams.addListener(listener)
    plain_copy(spark, folder / "inbox", folder / "plain")
    plain = listener.take(files)
    # Of many batches the last ones are kept.
    records = run_pipeline(config, job="bench", once=True, resume=False)
    ours = listener.take(files)
    plain_copy(spark, folder / "inbox", folder / "plain-again")
    plain_again = listener.take(files)
    timings = {
        name: round(statistics.median(record.seconds.get(name, 0.0) for record in records[WARM_UP:]), 3)
        for name in records[-1].seconds
    }
    medians = {
        "ours": statistics.median(ours[WARM_UP:]),
        "plain_before": statistics.median(plain[WARM_UP:]),
        "plain_after": statistics.median(plain_again[WARM_UP:]),
    }
    return {
        "files": files,
        "rows_per_file": ROWS,
        "median_seconds": medians,
        "ratio": medians["ours"] / statistics.mean([medians["plain_before"], medians["plain_after"]]),
        "phases_median_seconds": timings,
        "commits": {table: commits(config, table) for table in ("predictions", "quarantine", "batches")},
    }


if __name__ == "__main__":
    run_benchmark("small_batches", measure, description=__doc__, files=200)
