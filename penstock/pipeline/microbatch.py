"""One micro-batch, from its plan to the row in `batches` that marks it as done.

The order of the commits is fixed: quarantine (if anything was rejected), the workload's tables (rows: predictions;
series: forecasts, observations, lags), batches. Each is idempotent: a batch that was cut off anywhere runs again from
its plan, and what is committed already is skipped. The stream, a backfill and both replays run this code.
"""

import logging
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime

from pyspark.errors import PythonException

from penstock.errors import AccountingError, FilesChangedError
from penstock.pipeline.attempts import attempts_path, counted_attempt
from penstock.pipeline.batch import BatchInput, MicroBatch, RejectedRows
from penstock.pipeline.batch_record import BatchRecord, count_rows
from penstock.pipeline.code_version import check_code
from penstock.pipeline.context import Pipeline
from penstock.pipeline.delivered_files import delete_accepted_files
from penstock.pipeline.file_input import file_input
from penstock.pipeline.ledger import announce_query
from penstock.pipeline.model_fallback import run_with_fallback
from penstock.pipeline.plan import (
    LateReplay,
    QuarantineReplay,
    check_files_unchanged,
    check_plan_fits,
    plan_path,
    read_plan,
    replace_plan,
)
from penstock.pipeline.planning import obtain_plan, readable_files
from penstock.pipeline.quarantine import quarantine_rows
from penstock.pipeline.replay.late_observations import late_input
from penstock.pipeline.replay.quarantine import quarantine_input
from penstock.spark.errors import SPARK_ERRORS
from penstock.spark.tables import prepare_append
from penstock.storage.delta_transactions import has_written
from penstock.timings import Timings

log = logging.getLogger(__name__)


class UnreadableInputError(Exception):
    """The batch's rows could not be read to their end; nothing of it is committed by this run."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def run_microbatch(pipeline: Pipeline, *, query_id: str, batch_id: int) -> BatchRecord | None:
    """Run a micro-batch of the stream to its marker; None if it has its marker already.

    Raises PlanError, AccountingError, LeaseError, ModelRefusedError, RegistryUnavailableError, StorageError.
    """
    if batch_id <= pipeline.done.get(query_id, -1):
        log.info("batch %d: is done already, skipped", batch_id)
        plan = read_plan(pipeline.storage, plan_path(pipeline.config.checkpoint, batch_id))
        if plan is not None:
            delete_accepted_files(pipeline, plan)  # it may have been cut off there
        return None
    timings, started_at = Timings(), datetime.now(UTC)
    path = plan_path(pipeline.config.checkpoint, batch_id)
    with counted_attempt(pipeline.storage, attempts_path(pipeline.config.checkpoint), batch_id) as attempt:

        def planned() -> MicroBatch:
            with timings.measure("plan"):
                plan = obtain_plan(pipeline, query_id=query_id, batch_id=batch_id, attempt=attempt)
            return MicroBatch(pipeline=pipeline, plan=plan, plan_path=path, timings=timings, started_at=started_at)

        try:
            return run_with_fallback(planned(), run_planned, attempt=attempt)
        except FilesChangedError as error:
            log.warning("%s", error)
        # Planned again, if nothing is written; else it fails again.
        return run_with_fallback(planned(), run_planned, attempt=attempt)


def run_planned(batch: MicroBatch) -> BatchRecord:
    """Run a planned batch to its marker. What can't be read, and is met before the first commit, costs those files
    alone."""
    try:
        return run_steps(batch)
    except UnreadableInputError as failure:
        batch = without_unreadable_files(batch, failure)
    try:
        return run_steps(batch)
    except UnreadableInputError as again:
        raise again.cause from None


def run_steps(batch: MicroBatch) -> BatchRecord:
    begin(batch)
    with rows_of(batch) as rows:  # read as text, cast and checked by the contract
        try:
            staged = rows.stage()  # scored by the pinned model; written, and not committed
            with batch.timings.measure("quarantine"):
                commit_quarantine(batch, rows.rejected(staged))
        except PythonException:
            raise  # the model's; reading has failed in none of these
        except SPARK_ERRORS as error:
            raise UnreadableInputError(error) from error
        staged.commit()
        record = commit_marker(batch)
        rows.after_marker()
    return record


def begin(batch: MicroBatch) -> None:
    """Raises PlanError where contract, config or a file is another than when the batch was planned.

    A query that may write from now on leaves its id beside the tables.
    """
    plan, pipeline = batch.plan, batch.pipeline
    check_code(pipeline, plan)
    check_plan_fits(plan, contract_hash=pipeline.contract_hash, config_hash=pipeline.config.meaning_hash)
    check_files_unchanged(plan, pipeline.storage)
    if plan.replay is None:
        announce_query(pipeline.config, pipeline.storage, plan.query_id)
    accepted = len(plan.files_with("accepted"))
    log.info("%s: %d of %d files accepted, scoring", plan.described, accepted, len(plan.files))


def rows_of(batch: MicroBatch) -> AbstractContextManager[BatchInput]:
    match batch.plan.replay:
        case QuarantineReplay() as replay:
            return quarantine_input(batch, replay)
        case LateReplay() as replay:
            return late_input(batch, replay)
        case None:
            return file_input(batch)


def commit_quarantine(batch: MicroBatch, rejected: RejectedRows) -> None:
    """Refused files and rejected rows; no commit where there are none.

    Raises AccountingError, with nothing committed, where the rows are not as many as were rejected when the accepted
    ones were read.
    """
    pipeline, plan = batch.pipeline, batch.plan
    refused = len(plan.files_with("refused"))
    if not refused and rejected.rows is None:
        return
    pipeline.lease.check()
    frame = quarantine_rows(pipeline.spark, plan, rejected.rows)
    append = prepare_append(frame, batch.table_path("quarantine"), batch.transaction)
    if rejected.expected is not None and append.rows is not None and append.rows != rejected.expected + refused:
        raise AccountingError(
            f"batch {plan.batch_id}: {rejected.expected} rows were rejected when the others were scored, and "
            f"{append.rows - refused} when they were read again for the quarantine; nothing of it is committed. "
            "Do its files change in place? If not, please report this with them"
        )
    pipeline.lease.check()
    append.commit()


def commit_marker(batch: MicroBatch) -> BatchRecord:
    """The batch's row in `batches`, with the row counts of its commits. Raises AccountingError, PlanError."""
    with batch.timings.measure("account"):
        check_files_unchanged(batch.plan, batch.pipeline.storage)
        record = BatchRecord.of(batch, count_rows(batch))
    batch.append(record.as_frame(batch.pipeline.spark), "batches")
    return record


def without_unreadable_files(batch: MicroBatch, failure: UnreadableInputError) -> MicroBatch:
    """The batch with its plan amended: files refused that are damaged, or that Spark can't read. Raises the cause if
    there are none, or if an earlier run has written by the plan as it is: rows of a file that is refused now may be
    among it.

    Raises FilesChangedError for a file that is gone or changed, StorageError: neither is damage, and the plan stays.
    """
    pipeline, plan = batch.pipeline, batch.plan
    check_files_unchanged(plan, pipeline.storage)
    if has_written(pipeline.config, batch.transaction):
        raise failure.cause
    files = readable_files(pipeline, plan.files)
    check_files_unchanged(plan, pipeline.storage)
    if files is None:
        raise failure.cause
    amended = plan.model_copy(update={"files": tuple(files)})
    replace_plan(pipeline.storage, batch.plan_path, amended)
    return replace(batch, plan=amended)
