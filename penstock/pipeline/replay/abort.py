"""What became of a replay that was cut off: nothing was written, and nothing will be; or some of it is in the tables.

The process that began it may be paused, not dead, with one write before it: each write asks for the lease first, which
is another's now. Delta drops that write if its transaction is in the table already.
"""

import logging

from penstock.errors import LedgerError
from penstock.pipeline.context import Pipeline
from penstock.pipeline.ledger import delete_batch_rows
from penstock.pipeline.plan import LateReplay, Plan
from penstock.pipeline.replay.plans import given_up_path, replay_path
from penstock.schemas.catalog import table_names
from penstock.series.lags import rebuild_lags
from penstock.spark.commit_log import has_changed
from penstock.spark.tables import batch_rows, commit_nothing, of_transaction

log = logging.getLogger(__name__)


def fence_off(pipeline: Pipeline, plan: Plan) -> bool:
    """Commit an empty transaction in place of each write of the replay, so that Delta drops what it still sends.

    False: one of its writes is in a table already, and the replay must be finished. The tables are taken in the order
    of its writes: those after the one found stay open to it.
    """
    return all(fence_off_table(pipeline, name, plan) for name in writes_of(pipeline))


def writes_of(pipeline: Pipeline) -> tuple[str, ...]:
    """The tables in the order in which a replay writes them."""
    return table_names(pipeline.config.workload)


def fence_off_table(pipeline: Pipeline, name: str, plan: Plan) -> bool:
    """Commit an empty transaction in place of the replay's write of a table. False: its write was there before."""
    path, transaction = pipeline.config.table_path(name), plan.transaction(pipeline.config.pipeline)
    commit_nothing(pipeline.spark, path, transaction)
    changed = has_changed(pipeline.storage, path, transaction)
    return batch_rows(pipeline.spark, path, transaction).isEmpty() if changed is None else not changed


def is_given_up(pipeline: Pipeline, plan: Plan) -> bool:
    """Whether a run has begun to roll the replay back: from then on it can't be finished."""
    return pipeline.storage.status(given_up_path(pipeline.config, plan.batch_id)) is not None


def abort(pipeline: Pipeline, plan: Plan) -> None:
    """Roll back what a replay of the quarantine has written: its rows wait again.

    May be interrupted and run again. Raises LedgerError for a replay of late observations, and for one with its marker.
    """
    config, storage = pipeline.config, pipeline.storage
    if isinstance(plan.replay, LateReplay):
        raise LedgerError(
            f"{plan.described} of late observations can't be rolled back, for it may have replaced rows: restore "
            f"what its plan names ({replay_path(config, plan.batch_id)}) and run it without --give-up"
        )
    note = given_up_path(config, plan.batch_id)
    storage.create(note, b"")
    # A paused process may be about to write the marker: only the table itself says that it can't any more.
    if not fence_off_table(pipeline, "batches", plan):
        storage.delete(note)
        raise LedgerError(
            f"{plan.described} has its marker, and its rows are there to stay: run it without --give-up, to mark "
            "the rows that it took"
        )
    tables = [name for name in writes_of(pipeline) if name != "batches"]
    transaction = plan.transaction(config.pipeline)
    for name in reversed(tables):
        commit_nothing(pipeline.spark, config.table_path(name), transaction)
    for name in tables:
        pipeline.lease.check()
        if name == "lags":
            rebuild_lags(pipeline.spark, config)
        else:
            delete_batch_rows(pipeline.spark, config.table_path(name), of_transaction(transaction))
    log.warning("%s was aborted: what it had written is rolled back", plan.described)
