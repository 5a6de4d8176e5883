"""One micro-batch, from the files that arrived to the row in `batches` that marks it as done.

The order of the commits is fixed: quarantine (if anything was rejected), the answers (rows: predictions; series:
forecasts, observations, lags), batches. Each is idempotent, so a batch that was cut off anywhere runs again from its
plan, and what is there already is left as it is.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from pyspark.errors import PythonException
from pyspark.sql import DataFrame

from penstock.errors import AccountingError
from penstock.pipeline.batch_record import BatchRecord, count_batch
from penstock.pipeline.context import Pipeline
from penstock.pipeline.ledger import announce_query
from penstock.pipeline.plan import Plan, check_files_unchanged, plan_path, replace_plan
from penstock.pipeline.planning import obtain_plan
from penstock.pipeline.quarantine import quarantined
from penstock.pipeline.workload import workload_of
from penstock.sources.parquet_damage import without_damage
from penstock.sources.reading import accepted_rows, checked_rows
from penstock.sources.rejections import JudgedRows, judged_and_kept, judged_by_count, judged_in_passing
from penstock.spark.errors import SPARK_ERRORS
from penstock.spark.tables import append_once, prepare_append
from penstock.storage.delta_transactions import Transaction, has_written
from penstock.timings import Timings

log = logging.getLogger(__name__)


def run_batch(pipeline: Pipeline, *, query_id: str, batch_id: int) -> BatchRecord | None:
    """Run a micro-batch to its marker; None if it has its marker already.

    Raises PlanError, AccountingError, LeaseError, ModelRefusedError, RegistryUnavailableError, StorageError.
    """
    transaction = Transaction(pipeline=pipeline.config.pipeline, query_id=query_id, batch_id=batch_id)
    if batch_id <= pipeline.done.get(query_id, -1):
        log.info("batch %d: is done already, skipped", batch_id)
        return None
    timings, started_at = Timings(), datetime.now(UTC)
    with timings.measure("plan"):
        plan = obtain_plan(pipeline, query_id=query_id, batch_id=batch_id)
        check_files_unchanged(plan, pipeline.storage)
    announce_query(pipeline.config, pipeline.storage, query_id)
    plan = write_readable_rows(pipeline, plan, transaction, timings)
    with timings.measure("account"):
        check_files_unchanged(plan, pipeline.storage)
        counts = count_batch(pipeline, plan, transaction)
    record = BatchRecord.of(pipeline, plan, counts, started_at=started_at, timings=timings)
    write_marker(pipeline, record, transaction)
    return record


class UnreadableInputError(Exception):
    """The first write of a batch, which reads all its rows, failed: this run has written nothing of it."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def write_readable_rows(pipeline: Pipeline, plan: Plan, transaction: Transaction, timings: Timings) -> Plan:
    """Returns the plan by which the rows were written: without files whose damage was met meanwhile."""
    try:
        write_rows(pipeline, plan, transaction, timings)
    except UnreadableInputError as failure:
        plan = amended_plan(pipeline, plan, failure)
        try:
            write_rows(pipeline, plan, transaction, timings)
        except UnreadableInputError as again:
            raise again.cause from None
    return plan


def write_rows(pipeline: Pipeline, plan: Plan, transaction: Transaction, timings: Timings) -> None:
    """Quarantine, then the workload's answers."""
    log.info(
        "batch %d: %d of %d files accepted, scoring", plan.batch_id, len(plan.files_with("accepted")), len(plan.files)
    )
    with judged(pipeline, plan) as rows:
        if rows is None:
            with timings.measure("quarantine"):
                write_quarantine(pipeline, plan, None, transaction, expected=0)
            return
        accepted = accepted_rows(rows.in_passing, pipeline.contract)
        try:
            answers = workload_of(pipeline.config).prepare(pipeline, plan, accepted, transaction, timings)
            with timings.measure("quarantine"):
                verdicts = rows.count(answers.rows)
                write_quarantine(pipeline, plan, rows.rejected(verdicts), transaction, expected=verdicts.rejected)
        except PythonException:
            raise  # the model's; reading has failed in none of these
        except SPARK_ERRORS as error:
            raise UnreadableInputError(error) from error
        answers.write()


def amended_plan(pipeline: Pipeline, plan: Plan, failure: UnreadableInputError) -> Plan:
    """The plan without the damaged files that made the batch fail; raises the cause if there is none, or if a run
    before has written by the plan as it is: rows of a file that is refused now may be among it.

    Raises PlanError for a file that is gone or changed, StorageError: neither is damage, and the plan stays.
    """
    files = without_damage(plan.files, storage=pipeline.storage, contract=pipeline.contract)
    check_files_unchanged(plan, pipeline.storage)
    if files is None or has_written(pipeline.config, plan.transaction(pipeline.config.pipeline)):
        raise failure.cause
    amended = plan.model_copy(update={"files": tuple(files)})
    replace_plan(pipeline.storage, plan_path(pipeline.config.checkpoint, plan.batch_id), amended)
    return amended


@contextmanager
def judged(pipeline: Pipeline, plan: Plan) -> Iterator[JudgedRows | None]:
    """The batch's checked rows; None where no file is accepted."""
    config, files = pipeline.config, plan.files_with("accepted")
    headers = sum(file.csv is not None for file in files)
    rows = checked_rows(pipeline.spark, files, contract=pipeline.contract, dialect=config.source.csv)
    if rows is None:
        yield None
    elif workload_of(config).reads_once:
        yield judged_in_passing(rows, headers=headers)
    elif not headers:
        yield judged_by_count(rows, headers=headers)
    else:
        with judged_and_kept(rows, headers=headers) as kept:
            yield kept


def write_quarantine(
    pipeline: Pipeline,
    plan: Plan,
    rejected: DataFrame | None,
    transaction: Transaction,
    *,
    expected: int | None = None,
) -> None:
    """rejected: None where there are none. Nothing is committed then, unless a file was refused. expected: how many
    they are, counted when the accepted ones were written.

    Raises AccountingError, with nothing committed, where they are not as many.
    """
    pipeline.lease.check()
    refused = len(plan.files_with("refused"))
    if not refused and rejected is None:
        return
    frame = quarantined(pipeline.spark, plan, rejected)
    append = prepare_append(frame, pipeline.config.table_path("quarantine"), transaction)
    if expected is not None and append.rows is not None and append.rows != expected + refused:
        raise AccountingError(
            f"batch {plan.batch_id}: {expected} rows were rejected when the others were scored, and "
            f"{append.rows - refused} when they were read again for the quarantine; nothing of it is committed. "
            "Do its files change in place? If not, please report this with them"
        )
    pipeline.lease.check()
    append.commit()


def write_marker(pipeline: Pipeline, record: BatchRecord, transaction: Transaction) -> None:
    pipeline.lease.check()
    append_once(record.as_frame(pipeline.spark), pipeline.config.table_path("batches"), transaction)
