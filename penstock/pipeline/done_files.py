"""The files that earlier queries, or replays, have finished, and those of the inbox's earlier places: read from the
ledger once a process, kept as hashes.

Nothing can be added meanwhile: earlier queries are closed, and a replay needs the lease that the stream holds. The
stream's own files lie in the inbox as it is now, but for those of a batch that was begun before a move: the files of
earlier places are read after its marker.
"""

import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.sources.checkpoint import Arrival
from penstock.storage.delta_files import data_files, read_files
from penstock.storage.delta_reader import opened_table
from penstock.storage.files import FIRST_MILLISECONDS, LAST_MILLISECONDS, FileStatus
from penstock.storage.key_set import KeySet

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FinishedFile:
    """A file of the ledger. milliseconds: its modification time, if it is known. rows: None of a refused file."""

    path: str
    milliseconds: int | None
    length: int | None
    rows: int | None


class DoneFiles:
    """Files by path and modification time, 16 bytes each (penstock.storage.key_set)."""

    def __init__(self, files: Iterable[FinishedFile]) -> None:
        self._keys = KeySet(of_time(file.path, file.milliseconds) for file in files if file.milliseconds is not None)

    def __len__(self) -> int:
        return len(self._keys)

    def among(self, arrived: Collection[Arrival]) -> list[Arrival]:
        """Those of the arrivals that are done, in their order."""
        texts = [of_time(arrival.path, arrival.modified_milliseconds) for arrival in arrived]
        return [arrival for arrival, is_done in zip(arrived, self._keys.are_in(texts), strict=True) if is_done]


class MovedFiles:
    """Accepted files of the inbox's earlier places: by path and modification time, and by path and length, for a copy
    has a time of its own. Refused files are judged again where they are now: a replay reads them there."""

    def __init__(self, files: Iterable[FinishedFile]) -> None:
        self._keys = KeySet(key for file in files if file.rows is not None for key in keys_of(file))

    def __len__(self) -> int:
        return len(self._keys)

    def has(self, path: str, status: FileStatus) -> bool:
        """Whether the file that has this status now was finished at an earlier path."""
        return any(self._keys.are_in([of_time(path, status.modified_milliseconds), of_length(path, status.length)]))


def keys_of(file: FinishedFile) -> Iterator[str]:
    if file.milliseconds is not None:
        yield of_time(file.path, file.milliseconds)
    if file.length is not None:
        yield of_length(file.path, file.length)


def of_time(path: str, milliseconds: int) -> str:
    """The ledger has the first or last moment of a timestamp in place of one beyond (FileStatus.modification_time)."""
    return f"{min(max(milliseconds, FIRST_MILLISECONDS), LAST_MILLISECONDS)} {path}"


def of_length(path: str, length: int) -> str:
    return f"{length} bytes {path}"


def read_done_files(config: PipelineConfig, old_queries: Collection[str]) -> DoneFiles:
    """The files in `batches` of these queries and of replays. Raises LedgerError, OSError."""
    with opened_table(config, "batches") as batches:
        done = DoneFiles(finished_files(batches, {*old_queries, REPLAY_QUERY}) if batches else ())
    log.info("the ledger has %d files of earlier checkpoints and of replays", len(done))
    return done


def read_moved_files(config: PipelineConfig, former_inboxes: Collection[str]) -> MovedFiles:
    """The files in `batches` below these paths. Raises LedgerError, OSError."""
    below = tuple(f"{inbox}/" for inbox in former_inboxes)
    with opened_table(config, "batches") as batches:
        files = finished_files(batches) if batches and below else ()
        return MovedFiles(file for file in files if file.path.startswith(below))


def finished_files(batches: DeltaTable, queries: Collection[str] | None = None) -> Iterator[FinishedFile]:
    """The files of all queries, or of these."""
    files = [
        file
        for file in data_files(batches, ("query_id",))
        if queries is None or any(file.may_have("query_id", query) for query in queries)
    ]
    for rows in read_files(batches, files, ("query_id", "files")):
        wanted = rows
        if queries is not None:
            wanted = rows.filter(pc.is_in(rows["query_id"].cast(pa.string()), pa.array(sorted(queries), pa.string())))
        entries = wanted["files"].flatten()
        moments = entries.field("modification_time")
        in_milliseconds = moments.cast(pa.timestamp("ms", moments.type.tz), safe=False).cast(pa.int64())
        facts = (entries.field("path"), in_milliseconds, entries.field("length"), entries.field("rows"))
        for path, milliseconds, length, count in zip(*(column.to_pylist() for column in facts), strict=True):
            yield FinishedFile(path=path, milliseconds=milliseconds, length=length, rows=count)
