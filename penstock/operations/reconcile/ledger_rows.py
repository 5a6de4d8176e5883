"""Row counts by file, of the ledger and of the tables: the two sides that a reconciliation compares.

Each table is read at one version, `batches` first: a batch in the ledger then has all its rows in the other tables,
however far a running stream has progressed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from pyspark.sql import DataFrame, SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.spark.tables import table_at, table_exists, table_version
from penstock.storage.files import FileStatus


class Batch(NamedTuple):
    query_id: str
    batch_id: int

    def __str__(self) -> str:
        if self.query_id == REPLAY_QUERY:
            return f"replay {self.batch_id}"
        # A query's id is a UUID, whose prefix is enough to find it.
        return f"batch {self.batch_id} of query {self.query_id[:8]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A file in the ledger. rows: null if it was refused, or processed by an earlier query."""

    path: str
    status: FileStatus | None
    rows: int | None


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A row of `batches`."""

    batch: Batch
    finished_milliseconds: int
    accepted: int
    quarantined: int
    files_refused: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tally:
    """Rows of a file and batch in the tables. refused: quarantine rows that represent the whole file.

    replayed_in: the replay of these quarantine rows. made_milliseconds: when the last of the rows was created.
    """

    batch: Batch
    path: str
    replayed_in: int | None = None
    accepted: int = 0
    quarantined: int = 0
    refused: int = 0
    made_milliseconds: int = 0

    @property
    def rows(self) -> int:
        return self.accepted + self.quarantined


@dataclass(frozen=True, kw_only=True)
class RowCounts:
    """markers: one for each finished batch, in the order of their completion.

    doubled: batches with more than one row in `batches`, and how many. queries: which queries list a path.
    replayed_rows, replayed_files: quarantine rows that are marked as replayed, by replay and path.
    """

    markers: tuple[Marker, ...]
    tallies: tuple[Tally, ...]
    doubled: dict[Batch, int]
    finished: frozenset[Batch]
    queries: dict[str, set[str]]
    replayed_rows: dict[tuple[int, str], int]
    replayed_files: dict[tuple[int, str], int]

    @classmethod
    def of(cls, markers: Iterable[Marker], tallies: Iterable[Tally]) -> "RowCounts":
        found, held = list(markers), tuple(tallies)
        unique = {marker.batch: marker for marker in found}
        counts = Counter(marker.batch for marker in found)
        queries: defaultdict[str, set[str]] = defaultdict(set)
        for marker in unique.values():
            for entry in marker.entries:
                queries[entry.path].add(marker.batch.query_id)
        rows, files = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
        for tally in held:
            if tally.replayed_in is not None:
                rows[(tally.replayed_in, tally.path)] += tally.quarantined
                files[(tally.replayed_in, tally.path)] += tally.refused
        return cls(
            markers=tuple(unique.values()),
            tallies=held,
            doubled={batch: count for batch, count in counts.items() if count > 1},
            finished=frozenset(unique),
            queries=queries,
            replayed_rows=+rows,
            replayed_files=+files,
        )

    @cached_property
    def unmarked_paths(self) -> frozenset[str]:
        """Files that have rows of a batch without marker."""
        return frozenset(tally.path for tally in self.tallies if tally.batch not in self.finished)

    def is_open(self, tally: Tally) -> bool:
        """Whether quarantine rows are the final outcome of their input: no finished replay has processed them."""
        return tally.replayed_in is None or Batch(REPLAY_QUERY, tally.replayed_in) not in self.finished


def pinned_tables(spark: SparkSession, config: PipelineConfig, names: Iterable[str]) -> dict[str, DataFrame]:
    """The tables that exist, each at its current version, in the order of `names`."""
    pinned = {}
    for name in names:
        path = config.table_path(name)
        if table_exists(spark, path):
            version = table_version(spark, path)
            pinned[name] = table_at(spark, path, version)
    return pinned
