"""Puts quarantined rows and refused files through the pipeline again, as a batch of its own.

A row that passes is scored and goes where accepted rows go; one that is rejected for other reasons is a new row of the
quarantine; both are marked with the replay's number in `replayed_in`. One that is rejected for the same reasons stays
as it is, so that a second replay without a fix changes nothing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from delta.tables import DeltaTable
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.pipeline.batch_record import BatchRecord, count_batch
from penstock.pipeline.context import Pipeline
from penstock.pipeline.microbatch import write_marker, write_quarantine
from penstock.pipeline.plan import Plan, QuarantineReplay, check_files_unchanged, check_plan_fits
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.pipeline.replay.quarantine_rows import judged_again, waiting_rows
from penstock.pipeline.workload import workload_of
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.files import PlannedFile
from penstock.sources.reading import accepted_rows, checked_rows, rejected_rows
from penstock.sources.rows import HEADER, RAW, SOURCE_FILE
from penstock.spark.commit_retry import commit
from penstock.spark.local_frames import local_frame
from penstock.timings import Timings

#: What tells the rows of the quarantine apart; equal ones are judged alike.
KEPT = ["source_file", "raw", "reasons"]
TAKEN = "source_file string, raw string, reasons array<string>, is_file boolean"


@dataclass(frozen=True)
class Replayed:
    """What a replay has in hand. accepted: to be scored. rejected: for the quarantine anew. settled: what of the
    waiting rows is thereby done with (source_file, raw, reasons), refused files not among them."""

    accepted: DataFrame
    rejected: DataFrame
    settled: DataFrame


def run_quarantine_replay(pipeline: Pipeline, plan: Plan, replay: QuarantineReplay) -> BatchRecord:
    """Run a planned replay to its marker, and mark what it took. Every step may run again. Raises PlanError."""
    check_plan_fits(plan, contract_hash=pipeline.contract_hash, config_hash=pipeline.config.meaning_hash)
    transaction = plan.transaction(pipeline.config.pipeline)
    timings, started_at = Timings(), datetime.now(UTC)
    check_files_unchanged(plan, pipeline.storage)
    with replayed(pipeline, plan.files_with("accepted"), replay) as rows:
        with timings.measure("quarantine"):
            rejected = rows.rejected if rows.rejected.limit(1).count() else None
            write_quarantine(pipeline, plan, rejected, transaction)
        workload_of(pipeline.config).prepare(pipeline, plan, rows.accepted, transaction, timings).write()
        with timings.measure("account"):
            counts = count_batch(pipeline, plan, transaction)
        record = BatchRecord.of(pipeline, plan, counts, started_at=started_at, timings=timings)
        write_marker(pipeline, record, transaction)
        mark(pipeline, plan, rows.settled)
    return record


@contextmanager
def replayed(pipeline: Pipeline, files: Sequence[PlannedFile], replay: QuarantineReplay) -> Iterator[Replayed]:
    """The rows of the accepted `files`, and the waiting rows that are judged otherwise than before."""
    spark, contract, dialect = pipeline.spark, pipeline.contract, pipeline.config.source.csv
    waiting = waiting_rows(spark, pipeline.config, replay, contract=contract)
    judged = judged_again(waiting, contract=contract, dialect=dialect).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        before = waiting.rows.select(*KEPT).distinct()
        rejected = judged.where(~F.col(ACCEPTED)).select(
            REASONS, F.col(RAW).alias("raw"), F.col(HEADER).alias("header"), SOURCE_FILE
        )
        settled = before.join(rejected.select(*KEPT), on=KEPT, how="left_anti")
        anew = rejected.join(before, on=KEPT, how="left_anti")
        accepted = accepted_rows(judged, contract)
        from_files = checked_rows(spark, files, contract=contract, dialect=dialect)
        if from_files is not None:
            accepted = accepted.unionByName(accepted_rows(from_files, contract))
            anew = anew.unionByName(rejected_rows(from_files))
        yield Replayed(accepted=accepted, rejected=anew, settled=settled)
    finally:
        judged.unpersist()


def mark(pipeline: Pipeline, plan: Plan, settled: DataFrame) -> None:
    """Write the replay's number into the rows that it took. Done once more, it finds none."""
    pipeline.lease.check()
    files = [(file.path, None, None, True) for file in plan.files_with("accepted", "refused")]
    taken = local_frame(pipeline.spark, files, TAKEN).unionByName(settled.withColumn("is_file", F.lit(False)))
    same_row = "NOT new.is_file AND old.stage <> 'file' AND old.raw = new.raw AND old.reasons = new.reasons"
    condition = (
        "old.replayed_in IS NULL AND old.source_file = new.source_file "
        f"AND NOT (old.query_id = '{REPLAY_QUERY}' AND old.batch_id = {plan.batch_id}) "
        f"AND ((new.is_file AND old.stage = 'file') OR ({same_row}))"
    )
    path = pipeline.config.table_path("quarantine")

    def update() -> None:
        table = DeltaTable.forPath(pipeline.spark, path).alias("old").merge(taken.alias("new"), condition)
        table.whenMatchedUpdate(set={"replayed_in": F.lit(plan.batch_id).cast("long")}).execute()

    commit(path, update)
