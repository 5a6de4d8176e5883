"""Maintains the tables beside a running stream: retention, compaction, vacuum, removal of old plans.

It does not acquire the stream's lease: Delta's optimistic concurrency control isolates the two. After a write conflict
the stream retries (penstock.spark.commit_retry), while maintenance leaves the step to its next run.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from delta.tables import DeltaTable
from pyspark.sql import SparkSession

from penstock.config.durations import written
from penstock.config.pipeline import PipelineConfig
from penstock.errors import TableConflictError
from penstock.operations.maintenance.cleanup import (
    remove_dead_files,
    remove_unused_values,
    stuck_plan,
    stuck_replay,
    stuck_rescore,
    trim_evaluations,
    trim_plans,
)
from penstock.operations.maintenance.retention import delete_expired
from penstock.pipeline.lease import Lease, maintenance_lease_path
from penstock.pipeline.ledger import finished_batches
from penstock.schemas.catalog import possible_tables
from penstock.spark.commit_retry import CONFLICTS
from penstock.spark.tables import TableSize, set_properties, table_exists, table_properties, table_size
from penstock.storage.routing import storage_of

#: Delta's default target size of a compacted file.
COMPACTED_FILE_BYTES = 1024**3
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class MaintenanceRun:
    """One run of maintenance. left: the steps left for the next run, a text for each table."""

    spark: SparkSession
    config: PipelineConfig
    lease: Lease
    deadline: float
    left: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        return monotonic() >= self.deadline

    def maintain(self, table: str) -> None:
        """The steps for a table within the budget; a step that has begun is finished."""
        started, path = monotonic(), self.config.table_path(table)
        before, notes, steps = table_size(self.spark, path), [], self.steps(table)
        while steps and not self.is_over:
            name, step = steps.pop(0)
            notes.append(self.attempt(table, name, step))
        if steps:
            self.left.append(f"{table} ({', '.join(name for name, _ in steps)})")
        after = table_size(self.spark, path)
        log.info("%s", progress_line(table, before, after, monotonic() - started, notes))

    def attempt(self, table: str, name: str, step: Callable[[], str]) -> str:
        """Run a step and return its note. A step with a write conflict is left for the next run."""
        self.lease.check()
        try:
            return step()
        except (*CONFLICTS, TableConflictError):
            self.left.append(f"{table} ({name})")
            return f"{name} conflicted with another commit"

    def steps(self, table: str) -> list[tuple[str, Callable[[], str]]]:
        return [
            ("properties", lambda: self.set_retention_properties(table)),
            ("retention", lambda: self.expire(table)),
            ("compaction", lambda: self.compact(table)),
            ("vacuum", lambda: self.vacuum(table)),
        ]

    def set_retention_properties(self, table: str) -> str:
        """Set the table properties that Delta's vacuum and log cleanup take the retention of old versions from."""
        maintenance, path = self.config.maintenance, self.config.table_path(table)
        kept = f"interval {int(maintenance.time_travel)} seconds"
        wanted = {"delta.logRetentionDuration": kept, "delta.deletedFileRetentionDuration": kept}
        if table in maintenance.retention:
            # Rows of all ages share a file: without deletion vectors each run would rewrite the whole table.
            wanted["delta.enableDeletionVectors"] = "true"
        found = table_properties(self.spark, path)
        if any(found.get(key) != value for key, value in wanted.items()):
            set_properties(self.spark, path, wanted)
        return ""

    def expire(self, table: str) -> str:
        rows = delete_expired(self.spark, self.config, table, datetime.now(UTC))
        return f"{rows:,} rows older than {written(self.config.maintenance.retention[table])} deleted" if rows else ""

    def compact(self, table: str) -> str:
        DeltaTable.forPath(self.spark, self.config.table_path(table)).optimize().executeCompaction()
        return ""

    def vacuum(self, table: str) -> str:
        DeltaTable.forPath(self.spark, self.config.table_path(table)).vacuum()
        return ""


def maintain_tables(spark: SparkSession, config: PipelineConfig) -> list[str]:
    """Maintain every table of a pipeline within `maintenance.budget`, the most fragmented first, and remove old plans.

    Returns what is left for the next run, a text for each table. Raises LeaseError while another run is active.
    """
    storage = storage_of(config)
    deadline = monotonic() + config.maintenance.budget
    names = [table.name for table in possible_tables(config.workload)]
    tables = [name for name in names if table_exists(spark, config.table_path(name))]
    with Lease(
        storage=storage,
        path=maintenance_lease_path(config.tables.root),
        job="maintain_tables",
        conflict="the tables are being maintained by {other}; one run at a time: wait for its end",
    ) as lease:
        run = MaintenanceRun(spark=spark, config=config, lease=lease, deadline=deadline)
        done = finished_batches(config, storage)
        if run.is_over:
            return tables
        plans, dead = trim_plans(storage, config, done), remove_dead_files(storage, config)
        log.info("plans of finished batches: %d removed; files left by dead processes: %d removed", plans, dead)
        if evaluations := trim_evaluations(storage, config):
            log.info("plans of finished evaluations: %d removed", evaluations)
        if values := remove_unused_values(storage, config):
            log.info("copies of exogenous values: %d removed", values)
        for table in most_fragmented_first(spark, config, tables):
            stuck = stuck_plan(storage, config, done) if table == "lags" else None
            stuck = stuck or stuck_replay(storage, config, table) or stuck_rescore(storage, config, table)
            if stuck or run.is_over:
                run.left.append(f"{table} ({stuck})" if stuck else table)
            else:
                run.maintain(table)
    return run.left


def most_fragmented_first(spark: SparkSession, config: PipelineConfig, tables: Iterable[str]) -> list[str]:
    too_many = {name: too_many_files(table_size(spark, config.table_path(name))) for name in tables}
    return sorted(too_many, key=lambda name: -too_many[name])


def too_many_files(size: TableSize) -> int:
    """The number of files in excess of the minimum at the target size."""
    return size.files - max(1, -(-size.bytes // COMPACTED_FILE_BYTES))


def progress_line(table: str, before: TableSize, after: TableSize, seconds: float, notes: Iterable[str]) -> str:
    sizes = f"{before.files:,} files -> {after.files:,}, {before.bytes:,} bytes -> {after.bytes:,}"
    return "; ".join([f"{table}: {sizes}, {seconds:.1f} s", *filter(None, notes)])
