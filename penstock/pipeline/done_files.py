"""The files that earlier queries, or replays, have finished: read from the ledger once a process, kept as hashes.

Nothing can be added meanwhile: earlier queries are closed, and a replay needs the lease that the stream holds.
"""

import logging
from collections.abc import Collection, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.sources.checkpoint import Arrival
from penstock.storage.delta_files import data_files, read_files
from penstock.storage.delta_reader import opened_table
from penstock.storage.key_set import KeySet

log = logging.getLogger(__name__)


class DoneFiles:
    """Files by path and modification time, 16 bytes each (penstock.storage.key_set)."""

    def __init__(self, files: Iterable[tuple[str, int]]) -> None:
        self._keys = KeySet(text_of(path, milliseconds) for path, milliseconds in files)

    def __len__(self) -> int:
        return len(self._keys)

    def among(self, arrived: Collection[Arrival]) -> list[Arrival]:
        """Those of the arrivals that are done, in their order."""
        texts = [text_of(arrival.path, arrival.modified_milliseconds) for arrival in arrived]
        return [arrival for arrival, is_done in zip(arrived, self._keys.are_in(texts), strict=True) if is_done]


def text_of(path: str, milliseconds: int) -> str:
    return f"{milliseconds} {path}"


def read_done_files(config: PipelineConfig, old_queries: Collection[str]) -> DoneFiles:
    """The files in `batches` of these queries and of replays. Raises LedgerError, OSError."""
    with opened_table(config, "batches") as batches:
        done = DoneFiles(finished_files(batches, {*old_queries, REPLAY_QUERY}) if batches else ())
    log.info("the ledger has %d files of earlier checkpoints and of replays", len(done))
    return done


def finished_files(batches: DeltaTable, queries: Collection[str]) -> Iterator[tuple[str, int]]:
    """Path and modification time, in milliseconds, of the files of these queries; without those whose time is not
    known, which no arrival equals."""
    wanted = pa.array(sorted(queries), pa.string())
    files = [
        file
        for file in data_files(batches, ("query_id",))
        if any(file.may_have("query_id", query) for query in queries)
    ]
    for rows in read_files(batches, files, ("query_id", "files")):
        of_queries = rows.filter(pc.is_in(rows["query_id"].cast(pa.string()), wanted))
        entries = of_queries["files"].flatten()
        paths, moments = entries.field("path"), entries.field("modification_time")
        in_milliseconds = moments.cast(pa.timestamp("ms", moments.type.tz), safe=False).cast(pa.int64())
        for path, milliseconds in zip(paths.to_pylist(), in_milliseconds.to_pylist(), strict=True):
            if milliseconds is not None:
                yield path, milliseconds
