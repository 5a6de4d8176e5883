"""Scoring rows, compared with plain ways of the same work; writes JSON.

Red wine, sampled with replacement, 11 measurements, one scikit-learn model. Ours: the second micro-batch of a process
(admission, plan, contract, model, predictions, row counts, marker), as measured by Spark. Compared with, in alternating
rounds of which the first is discarded:

- bare: the same files read with types -> spark_udf on flat columns -> appended to a Delta table, without checks
- copy: the same without a model
- tutorial: readStream of typed CSV, spark_udf(struct(*columns)), writeStream to Delta

Usage: python benchmarks/bench_rows.py [--rows 2000000] [--rounds 3] [--out FILE]
"""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlflow
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rows_setup import (
    TYPED,
    BatchSeconds,
    register_wine_model,
    rows_config,
    run_benchmark,
    session,
    table_columns,
    wines,
)

from penstock.config.pipeline import PipelineConfig
from penstock.operations.run_stream import run_pipeline
from penstock.schemas.wine import MEASUREMENTS

FILES = 8
WARM_UP_ROWS = 100_000


@dataclass(kw_only=True)
class Bench:
    """The files in both formats, the model's bare UDF, and the seconds of each way by round."""

    spark: SparkSession
    folder: Path
    listener: BatchSeconds
    config: PipelineConfig
    seconds: dict[str, list[float]] = field(default_factory=dict)
    timings: dict[str, dict[str, float]] = field(default_factory=dict)

    def inbox(self, kind: str) -> Path:
        return self.folder / f"inbox-{kind}"

    def write_files(self, rows: int) -> None:
        """Equally many small files for a first batch, and the measured ones."""
        for number in range(FILES):
            self.write_file("first", number, WARM_UP_ROWS // FILES, age_seconds=120)
            self.write_file("measured", number, rows // FILES, age_seconds=60)

    def write_file(self, folder: str, number: int, rows: int, *, age_seconds: float) -> None:
        part = wines(rows, seed=number)
        for kind in ("parquet", "csv"):
            path = self.inbox(kind) / folder / f"{number}.{kind}"
            path.parent.mkdir(exist_ok=True, parents=True)
            part.to_parquet(path, index=False) if kind == "parquet" else part.to_csv(path, index=False)
            os.utime(path, (time.time() - age_seconds,) * 2)

    def read(self, kind: str) -> DataFrame:
        reader = self.spark.read.schema(TYPED)
        path = str(self.inbox(kind) / "measured")
        return reader.parquet(path) if kind == "parquet" else reader.csv(path, header=True)

    def udf(self) -> Any:
        uri = f"models:/{self.config.the_model.name}@{self.config.the_model.alias}"
        return mlflow.pyfunc.spark_udf(self.spark, uri, result_type="double", env_manager="local")

    def time(self, name: str, work: Callable[[Path], float | None]) -> None:
        """Run `work` in a new folder. Seconds: what it returns, or how long it took."""
        folder = self.folder / "work"
        shutil.rmtree(folder, ignore_errors=True)
        started = time.perf_counter()
        answer = work(folder)
        self.seconds.setdefault(name, []).append(answer or time.perf_counter() - started)
        print(f"{name}: {self.seconds[name][-1]:.2f} s", flush=True)

    def ours(self, kind: str) -> Callable[[Path], float]:
        def work(folder: Path) -> float:
            config = self.config.model_copy(
                update={
                    "source": self.config.source.model_copy(update={"path": str(self.inbox(kind)), "format": kind}),
                    "tables": self.config.tables.model_copy(update={"root": str(folder / "tables")}),
                    "checkpoint": str(folder / "checkpoint"),
                }
            )
            [_, record] = run_pipeline(config, job="bench", once=True, resume=False)
            self.timings[kind] = record.seconds
            print({name: round(value, 2) for name, value in record.seconds.items()}, flush=True)
            return self.listener.take(2)[-1]

        return work

    def bare(self, kind: str, udf: Any) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            rows = self.read(kind)
            prediction = udf(*[F.col(f"`{name}`") for name in MEASUREMENTS]).alias("prediction")
            scored = rows.select(*table_columns(), prediction)
            scored.write.format("delta").mode("append").save(str(folder))

        return work

    def copy(self, kind: str) -> Callable[[Path], None]:
        def work(folder: Path) -> None:
            self.read(kind).select(*table_columns()).write.format("delta").mode("append").save(str(folder))

        return work

    def tutorial(self, udf: Any) -> Callable[[Path], float]:
        def work(folder: Path) -> float:
            rows = self.spark.readStream.schema(TYPED).csv(str(self.inbox("csv") / "measured"), header=True)
            scored = rows.withColumn("prediction", udf(F.struct(*[F.col(f"`{name}`") for name in MEASUREMENTS])))
            writer = scored.select(*table_columns(), "prediction").writeStream.format("delta")
            writer = writer.option("checkpointLocation", str(folder / "checkpoint")).trigger(availableNow=True)
            writer.start(str(folder / "table")).awaitTermination()
            return self.listener.take(1)[-1]

        return work


def measure(folder: Path, *, rows: int, rounds: int) -> dict[str, object]:
    config = rows_config(folder, max_files_per_trigger=FILES)
    register_wine_model(config)
    # For the bare UDF only: ours loads its model by the config, independent of the workers' environment.
    spark = session("bench-rows", settings={"spark.executorEnv.MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "true"})
    listener = BatchSeconds()
    spark.streams.addListener(listener)
    bench = Bench(spark=spark, folder=folder, listener=listener, config=config)
    bench.write_files(rows)
    udf = bench.udf()
    for number in range(rounds + 1):
        if number == 1:
            bench.seconds.clear()  # the first round warms up
        for kind in ("parquet", "csv"):
            bench.time(f"bare {kind}", bench.bare(kind, udf))
            bench.time(f"ours {kind}", bench.ours(kind))
            bench.time(f"copy {kind}", bench.copy(kind))
        bench.time("tutorial csv", bench.tutorial(udf))
    medians = {name: statistics.median(seconds) for name, seconds in bench.seconds.items()}
    return {
        "rows": rows,
        "median_seconds": medians,
        "seconds": bench.seconds,
        "phases_of_the_last_batch": bench.timings,
        "ratio": {
            "parquet_to_bare": medians["ours parquet"] / medians["bare parquet"],
            "parquet_to_copy": medians["ours parquet"] / medians["copy parquet"],
            "csv_to_bare": medians["ours csv"] / medians["bare csv"],
            "csv_to_tutorial": medians["ours csv"] / medians["tutorial csv"],
        },
    }


if __name__ == "__main__":
    run_benchmark("rows", measure, description=__doc__, rows=2_000_000, rounds=3)
