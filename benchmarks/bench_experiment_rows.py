"""What a candidate costs a pipeline of rows: the same files without an experiment, with a shadow of all rows, and the
bare evaluation of one model over them; writes JSON.

Red wine as in bench_rows. In each round new files are scored by a backfill of either pipeline, and the same rows by
a pandas UDF of one version without anything around it (read, evaluated, written nowhere), all in one process and
in turns. The first round is discarded. Seconds are those of the batch, from its plan to its marker.

Goals: with the shadow at most 1.35 times the seconds without, and what it adds at most one bare evaluation. That a
pipeline without an experiment costs at most 1.01 times what it did before there were any is seen by `none`, on two
commits in turns.

Usage: python benchmarks/bench_experiment_rows.py [--rows 1000000] [--rounds 5] [--out FILE]
"""

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import series_setup
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from rows_setup import RED_WINE, register_wine_model, rows_config, run_benchmark, session, wines

from penstock.config.pipeline import PipelineConfig
from penstock.models.training.elasticnet import train_elasticnet
from penstock.operations.run_stream import run_pipeline
from penstock.schemas.wine import MEASUREMENTS

FILES = 8


def pipelines(folder: Path) -> dict[str, PipelineConfig]:
    """Both with the champion and the candidate of one registry."""
    shared = {"mlflow": {"tracking_uri": f"sqlite:///{folder / 'mlflow.db'}"}}
    found = {}
    for name, sections in (("none", {}), ("shadow", {"experiment": {"mode": "shadow"}})):
        (folder / name).mkdir()
        given = rows_config(folder / name, format="parquet").model_dump() | shared | sections
        found[name] = PipelineConfig.model_validate(given)
    register_wine_model(found["none"])
    train_elasticnet(found["none"], data=RED_WINE, alpha=0.05, l1_ratio=0.5, first_rows=None, promote=False)
    return found


def drop_files(inboxes: list[Path], number: int, *, rows: int) -> None:
    for file in range(FILES):
        part = wines(rows // FILES, seed=number * FILES + file)
        for inbox in inboxes:
            inbox.mkdir(parents=True, exist_ok=True)
            path = inbox / f"{number}-{file}.parquet"
            part.to_parquet(path, index=False, row_group_size=max(1, len(part) // 4))
            os.utime(path, (time.time() - 60,) * 2)


def batch_seconds(config: PipelineConfig, *, has_candidate: bool) -> float:
    [record] = run_pipeline(config, job="bench", once=True, resume=False)
    if (record.plan.candidate is not None) != has_candidate:
        raise SystemExit(f"the batch was planned with {record.plan.models}, {record.plan.refused_candidates}")
    return (record.finished_at - record.started_at).total_seconds()


def bare_seconds(spark: SparkSession, config: PipelineConfig, number: int) -> float:
    """One model over the rows of a round, and nothing else."""
    mlflow.set_tracking_uri(config.the_mlflow.tracking_uri)
    before = time.perf_counter()
    folder = mlflow.artifacts.download_artifacts("models:/wine-quality/1")

    def predicted(frames: Iterator[pd.DataFrame]) -> Iterator[pd.Series]:
        # As spark_udf does; its workers load no scikit-learn model under Penstock's settings.
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "true"
        model = mlflow.pyfunc.load_model(folder)
        os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
        for frame in frames:
            yield pd.Series(model.predict(frame), dtype="float64")

    scored = pandas_udf(predicted, "double")  # type: ignore[call-overload, unused-ignore]
    rows = spark.read.parquet(f"{config.source.path}/{number}-*.parquet")
    arguments = F.struct(*[F.col(f"`{name}`") for name in MEASUREMENTS])
    rows.select(scored(arguments)).write.format("noop").mode("overwrite").save()
    return time.perf_counter() - before


def measure(folder: Path, *, rows: int, rounds: int) -> dict[str, Any]:
    os.environ["PENSTOCK_MODEL_CACHE"] = str(folder / "cache")
    os.environ["PENSTOCK_SPARK_LOG"] = str(folder / "spark.log")
    spark = session("bench")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    configs = pipelines(folder)
    found: dict[str, list[float]] = {}
    for number in range(rounds + 1):
        drop_files([Path(config.source.path) for config in configs.values()], number, rows=rows)
        measured = {name: batch_seconds(config, has_candidate=name == "shadow") for name, config in configs.items()} | {
            "bare": bare_seconds(spark, configs["none"], number)
        }
        print(number, {name: round(value, 2) for name, value in measured.items()}, flush=True)
        if number:
            for name, value in measured.items():
                found.setdefault(name, []).append(value)
    medians = {name: series_setup.spread(values) for name, values in found.items()}
    none, shadow, bare = (medians[name]["median"] for name in ("none", "shadow", "bare"))
    return {
        "rows": rows,
        **medians,
        "shadow_over_none": shadow / none,
        "added_over_bare": (shadow - none) / bare,
    }


if __name__ == "__main__":
    run_benchmark("experiment_rows", measure, description=__doc__, rows=1_000_000, rounds=5)
