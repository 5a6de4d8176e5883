"""The state of the series workload: windows and state of a batch, and the cost of a small batch over a large table.

1. 1 million observations of 500,000 series over a `lags` table of all of them: windows to a no-op sink, then
   the append to the state, and its compaction when it is due. Observations per second of all together.
2. One observation of each of 1,000 series, with 1,000,000 series in `lags` compared with those 1,000 alone.

With `--revisions newest`, each batch also has other values for the last observation of the state.

Usage: python benchmarks/bench_lags.py [--series 500000] [--large 1000000] [--touched 1000] [--rounds 5]
                                       [--revisions first] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from series_setup import KEEP_LAGS, VARIABLES, ids_of, observations, series_config, session, spread, timed

from penstock.config.pipeline import PipelineConfig, TablesConfig
from penstock.pipeline.series_writes import persisted
from penstock.schemas.tables import lags
from penstock.series.lags import compact_lags
from penstock.series.revisions import batch_windows, changed_lags
from penstock.series.windows import LAGS_VERSION
from penstock.sources.files import PlannedFile
from penstock.spark.tables import append_once, prepare_table, table_version
from penstock.storage.delta_transactions import Transaction

FILE = PlannedFile(path="bench.parquet", verdict="accepted", length=1, modified_milliseconds=0)


def fill(spark: SparkSession, path: str, *, n_series: int, step: int = 1) -> None:
    """A `lags` table with KEEP_LAGS observations of the series number 0, step, 2 * step, ..."""
    prepare_table(spark, path, lags(VARIABLES, keep_lags=KEEP_LAGS, frequency="QS"))
    numbers = spark.range(0, n_series * step, step)
    rows = numbers.select(
        F.lit("q").alias("query_id"),
        F.lit(-1).cast("long").alias("batch_id"),
        F.format_string("series-%07d", "id").alias("series_id"),
        F.explode(F.sequence(F.lit(1).cast("long"), F.lit(KEEP_LAGS).cast("long"))).alias("number"),
    )
    filled = rows.select(
        "query_id",
        "batch_id",
        "series_id",
        F.pmod("number", F.lit(KEEP_LAGS)).cast("int").alias("slot"),
        "number",
        F.add_months(F.lit("2000-01-01").cast("date"), (F.col("number").cast("int") - 1) * 3)
        .cast("timestamp")
        .alias("ds"),
        *[(F.rand(1) * 20 + 90).alias(variable) for variable in VARIABLES],
    )
    filled.repartition(4).write.format("delta").mode("append").save(path)


def batch(spark: SparkSession, config: PipelineConfig, folder: Path, path: str, ids: Any, *, number: int) -> float:
    """Seconds of the windows and the state of one batch; each batch continues the series of the one before."""
    periods = 2 if len(ids) > 100_000 else 1
    file = folder / f"{Path(path).parent.name}-{number}.parquet"
    again = 1 if config.the_series.revisions == "newest" else 0
    first = KEEP_LAGS + number * periods - again
    observations(ids, first=first, n_periods=periods + again).to_parquet(file, index=False)
    new = spark.read.parquet(str(file)).withColumn("source_file", F.lit(FILE.path))
    transaction = Transaction(pipeline="bench", query_id="bench", batch_id=number)
    return timed(lambda: advance(spark, config, new, path, transaction))


def advance(spark: SparkSession, config: PipelineConfig, new: DataFrame, path: str, transaction: Transaction) -> None:
    series = config.the_series
    before = spark.read.format("delta").load(path)
    ours = {
        "query_id": F.lit(transaction.query_id),
        "batch_id": F.lit(transaction.batch_id).cast("long"),
        LAGS_VERSION: F.lit(table_version(spark, path)).cast("long"),
    }
    windows = batch_windows(spark, new, before, series=series, files=[FILE])
    with persisted(windows.withColumns(ours)) as windows:
        windows.write.format("noop").mode("overwrite").save()
        append_once(changed_lags(windows, series), path, transaction)
    compact_lags(spark, config.model_copy(update={"tables": TablesConfig(root=str(Path(path).parent))}))


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=500_000)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--touched", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--revisions", choices=("first", "newest"), default="first")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "lags.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["PENSTOCK_SPARK_LOG"] = str(folder / "spark.log")
        config = series_config(folder, "sqlite:///unused.db")
        series = config.the_series.model_copy(update={"revisions": arguments.revisions})
        config = config.model_copy(update={"series": series})
        spark = session("bench")
        tables = {name: str(folder / name / "lags") for name in ("many", "large", "small")}
        step = arguments.large // arguments.touched
        fill(spark, tables["many"], n_series=arguments.series)
        fill(spark, tables["large"], n_series=arguments.large)
        fill(spark, tables["small"], n_series=arguments.touched, step=step)
        touched = ids_of(arguments.large)[np.arange(arguments.touched) * step]
        everyone = ids_of(arguments.series)
        numbers = range(arguments.rounds + 2)
        many = [batch(spark, config, folder, tables["many"], everyone, number=n) for n in numbers][2:]
        # Alternating, so that other load on the machine affects both.
        pairs = [
            [batch(spark, config, folder, tables[name], touched, number=n) for name in ("large", "small")]
            for n in numbers
        ][2:]
        large, small = (spread([pair[i] for pair in pairs]) for i in (0, 1))
        result = {
            "observations": 2 * arguments.series,
            "seconds": spread(many),
            "observations_per_second": 2 * arguments.series / spread(many)["median"],
            "series_in_large_table": arguments.large,
            "series_touched": arguments.touched,
            "touched_of_large_seconds": large,
            "touched_alone_seconds": small,
            "ratio_large_to_alone": large["median"] / small["median"],
        }
    print(json.dumps(result, indent=1))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
