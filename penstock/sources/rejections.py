"""How many rows of a batch are rejected, counted in the pass over its files that is made anyway."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from penstock.sources.casts import ACCEPTED
from penstock.sources.reading import rejected_rows
from penstock.sources.rows import IS_HEADER


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """How many rows there are of each kind. repeated_headers: header lines beyond each file's one, which is no row."""

    accepted: int
    repeated_headers: int
    others: int

    @property
    def rejected(self) -> int:
        return self.others + self.repeated_headers


@dataclass(frozen=True, kw_only=True)
class JudgedRows:
    """The checked rows of a batch. count: their verdicts; it is told how many accepted rows were read from `in_passing`
    and written (None: not known)."""

    rows: DataFrame
    in_passing: DataFrame
    count: Callable[[int | None], Verdicts]

    def rejected(self, verdicts: Verdicts) -> DataFrame | None:
        """The rejected rows; None where there are none, as in most batches."""
        if not verdicts.rejected:
            return None
        return rejected_rows(self.rows, has_repeated_headers=verdicts.repeated_headers > 0)


def judged_in_passing(checked: DataFrame, *, headers: int) -> JudgedRows:
    """For whoever reads the rows once. headers: how many of the files have a header line among their rows.

    Spark observes the first pass that it makes. Only one that saw every accepted row, and there were some, is taken at
    its word.
    """
    observation = Observation()

    def count(accepted: int | None) -> Verdicts:
        found = observed(observation, headers=headers) if accepted else None
        return found if found and found.accepted == accepted else counted(checked, headers=headers)

    return JudgedRows(rows=checked, in_passing=checked.observe(observation, *counts()), count=count)


def judged_by_count(checked: DataFrame, *, headers: int) -> JudgedRows:
    """For whoever writes something else before."""
    return JudgedRows(rows=checked, in_passing=checked, count=lambda _: counted(checked, headers=headers))


@contextmanager
def judged_and_kept(checked: DataFrame, *, headers: int) -> Iterator[JudgedRows]:
    """For whoever reads the rows several times, where parsing costs more than keeping."""
    kept = checked.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield judged_by_count(kept, headers=headers)
    finally:
        kept.unpersist()


def counts() -> tuple[Column, ...]:
    """Accepted rows, header lines (which are not accepted), others."""
    is_accepted, is_header = F.col(ACCEPTED), F.col(IS_HEADER)
    return (
        F.count_if(is_accepted).alias("accepted"),
        F.count_if(~is_accepted & is_header).alias("headers"),
        F.count_if(~is_accepted & ~is_header).alias("others"),
    )


def observed(observation: Observation, *, headers: int) -> Verdicts | None:
    """Of a pass that has ended; None where Spark tells nothing of it."""
    observed_by_spark: Any = observation._jo
    # Asked for what is not there, it would wait for ever.
    if not observed_by_spark.future().isCompleted() or observed_by_spark.getRow().length() == 0:
        return None
    return verdicts(observation.get, headers=headers)


def counted(checked: DataFrame, *, headers: int) -> Verdicts:
    found = checked.agg(*counts()).first()
    return verdicts(found.asDict() if found else {}, headers=headers)


def verdicts(found: dict[str, int], *, headers: int) -> Verdicts:
    return Verdicts(
        accepted=found["accepted"],
        repeated_headers=max(found["headers"] - headers, 0),
        others=found["others"],
    )
