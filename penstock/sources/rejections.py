"""How many rows of a batch are rejected, counted in the pass over its files that scores the accepted ones."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from penstock.sources.casts import ACCEPTED
from penstock.sources.files import PlannedFile
from penstock.sources.reading import rejected_rows
from penstock.sources.row_columns import IS_HEADER


@dataclass(frozen=True, kw_only=True)
class RowCounts:
    """How many rows there are of each kind. repeated_headers: header lines beyond each file's one, which is no row."""

    accepted: int
    repeated_headers: int
    others: int

    @property
    def rejected(self) -> int:
        return self.others + self.repeated_headers


@dataclass(frozen=True, kw_only=True)
class CheckedRows:
    """The checked rows of a batch. count: how many there are of each kind, given how many accepted rows were read from
    `observed_rows` and written (None: not known)."""

    rows: DataFrame
    observed_rows: DataFrame
    count: Callable[[int | None], RowCounts]

    def rejected(self, counts: RowCounts, files: Sequence[PlannedFile] = ()) -> DataFrame | None:
        """The rejected rows of the files; None where there are none, as in most batches."""
        if not counts.rejected:
            return None
        return rejected_rows(self.rows, files=files, has_repeated_headers=counts.repeated_headers > 0)


def counted_while_read(checked: DataFrame, *, headers: int) -> CheckedRows:
    """For rows that are read once. headers: how many lines of the files are header lines or above one.

    Spark observes the first pass that it makes. Its counts are used only if it saw every accepted row, and there were
    some.
    """
    observation = Observation()

    def count(accepted: int | None) -> RowCounts:
        found = observed(observation, headers=headers) if accepted else None
        return found if found and found.accepted == accepted else counted(checked, headers=headers)

    return CheckedRows(rows=checked, observed_rows=checked.observe(observation, *count_columns()), count=count)


def counted_apart(checked: DataFrame, *, headers: int) -> CheckedRows:
    """For rows that are counted by a query of its own."""
    return CheckedRows(rows=checked, observed_rows=checked, count=lambda _: counted(checked, headers=headers))


@contextmanager
def persisted_and_counted(checked: DataFrame, *, headers: int) -> Iterator[CheckedRows]:
    """For rows that are read several times, where parsing costs more than keeping."""
    persisted = checked.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield counted_apart(persisted, headers=headers)
    finally:
        persisted.unpersist()


def count_columns() -> tuple[Column, ...]:
    """Accepted rows, header lines (which are not accepted), others."""
    is_accepted, is_header = F.col(ACCEPTED), F.col(IS_HEADER)
    return (
        F.count_if(is_accepted).alias("accepted"),
        F.count_if(~is_accepted & is_header).alias("headers"),
        F.count_if(~is_accepted & ~is_header).alias("others"),
    )


def observed(observation: Observation, *, headers: int) -> RowCounts | None:
    """Of a pass that has ended; None where Spark tells nothing of it."""
    observed_by_spark: Any = observation._jo
    # Asked for what is not there, it would wait for ever.
    if not observed_by_spark.future().isCompleted() or observed_by_spark.getRow().length() == 0:
        return None
    return row_counts(observation.get, headers=headers)


def counted(checked: DataFrame, *, headers: int) -> RowCounts:
    found = checked.agg(*count_columns()).first()
    return row_counts(found.asDict() if found else {}, headers=headers)


def row_counts(found: dict[str, int], *, headers: int) -> RowCounts:
    return RowCounts(
        accepted=found["accepted"],
        repeated_headers=max(found["headers"] - headers, 0),
        others=found["others"],
    )
