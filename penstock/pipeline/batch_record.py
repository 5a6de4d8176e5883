"""Row counts of a micro-batch, read back from its commits and reconciled with its input."""

import posixpath
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from pyspark.sql import DataFrame, SparkSession

from penstock.errors import AccountingError
from penstock.pipeline.batch import MicroBatch
from penstock.pipeline.plan import LateReplay, Plan
from penstock.pipeline.workload import workload_of
from penstock.schemas.tables import BATCHES
from penstock.sources.files import PlannedFile
from penstock.sources.listing import is_overlooked
from penstock.spark.commit_log import Groups, committed_groups
from penstock.spark.local_frames import local_frame


@dataclass(frozen=True, kw_only=True)
class FileCount:
    """Rows of one file: accepted (of them failed: the model gave an error) and quarantined."""

    accepted: int = 0
    failed: int = 0
    quarantined: int = 0

    @property
    def rows(self) -> int:
        return self.accepted + self.quarantined


@dataclass(frozen=True, kw_only=True)
class BatchRecord:
    """A finished micro-batch, as its row in `batches` has it."""

    plan: Plan
    pipeline: str
    counts: dict[str, FileCount]
    started_at: datetime
    finished_at: datetime
    seconds: dict[str, float]

    @classmethod
    def of(cls, batch: MicroBatch, counts: dict[str, FileCount]) -> Self:
        """The record of a batch that is finished now."""
        return cls(
            plan=batch.plan,
            pipeline=batch.pipeline.config.pipeline,
            counts=counts,
            started_at=batch.started_at,
            finished_at=datetime.now(UTC),
            seconds=dict(batch.timings.seconds),
        )

    @property
    def accepted(self) -> int:
        return sum(count.accepted for count in self.counts.values())

    @property
    def failed(self) -> int:
        return sum(count.failed for count in self.counts.values())

    @property
    def quarantined(self) -> int:
        return sum(count.quarantined for count in self.counts.values())

    @property
    def rows_in(self) -> int:
        return self.accepted + self.quarantined

    @property
    def files_refused(self) -> int:
        return len(self.plan.files_with("refused"))

    def as_frame(self, spark: SparkSession) -> DataFrame:
        """One row with the columns of `batches`, without query_id and batch_id."""
        plan = self.plan
        row = (
            self.pipeline,
            self.started_at,
            self.finished_at,
            [self.file_row(file) for file in plan.files],
            self.files_refused,
            self.rows_in,
            self.accepted,
            self.quarantined,
            self.failed,
            [(model.role, model.version) for model in plan.models],
            list(plan.refused_versions.items()),
            list(self.seconds.items()),
            plan.resolved_at,
        )
        schema = type(BATCHES.schema)(BATCHES.schema.fields[2:])
        return local_frame(spark, [row], schema)

    def file_row(self, file: PlannedFile) -> tuple[str, int | None, datetime | None, int | None]:
        status = file.status
        is_read = file.verdict in ("accepted", "replayed")
        rows = self.counts.get(file.path, FileCount()).rows if is_read else None
        return file.path, file.length, status.modification_time if status else None, rows


def count_rows(batch: MicroBatch) -> dict[str, FileCount]:
    """Rows by file, read back from the batch's commits; none for a recomputation, into which no row comes.

    Raises AccountingError if a file whose rows were counted at admission has another number of them.
    """
    if isinstance(batch.plan.replay, LateReplay):
        return {}
    counts = committed_counts(batch)
    for file in batch.plan.files_with("accepted"):
        found = counts.get(file.path, FileCount()).rows
        # A plan of an earlier version may have a summary (`_metadata`), whose footer counts the rows of other files.
        is_summary = found == 0 and is_overlooked(posixpath.basename(file.path))
        if file.rows is not None and file.rows != found and not is_summary:
            raise AccountingError(
                f"batch {batch.plan.batch_id}: {file.path} has {file.rows} rows in its footer, but {found} came out "
                "(scored and quarantined); the batch is not marked as done. Please report this with the file"
            )
    return counts


def committed_counts(batch: MicroBatch) -> dict[str, FileCount]:
    """The counts by source file, over the accepted rows' table and the quarantine's rows."""
    workload = workload_of(batch.pipeline.config)
    accepted, failed, quarantined = Counter[str](), Counter[str](), Counter[str]()
    for (path, error), rows in groups(batch, workload.rows_table, column="error").items():
        accepted[path] += rows
        failed[path] += rows if error is not None and error not in workload.no_failures else 0
    for (path, stage), rows in groups(batch, "quarantine", column="stage").items():
        quarantined[path] += rows if stage != "file" else 0
    return {
        path: FileCount(accepted=accepted[path], failed=failed[path], quarantined=quarantined[path])
        for path in accepted | quarantined
    }


def groups(batch: MicroBatch, table: str, *, column: str) -> Groups:
    pipeline = batch.pipeline
    return committed_groups(pipeline.spark, pipeline.storage, batch.table_path(table), batch.transaction, column=column)
