"""Checkpoints as Spark writes them, made by hand."""

import json

from penstock.sources.checkpoint import Logged, arrivals, logged_files
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()
METADATA = '{"batchWatermarkMs":0,"batchTimestampMs":1700000000000,"conf":{"spark.sql.shuffle.partitions":"4"}}'


class Checkpoint:
    """Writes a checkpoint's logs as Spark writes them."""

    def __init__(self, root):
        self.root = root

    def offset(self, batch_id, log_offset, *, version="v1"):
        self.write(f"offsets/{batch_id}", [version, METADATA, f'{{"logOffset":{log_offset}}}'])

    def log(self, offset, *entries, compact=False, version="v1"):
        lines = [
            json.dumps({"path": path, "timestamp": timestamp, "batchId": batch_id}, separators=(",", ":"))
            for path, timestamp, batch_id in entries
        ]
        self.write(f"sources/0/{offset}{'.compact' if compact else ''}", [version, *lines])

    def write(self, name, lines):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines))

    def arrivals(self, batch_id):
        return arrivals(STORAGE, str(self.root), batch_id)

    def paths(self, batch_id):
        return [arrival.path for arrival in self.arrivals(batch_id)]


def whole_log(storage, checkpoint):
    """The checkpoint's file log, by path."""
    return {
        entry.path: Logged(modified_milliseconds=entry.modified_milliseconds, offset=entry.offset)
        for entry in logged_files(storage, checkpoint)
    }
