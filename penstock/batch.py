"""One micro-batch, from the files that arrived to the row in `batches` that marks it as done.

The order of the writes is fixed: quarantine, predictions, batches. Each is idempotent, so a batch that was cut off
anywhere runs again from its plan, and what is there already is left as it is.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.accounting import BatchRecord, count_batch
from penstock.damage import without_damage
from penstock.errors import SPARK_ERRORS
from penstock.input import accepted_rows, checked_rows, rejected_rows
from penstock.phases import Phases
from penstock.pipeline import Pipeline
from penstock.plan import Plan, check_files_unchanged, replace_plan
from penstock.planning import obtain_plan
from penstock.quarantine import quarantined
from penstock.tables import Transaction, append_once, is_committed

log = logging.getLogger(__name__)


def run_batch(pipeline: Pipeline, *, query_id: str, batch_id: int) -> BatchRecord | None:
    """Run a micro-batch to its marker; None if it has its marker already.

    Raises PlanError, AccountingError, LeaseError, ModelRefusedError, RegistryUnavailableError.
    """
    transaction = Transaction(pipeline=pipeline.config.pipeline, query_id=query_id, batch_id=batch_id)
    if batch_id <= pipeline.done.get(query_id, -1):
        log.info("batch %d: is done already, skipped", batch_id)
        return None
    phases, started_at = Phases(), datetime.now(UTC)
    with phases.measure("plan"):
        plan = obtain_plan(pipeline, query_id=query_id, batch_id=batch_id)
        check_files_unchanged(plan, pipeline.storage)
    try:
        write_rows(pipeline, plan, transaction, phases)
    except SPARK_ERRORS:
        amended = amended_plan(pipeline, plan, transaction)
        if amended is None:
            raise
        plan = amended
        write_rows(pipeline, plan, transaction, phases)
    with phases.measure("account"):
        check_files_unchanged(plan, pipeline.storage)
        counts = count_batch(pipeline, plan, transaction)
    record = BatchRecord(
        plan=plan,
        pipeline=pipeline.config.pipeline,
        counts=counts,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        seconds=dict(phases.seconds),
    )
    write_marker(pipeline, record, transaction)
    return record


def write_rows(pipeline: Pipeline, plan: Plan, transaction: Transaction, phases: Phases) -> None:
    """Quarantine, then predictions."""
    accepted = len(plan.files_with("accepted"))
    log.info("batch %d: %d of %d files accepted, scoring", plan.batch_id, accepted, len(plan.files))
    with checked(pipeline, plan) as rows:
        with phases.measure("quarantine"):
            write_quarantine(pipeline, plan, rows, transaction)
        with phases.measure("predictions"):
            write_predictions(pipeline, plan, rows, transaction)


def amended_plan(pipeline: Pipeline, plan: Plan, transaction: Transaction) -> Plan | None:
    """A plan without the damaged files that made the batch fail; None if that is not why, or too late."""
    path = pipeline.config.table_path("quarantine")
    if is_committed(pipeline.spark, path, transaction):
        return None
    files = without_damage(plan.files, storage=pipeline.storage, contract=pipeline.contract)
    if files is None:
        return None
    amended = plan.model_copy(update={"files": tuple(files)})
    replace_plan(pipeline.storage, pipeline.config.checkpoint, amended)
    return amended


@contextmanager
def checked(pipeline: Pipeline, plan: Plan) -> Iterator[DataFrame | None]:
    """The batch's checked rows. CSV is kept, for two tables come from it and parsing costs more than keeping."""
    config, files = pipeline.config, plan.files_with("accepted")
    rows = checked_rows(pipeline.spark, files, contract=pipeline.contract, dialect=config.source.csv)
    if rows is None or not any(file.csv for file in files):
        yield rows
        return
    kept = rows.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield kept
    finally:
        kept.unpersist()


def write_quarantine(pipeline: Pipeline, plan: Plan, rows: DataFrame | None, transaction: Transaction) -> None:
    pipeline.lease.check()
    frame = quarantined(pipeline.spark, plan, rejected_rows(rows) if rows is not None else None)
    append_once(frame, pipeline.config.table_path("quarantine"), transaction)


def write_predictions(pipeline: Pipeline, plan: Plan, rows: DataFrame | None, transaction: Transaction) -> None:
    if rows is None:
        return
    pipeline.lease.check()
    pinned = plan.champion
    scored = pipeline.champion.scorer(pinned).score(accepted_rows(rows, pipeline.contract), pipeline.contract)
    frame = scored.select(
        *[field.name for field in pipeline.contract.fields],
        "prediction",
        F.lit(pinned.name).alias("model_name"),
        F.lit(pinned.version).alias("model_version"),
        F.lit(pinned.role).alias("role"),
        "error",
        "source_file",
        # The plan's time, not the clock's: a replay gives the same row.
        F.lit(plan.planned_at).alias("scored_at"),
    )
    append_once(frame, pipeline.config.table_path("predictions"), transaction)


def write_marker(pipeline: Pipeline, record: BatchRecord, transaction: Transaction) -> None:
    pipeline.lease.check()
    append_once(record.as_frame(pipeline.spark), pipeline.config.table_path("batches"), transaction)
