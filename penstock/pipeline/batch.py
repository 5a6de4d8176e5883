"""A micro-batch in progress: what its steps hand to each other."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from pyspark.sql import DataFrame

from penstock.models.model_seconds import ModelSeconds
from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import Plan
from penstock.schemas.catalog import QUARANTINE, table_names
from penstock.spark.tables import append_once
from penstock.storage.delta_transactions import Transaction, is_there
from penstock.timings import Timings


@dataclass(frozen=True, kw_only=True)
class MicroBatch:
    """plan_path: the file that fixes its plan. started_at: before it was planned. model_seconds: in Python workers, by
    role, observed while an experiment's rows are scored."""

    pipeline: Pipeline
    plan: Plan
    plan_path: str
    timings: Timings = field(default_factory=Timings)
    model_seconds: ModelSeconds = field(default_factory=ModelSeconds)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def transaction(self) -> Transaction:
        """The key of every write of this batch, into whichever table."""
        return self.plan.transaction(self.pipeline.config.pipeline)

    @property
    def is_again(self) -> bool:
        """Whether it was planned by an earlier run."""
        return self.plan.planned_at < self.started_at

    @property
    def has_predicted(self) -> bool:
        """Whether anything that depends on a model is committed: all but the quarantine."""
        tables = [name for name in table_names(self.pipeline.config.workload) if name != QUARANTINE.name]
        return any(map(self.has_written_to, tables))

    def has_written_to(self, table: str) -> bool:
        return is_there(self.pipeline.config, table, self.transaction)

    def table_path(self, name: str) -> str:
        return self.pipeline.config.table_path(name)

    def append(self, frame: DataFrame, table: str) -> None:
        """Append to a table, unless this batch has done so. Raises LeaseError, TableConflictError."""
        with self.timings.measure(table):
            self.pipeline.lease.check()
            append_once(frame, self.table_path(table), self.transaction)


@dataclass(frozen=True)
class StagedWrites:
    """The predictions of a batch, none of them in a table yet.

    commit: puts them there, each append and merge at most once. rows: how many accepted rows were read for it; None:
    none yet, or not known.
    """

    commit: Callable[[], None]
    rows: int | None = None


@dataclass(frozen=True)
class RejectedRows:
    """rows: `reasons`, `raw`, `header`, `source_file` of each; None where there are none. expected: how many they are,
    counted when the accepted ones were read; None: not counted."""

    rows: DataFrame | None
    expected: int | None = None


class BatchInput(Protocol):
    """Where the rows of a batch come from: its files, the quarantine, or observations that came late."""

    def stage(self) -> StagedWrites:
        """Score the accepted rows: all that can be done before the batch's first commit."""

    def rejected(self, staged: StagedWrites) -> RejectedRows: ...

    def after_marker(self) -> None:
        """What the marker allows: it may be cut off, and is done again."""
