"""A pipeline with a long history, made by writing its tables and its checkpoint's logs, not by running it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

from penstock.config.pipeline import PipelineConfig

QUERY = "0b5f7a52-6c1d-4d7e-9a55-3f2f1f6d9c11"
STARTED = datetime(2025, 1, 1, tzinfo=UTC)
TIME = pa.timestamp("us", "UTC")
FILE = pa.struct({"path": pa.string(), "length": pa.int64(), "modification_time": TIME, "rows": pa.int64()})
TEXTS = pa.map_(pa.string(), pa.string())
BATCHES = pa.schema(
    {
        "query_id": pa.string(),
        "batch_id": pa.int64(),
        "pipeline": pa.string(),
        "started_at": TIME,
        "finished_at": TIME,
        "files": pa.list_(FILE),
        "files_refused": pa.int64(),
        "rows_in": pa.int64(),
        "accepted": pa.int64(),
        "quarantined": pa.int64(),
        "failed": pa.int64(),
        "versions": TEXTS,
        "refused_versions": TEXTS,
        "seconds": pa.map_(pa.string(), pa.float64()),
        "resolved_at": TIME,
    }
)
PREDICTIONS = pa.schema(
    {
        "query_id": pa.string(),
        "batch_id": pa.int64(),
        "prediction": pa.float64(),
        "error": pa.string(),
        "source_file": pa.string(),
        "scored_at": TIME,
    }
)
#: Spark keeps the last hundred offsets and commits.
KEPT_OFFSETS = 100
PREDICTIONS_AT_A_TIME = 500_000
OFFSET = '{"batchWatermarkMs":0,"batchTimestampMs":1700000000000,"conf":{}}'


@dataclass(frozen=True, kw_only=True)
class History:
    """`files` files of one row in `batches` batches, one every five minutes; `waiting` more are in the inbox."""

    config: PipelineConfig
    files: int
    batches: int
    waiting: int

    def files_of(self, batch: int) -> range:
        return range(batch * self.files // self.batches, (batch + 1) * self.files // self.batches)

    def path(self, file: int) -> str:
        return f"{self.config.source.path}/{file // 100_000:04d}/part-{file:09d}-of-a-name-of-usual-length.csv"

    def modified(self, batch: int) -> datetime:
        return STARTED + timedelta(minutes=5 * batch)


def write_history(history: History) -> None:
    write_checkpoint(history)
    write_batches(history)
    predictions = history.config.table_path("predictions")
    for number, rows in enumerate(predictions_of(history)):
        write_deltalake(predictions, rows, mode="append" if number else "error")
    for file in range(history.files, history.files + history.waiting):
        path = Path(history.path(file))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n1\n")


def write_checkpoint(history: History) -> None:
    """With a compaction as the last entry of Spark's file log; that needs a number of batches that ends with 0."""
    root, last = Path(history.config.checkpoint), history.batches - 1
    for name in ("offsets", "commits", "sources/0"):
        (root / name).mkdir(parents=True)
    (root / "metadata").write_text(json.dumps({"id": QUERY}))
    for batch in range(max(0, last - KEPT_OFFSETS), last + 1):
        (root / "offsets" / str(batch)).write_text(f'v1\n{OFFSET}\n{{"logOffset":{batch}}}')
        (root / "commits" / str(batch)).write_text('v1\n{"nextBatchWatermarkMs":0}')
    with (root / "sources" / "0" / f"{last}.compact").open("w") as log:
        log.write("v1")
        for batch in range(history.batches):
            milliseconds = int(history.modified(batch).timestamp() * 1000)
            for file in history.files_of(batch):
                log.write(f'\n{{"path":"file://{history.path(file)}","timestamp":{milliseconds},"batchId":{batch}}}')


def write_batches(history: History) -> None:
    """One file a batch, as the stream leaves them; their commits are one, and Delta's checkpoint of it."""
    root = Path(history.config.table_path("batches"))
    settings = {"delta.dataSkippingStatsColumns": "query_id,batch_id,started_at,finished_at"}
    write_deltalake(root, marker(history, 0), configuration=settings)
    with (root / "_delta_log" / f"{1:020d}.json").open("w") as commit:
        commit.write(json.dumps({"commitInfo": {"operation": "WRITE", "timestamp": 0}}))
        version = {"appId": f"{history.config.pipeline}:{QUERY}", "version": history.batches - 1, "lastUpdated": 0}
        commit.write("\n" + json.dumps({"txn": version}))
        for batch in range(1, history.batches):
            name = f"part-00000-{batch:08d}.snappy.parquet"
            pq.write_table(marker(history, batch), root / name)
            added = {
                "path": name,
                "partitionValues": {},
                "size": (root / name).stat().st_size,
                "modificationTime": 0,
                "dataChange": True,
                "stats": json.dumps(statistics(history, batch)),
            }
            commit.write("\n" + json.dumps({"add": added}))
    DeltaTable(root).create_checkpoint()


def statistics(history: History, batch: int) -> dict[str, object]:
    """As Spark writes them: 32 characters of a text, and an upper bound above all that begin so."""
    moment = history.modified(batch).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    bounds = {"batch_id": batch, "started_at": moment, "finished_at": moment}
    return {
        "numRecords": 1,
        "minValues": {"query_id": QUERY[:32]} | bounds,
        "maxValues": {"query_id": f"{QUERY[:32]}\U0010ffff"} | bounds,
        "nullCount": dict.fromkeys(("query_id", *bounds), 0),
    }


def marker(history: History, batch: int) -> pa.Table:
    moment, files = history.modified(batch), history.files_of(batch)
    row = {
        "query_id": QUERY,
        "batch_id": batch,
        "pipeline": history.config.pipeline,
        "started_at": moment,
        "finished_at": moment,
        "files": [{"path": history.path(file), "length": 4, "modification_time": moment, "rows": 1} for file in files],
        "files_refused": 0,
        "rows_in": len(files),
        "accepted": len(files),
        "quarantined": 0,
        "failed": 0,
        "versions": [("champion", "1")],
        "refused_versions": [],
        "seconds": [("plan", 0.1)],
        "resolved_at": moment,
    }
    return pa.Table.from_pylist([row], schema=BATCHES)


def predictions_of(history: History) -> Iterator[pa.Table]:
    rows: list[dict[str, object]] = []
    for batch in range(history.batches):
        moment = history.modified(batch)
        for file in history.files_of(batch):
            path = history.path(file)
            rows.append({"query_id": QUERY, "batch_id": batch, "source_file": path, "scored_at": moment})
        if len(rows) >= PREDICTIONS_AT_A_TIME or batch == history.batches - 1:
            yield pa.Table.from_pylist(rows, schema=PREDICTIONS)
            rows = []
