"""Reads ledger and tables into the spool, and gives the row counts of a part of the files."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.operations.reconcile.ledger_rows import Batch, Entry, Marker, RowCounts, Tally
from penstock.operations.reconcile.spool import FILES_A_PART, Facts, Spool
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.pipeline.workload import workload_of
from penstock.schemas.catalog import time_column
from penstock.storage.files import FileStatus

#: Of `batches`, at once on the driver; compressed, and some ten times as much there.
BYTES_AT_A_TIME = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The rows of `batches`, with their entries and the tables' tallies in a spool.

    markers: of each finished batch, in the order of their completion, without entries. numbers: which rows of `batches`
    they are. doubled: batches with more than one row there, and how many.
    """

    spool: Spool
    markers: tuple[Marker, ...]
    numbers: tuple[int, ...]
    doubled: dict[Batch, int]

    @classmethod
    def of(cls, spool: Spool, rows: Iterable[Marker], *, without: Collection[Batch] = ()) -> "Ledger":
        """rows: those of `batches`, as numbered in the spool. without: batches that are left out."""
        found = [(number, marker) for number, marker in enumerate(rows) if marker.batch not in without]
        found.sort(key=lambda one: (one[1].finished_milliseconds, one[1].batch.batch_id))
        unique = {marker.batch: (number, marker) for number, marker in found}
        counts = Counter(marker.batch for _, marker in found)
        return cls(
            spool=spool,
            markers=tuple(marker for _, marker in unique.values()),
            numbers=tuple(number for number, _ in unique.values()),
            doubled={batch: count for batch, count in counts.items() if count > 1},
        )

    @cached_property
    def finished(self) -> frozenset[Batch]:
        return frozenset(marker.batch for marker in self.markers)

    def last(self, query_id: str | None) -> int:
        """The last finished batch of a query; -1 if there is none."""
        return max((batch.batch_id for batch in self.finished if batch.query_id == query_id), default=-1)

    def part(self, part: range) -> RowCounts:
        """All that ledger and tables have about the files of a part of the spool."""
        entries: defaultdict[int, list[Entry]] = defaultdict(list)
        for path, number, length, modified, rows in self.spool.rows(Facts.ENTRIES, part):
            entries[number].append(Entry(path=path, status=status_of(length, modified), rows=rows))
        tallies = [
            Tally(
                batch=Batch(query_id, batch_id),
                path=path,
                replayed_in=replayed_in,
                accepted=accepted,
                quarantined=quarantined,
                refused=refused,
                made_milliseconds=made,
            )
            for path, query_id, batch_id, replayed_in, accepted, quarantined, refused, made in self.spool.rows(
                Facts.TALLIES, part
            )
        ]
        concerned = {tally.batch for tally in tallies}
        markers = [
            replace(marker, entries=tuple(entries.get(number, ())))
            for number, marker in zip(self.numbers, self.markers, strict=True)
            if number in entries or marker.batch in concerned
        ]
        return replace(RowCounts.of(markers, tallies), finished=self.finished)


def read_ledger(
    tables: dict[str, DataFrame], config: PipelineConfig, spool: Spool, *, unfinished_replays: Collection[int] = ()
) -> Ledger:
    """unfinished_replays: may have their commit marker, and not yet have marked all rows that they replayed."""
    rows = read_markers(tables["batches"], spool) if "batches" in tables else []
    spool.add(Facts.TALLIES, read_tallies(tables, spool, scored_table=workload_of(config).rows_table))
    return Ledger.of(spool, rows, without={Batch(REPLAY_QUERY, number) for number in unfinished_replays})


def read_markers(batches: DataFrame, spool: Spool) -> list[Marker]:
    """The rows of `batches` without their entries, which go to the spool under the row's number."""
    milliseconds = F.transform("files", lambda file: F.unix_millis(file.modification_time))
    finished = F.unix_millis("finished_at").alias("finished")
    columns = ("query_id", "batch_id", "accepted", "quarantined", "files_refused", "files")
    parts = 1 + size_bytes(batches) // BYTES_AT_A_TIME
    markers: list[Marker] = []

    def entries() -> Iterator[tuple[Any, ...]]:
        found = batches.select(*columns, milliseconds.alias("milliseconds"), finished)
        for number, row in enumerate(rows_of(found, parts=parts)):
            markers.append(
                Marker(
                    batch=Batch(row["query_id"], row["batch_id"]),
                    finished_milliseconds=row["finished"],
                    accepted=row["accepted"],
                    quarantined=row["quarantined"],
                    files_refused=row["files_refused"],
                    entries=(),
                )
            )
            for file, modified in zip(row["files"] or [], row["milliseconds"] or [], strict=True):
                yield file["path"], number, file["length"], modified, file["rows"]

    spool.add(Facts.ENTRIES, entries())
    return markers


def size_bytes(table: DataFrame) -> int:
    """The size of the table's files, as Spark's planner knows it."""
    plan: Any = table._jdf
    return int(str(plan.queryExecution().optimizedPlan().stats().sizeInBytes()))


def rows_of(frame: DataFrame, *, parts: int) -> Iterator[Row]:
    """The frame's rows, a part of them at a time on the driver."""
    return iter(frame.collect()) if parts == 1 else frame.repartition(parts).toLocalIterator()


def status_of(length: int | None, modified_milliseconds: int | None) -> FileStatus | None:
    if length is None or modified_milliseconds is None:
        return None
    return FileStatus(length=length, modified_milliseconds=modified_milliseconds)


def read_tallies(tables: dict[str, DataFrame], spool: Spool, *, scored_table: str) -> Iterator[tuple[Any, ...]]:
    """Both tables in one aggregate: a row per file and batch, with the columns of Facts.TALLIES."""
    keys = ("query_id", "batch_id", "source_file", "replayed_in")
    counts = ("accepted", "quarantined", "refused")
    parts = []
    if scored_table in tables:
        one_each = {"accepted": F.lit(1), "quarantined": F.lit(0), "refused": F.lit(0)}
        parts.append(
            tables[scored_table].select(
                *keys[:3],
                F.lit(None).cast("long").alias("replayed_in"),
                *[number.alias(name) for name, number in one_each.items()],
                F.col(time_column(scored_table)).alias("made_at"),
            )
        )
    if "quarantine" in tables:
        is_file = F.col("stage") == "file"
        parts.append(
            tables["quarantine"].select(
                *keys,
                F.lit(0).alias("accepted"),
                (~is_file).cast("int").alias("quarantined"),
                is_file.cast("int").alias("refused"),
                F.col(time_column("quarantine")).alias("made_at"),
            )
        )
    if not parts:
        return
    both = parts[0] if len(parts) == 1 else parts[0].unionByName(parts[1])
    sums = [F.sum(name).alias(name) for name in counts]
    tallies = both.groupBy(*keys).agg(*sums, F.unix_millis(F.max("made_at")).alias("made"))
    for row in rows_of(tallies, parts=1 + spool.count(Facts.ENTRIES) // FILES_A_PART):
        yield (row["source_file"], row["query_id"], row["batch_id"], row["replayed_in"], *row[4:])
