"""Puts quarantined rows and refused files through the pipeline again, as a batch of its own.

A row that passes is scored and goes where accepted rows go; one that is rejected for other reasons is a new row of the
quarantine; both are marked with the replay's number in `replayed_in`. One that is rejected for the same reasons stays
as it is, so that a second replay without a fix changes nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce

from delta.tables import DeltaTable
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.pipeline.batch import MicroBatch, RejectedRows, StagedWrites
from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import QuarantineReplay
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.pipeline.replay.quarantine_rows import restored_rows
from penstock.pipeline.workload import workload_of
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.files import PlannedFile
from penstock.sources.reading import accepted_rows, checked_rows, rejected_rows
from penstock.sources.row_columns import HEADER, RAW, SOURCE_FILE
from penstock.spark.commit_retry import commit
from penstock.spark.local_frames import local_frame

#: What identifies the rows of the quarantine; equal ones have equal verdicts.
IDENTITY = ["source_file", "raw", "reasons"]
TAKEN = "source_file string, raw string, reasons array<string>, is_file boolean"


@dataclass(frozen=True)
class ReplayedRows:
    """accepted: to be scored. rejected: for the quarantine, as new rows. settled: the waiting rows that need no other
    replay then (source_file, raw, reasons), refused files not among them."""

    accepted: DataFrame
    rejected: DataFrame
    settled: DataFrame


@dataclass(frozen=True)
class QuarantineInput:
    """The rows of a replay; its marker is followed by a note on each waiting row that it took."""

    batch: MicroBatch
    rows: ReplayedRows

    def stage(self) -> StagedWrites:
        return workload_of(self.batch.pipeline.config).stage(self.batch, self.rows.accepted)

    def rejected(self, staged: StagedWrites) -> RejectedRows:  # noqa: ARG002 - counted by no pass of theirs
        return RejectedRows(self.rows.rejected if self.rows.rejected.limit(1).count() else None)

    def after_marker(self) -> None:
        mark_replayed(self.batch, self.rows.settled)


@contextmanager
def quarantine_input(batch: MicroBatch, replay: QuarantineReplay) -> Iterator[QuarantineInput]:
    with replayed_rows(batch.pipeline, batch.plan.files_with("accepted"), replay) as rows:
        yield QuarantineInput(batch, rows)


@contextmanager
def replayed_rows(pipeline: Pipeline, files: Sequence[PlannedFile], replay: QuarantineReplay) -> Iterator[ReplayedRows]:
    """The rows of the accepted `files`, and the waiting rows whose verdict is another than before."""
    spark, contract, source = pipeline.spark, pipeline.contract, pipeline.config.source
    restored = list(restored_rows(spark, pipeline.config, replay, contract=contract))
    checked = reduce(DataFrame.unionByName, [part.checked for part in restored]).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        before = reduce(DataFrame.unionByName, [part.waiting.select(*IDENTITY) for part in restored]).distinct()
        rejected = checked.where(~F.col(ACCEPTED)).select(
            REASONS, F.col(RAW).alias("raw"), F.col(HEADER).alias("header"), SOURCE_FILE
        )
        settled = before.join(rejected.select(*IDENTITY), on=IDENTITY, how="left_anti")
        otherwise = rejected.join(before, on=IDENTITY, how="left_anti")
        accepted = accepted_rows(checked, contract)
        from_files = checked_rows(spark, files, contract=contract, source=source)
        if from_files is not None:
            accepted = accepted.unionByName(accepted_rows(from_files, contract))
            otherwise = otherwise.unionByName(rejected_rows(from_files, files=files))
        yield ReplayedRows(accepted=accepted, rejected=otherwise, settled=settled)
    finally:
        checked.unpersist()


def mark_replayed(batch: MicroBatch, settled: DataFrame) -> None:
    """Write the replay's number into the rows that it took. Done once more, it finds none."""
    pipeline, plan = batch.pipeline, batch.plan
    pipeline.lease.check()
    files = [(file.path, None, None, True) for file in plan.files_with("accepted", "refused")]
    taken = local_frame(pipeline.spark, files, TAKEN).unionByName(settled.withColumn("is_file", F.lit(False)))
    same_row = "NOT new.is_file AND old.stage <> 'file' AND old.raw = new.raw AND old.reasons = new.reasons"
    condition = (
        "old.replayed_in IS NULL AND old.source_file = new.source_file "
        f"AND NOT (old.query_id = '{REPLAY_QUERY}' AND old.batch_id = {plan.batch_id}) "
        f"AND ((new.is_file AND old.stage = 'file') OR ({same_row}))"
    )
    path = batch.table_path("quarantine")

    def update() -> None:
        table = DeltaTable.forPath(pipeline.spark, path).alias("old").merge(taken.alias("new"), condition)
        table.whenMatchedUpdate(set={"replayed_in": F.lit(plan.batch_id).cast("long")}).execute()

    commit(path, update)
