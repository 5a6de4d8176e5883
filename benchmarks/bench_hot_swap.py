"""The first micro-batch after the alias moved, compared with the one before it; writes JSON.

A running stream gets a file of wines every few seconds; after every third batch the alias moves to a version that the
process has not used yet. Seconds from the batch's start to its marker, from `batches`.

Usage: python benchmarks/bench_hot_swap.py [--swaps 5] [--out FILE]
"""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path

import mlflow
from rows_setup import commits, register_wine_model, rows_config, run_benchmark, session, wines

from penstock.config.pipeline import PipelineConfig
from penstock.operations.run_stream import run_pipeline
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.stop_file import StopFile, running_writer
from penstock.storage.routing import storage_of

ROWS = 2_000
EVERY_SECONDS = 2.0
#: The pause between a batch and the next file; a real stream has minutes.
PAUSE_SECONDS = 15.0
BATCHES_PER_VERSION = 3


def drop_file(config: PipelineConfig, number: int) -> None:
    hidden = Path(config.source.path) / f".{number:04d}.csv"
    wines(ROWS, seed=number).to_csv(hidden, index=False)
    hidden.rename(hidden.with_name(hidden.name[1:]))


def stream_with_swaps(config: PipelineConfig, client: mlflow.MlflowClient, *, swaps: int) -> list[BatchRecord]:
    records: list[BatchRecord] = []
    stream = threading.Thread(
        target=lambda: records.extend(run_pipeline(config, job="bench", once=False, resume=False)), daemon=True
    )
    stream.start()
    for number in range((swaps + 1) * BATCHES_PER_VERSION):
        if number and number % BATCHES_PER_VERSION == 0:
            version = str(number // BATCHES_PER_VERSION + 1)
            client.set_registered_model_alias(config.the_model.name, config.the_model.alias, version)
        time.sleep(PAUSE_SECONDS)
        drop_file(config, number)
        while commits(config, "batches") <= number:
            time.sleep(0.2)
            if not stream.is_alive():
                raise SystemExit("the stream ended by itself")
    holder = running_writer(config, storage_of(config))
    if holder is not None:
        StopFile.of(config, storage_of(config)).write(holder)
    stream.join()
    return records


def measure(folder: Path, *, swaps: int) -> dict[str, object]:
    config = rows_config(folder)
    config = config.model_copy(update={"trigger": config.trigger.model_copy(update={"every": EVERY_SECONDS})})
    Path(config.source.path).mkdir()
    for _ in range(swaps + 1):
        register_wine_model(config)
    client = mlflow.MlflowClient(config.the_mlflow.tracking_uri)
    client.set_registered_model_alias(config.the_model.name, config.the_model.alias, "1")
    session("bench-hot-swap")
    records = stream_with_swaps(config, client, swaps=swaps)
    seconds = [(record.finished_at - record.started_at).total_seconds() for record in records]
    pairs = [
        (seconds[number - 1], seconds[number])
        for number, record in enumerate(records)
        if number and record.plan.champion.version != records[number - 1].plan.champion.version
    ]
    more = [after - before for before, after in pairs]
    swaps_seconds = [{"before": before, "after": after} for before, after in pairs]
    return {
        "rows": ROWS,
        "swaps": swaps_seconds,
        "more_seconds": {"median": statistics.median(more), "maximum": max(more)},
    }


if __name__ == "__main__":
    run_benchmark("hot_swap", measure, description=__doc__, swaps=5)
