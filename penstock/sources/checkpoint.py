"""Which files a micro-batch is about, read from the logs of the stream's checkpoint.

The list is taken from Spark's file log and not from the frame that foreachBatch is given: the frame leaves out files of
zero bytes, and files that vanished before a replay, without a word.
"""

import json
import re
from dataclasses import dataclass

from penstock.errors import PlanError
from penstock.storage.files import Storage
from penstock.storage.paths import normal_path

LOG_VERSION = "v1"


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A file as the stream first saw it: its path in normal form and its modification time then."""

    path: str
    modified_milliseconds: int


@dataclass(frozen=True, kw_only=True)
class Logged:
    """A file in Spark's file log: its modification time when it was first seen, and the log's entry that has it."""

    modified_milliseconds: int
    offset: int


def query_id_of(storage: Storage, checkpoint: str) -> str | None:
    """The id of the streaming query that a checkpoint belongs to; None for a checkpoint not yet begun."""
    content = storage.read(f"{checkpoint}/metadata")
    return str(json.loads(content)["id"]) if content else None


def batch_numbers(storage: Storage, folder: str) -> list[int]:
    """The batches that have a file in one of the query's logs (`offsets`, `commits`)."""
    return [int(name) for name in storage.names(folder) if name.isdigit()]


def arrivals(storage: Storage, checkpoint: str, batch_id: int) -> list[Arrival]:
    """The files that Spark's file log assigns to a micro-batch, in the log's order. Raises PlanError."""
    last = log_offset(storage, checkpoint, batch_id)
    if last is None:
        raise PlanError(f"{checkpoint}/offsets/{batch_id}: is missing; a micro-batch has no files without it")
    before = log_offset(storage, checkpoint, batch_id - 1)
    if before is None and batch_id > 0:
        raise PlanError(f"{checkpoint}/offsets/{batch_id - 1}: is missing; where batch {batch_id} begins is unknown")
    first = 0 if before is None else before + 1
    return [arrival for offset in range(first, last + 1) for arrival in log_entries(storage, checkpoint, offset)]


def log_offset(storage: Storage, checkpoint: str, batch_id: int) -> int | None:
    """How far into the file log a micro-batch goes, from the query's offset log."""
    content = storage.read(f"{checkpoint}/offsets/{batch_id}")
    if content is None:
        return None
    path = f"{checkpoint}/offsets/{batch_id}"
    lines = content.decode().splitlines()
    check_version(lines, path)
    try:
        return int(json.loads(lines[2])["logOffset"])
    except (IndexError, ValueError, KeyError, TypeError):
        raise PlanError(f"{path}: is not a whole offset log; was the disk full? Restore the checkpoint") from None


def log_entries(storage: Storage, checkpoint: str, offset: int) -> list[Arrival]:
    """One entry of the file log. Every tenth is a compaction that repeats all earlier ones; they are left out."""
    ours = f'"batchId":{offset}' + "}"
    entries = [json.loads(line) for line in log_lines(storage, checkpoint, offset) if line.endswith(ours)]
    return [
        Arrival(path=normal_path(entry["path"]), modified_milliseconds=int(entry["timestamp"])) for entry in entries
    ]


def log_lines(storage: Storage, checkpoint: str, offset: int) -> list[str]:
    folder = f"{checkpoint}/sources/0"
    content = storage.read(f"{folder}/{offset}") or storage.read(f"{folder}/{offset}.compact")
    if content is None:
        raise PlanError(f"{folder}/{offset}: is missing; restore the checkpoint, or start a new one from the ledger")
    lines = content.decode().splitlines()
    check_version(lines, f"{folder}/{offset}")
    return lines[1:]


def whole_log(storage: Storage, checkpoint: str) -> dict[str, Logged]:
    """Every file that the stream has ever seen, by path: the last compaction and what came after it.

    A file may stand there twice, if the stream forgot it (source.max_file_age); the later entry counts. Raises
    PlanError.
    """
    names = storage.names(f"{checkpoint}/sources/0")
    offsets = sorted({int(name.removesuffix(".compact")) for name in names if re.fullmatch(r"\d+(\.compact)?", name)})
    compactions = [offset for offset in offsets if f"{offset}.compact" in names]
    seen = {}
    for offset in range(compactions[-1] if compactions else 0, offsets[-1] + 1 if offsets else 0):
        for line in log_lines(storage, checkpoint, offset):
            entry = json.loads(line)
            logged = Logged(modified_milliseconds=int(entry["timestamp"]), offset=int(entry["batchId"]))
            seen[normal_path(entry["path"])] = logged
    return seen


def check_version(lines: list[str], path: str) -> None:
    if not lines or lines[0] != LOG_VERSION:
        found = lines[0] if lines else "an empty file"
        raise PlanError(f"{path}: expected a log of version {LOG_VERSION}, found {found}; was another Spark used?")
