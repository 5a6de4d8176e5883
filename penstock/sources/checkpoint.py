"""Which files a micro-batch is about, read from the logs of the stream's checkpoint.

The list is taken from Spark's file log and not from the frame that foreachBatch is given: the frame leaves out files of
zero bytes, and files that vanished before a replay, without a word.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, NamedTuple

from penstock.errors import PlanError
from penstock.storage.files import Storage
from penstock.storage.paths import normal_path

LOG_VERSION = "v1"
#: How much of a compaction is read at a time, from its end; some hundred entries.
TAIL_BYTES = 1 << 16


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


class LogEntry(NamedTuple):
    """A line of Spark's file log. offset: the entry of the log that had the file first."""

    path: str
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
    path = log_path(checkpoint, offset)
    content = storage.read(path)
    if content:
        lines = content.splitlines()
        check_version([line.decode() for line in lines[:1]], path)
        entries = [entry_of(line, path) for line in lines[1:]]
    else:
        entries = compacted_entries(storage, checkpoint, offset)
    own = [
        Arrival(path=entry.path, modified_milliseconds=entry.modified_milliseconds)
        for entry in entries
        if entry.offset == offset
    ]
    if not own:
        # Spark makes an entry where there are new files only.
        raise PlanError(
            f"{path}: has no files of its own, so it was cut off; restore the checkpoint, or start a new one from the "
            "ledger"
        )
    return own


def compacted_entries(storage: Storage, checkpoint: str, offset: int) -> list[LogEntry]:
    """A compaction's own entries. Spark writes them after all earlier ones, so that the file is read from its end."""
    path, ours = f"{log_path(checkpoint, offset)}.compact", b'"batchId":%d}' % offset
    with opened_log(storage, checkpoint, offset) as content:
        own: list[bytes] = []
        for line in lines_from_the_end(content):
            if not line.endswith(ours):
                break
            own.append(line)
        if own:
            return [entry_of(line, path) for line in reversed(own)]
    # None at the end: cut off, or in an order that is not Spark's.
    with opened_log(storage, checkpoint, offset) as content:
        return [entry for entry in map(partial(entry_of, path=path), content) if entry.offset == offset]


def lines_from_the_end(content: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, the last one first; a line break at the very end adds none."""
    place, rest = content.seek(0, os.SEEK_END), b""
    is_end = True
    while place:
        length = min(TAIL_BYTES, place)
        place = content.seek(place - length)
        rest = content.read(length) + rest
        if is_end:
            rest, is_end = rest.removesuffix(b"\n"), False
        rest, *lines = rest.split(b"\n")
        yield from reversed(lines)
    yield rest


@contextmanager
def opened_log(storage: Storage, checkpoint: str, offset: int) -> Iterator[BinaryIO]:
    """One entry of the file log, at its second line. Raises PlanError if it is missing or of another version."""
    path = log_path(checkpoint, offset)
    for name in (path, f"{path}.compact"):
        try:
            content = storage.open(name)
        except FileNotFoundError:
            continue
        with content:
            first = content.readline()
            if first or name != path:
                check_version(first.decode().splitlines(), name)
                yield content
                return
    raise PlanError(f"{path}: is missing; restore the checkpoint, or start a new one from the ledger")


def log_path(checkpoint: str, offset: int) -> str:
    return f"{checkpoint}/sources/0/{offset}"


def entry_of(line: bytes, path: str) -> LogEntry:
    try:
        entry = json.loads(line)
        return LogEntry(normal_path(entry["path"]), int(entry["timestamp"]), int(entry["batchId"]))
    except (ValueError, KeyError, TypeError):
        raise PlanError(
            f"{path}: is not a whole file log, it has the line {line[:80]!r}; was the disk full? Restore the "
            "checkpoint, or start a new one from the ledger"
        ) from None


def logged_files(storage: Storage, checkpoint: str) -> Iterator[LogEntry]:
    """Every file that the stream has ever seen: the last compaction and what came after it, line by line.

    A file may come twice, if the stream forgot it (source.max_file_age); the later entry counts. Raises PlanError.
    """
    names = storage.names(f"{checkpoint}/sources/0")
    offsets = sorted({int(name.removesuffix(".compact")) for name in names if re.fullmatch(r"\d+(\.compact)?", name)})
    compactions = [offset for offset in offsets if f"{offset}.compact" in names]
    for offset in range(compactions[-1] if compactions else 0, offsets[-1] + 1 if offsets else 0):
        path = log_path(checkpoint, offset)
        with opened_log(storage, checkpoint, offset) as content:
            for line in content:
                yield entry_of(line, path)


def check_version(lines: list[str], path: str) -> None:
    if not lines or lines[0] != LOG_VERSION:
        found = lines[0] if lines else "an empty file"
        raise PlanError(f"{path}: expected a log of version {LOG_VERSION}, found {found}; was another Spark used?")
