"""Gives up a rescore that was interrupted: nothing of it is replaced, and what its chunks have written is deleted."""

import logging

from pyspark.sql import functions as F

from penstock.errors import RescoreError
from penstock.pipeline.context import Pipeline
from penstock.pipeline.ledger import delete_batch_rows
from penstock.pipeline.rescore.plans import (
    RescorePlan,
    answer_tables,
    replaced_tables,
    rescore_done_path,
    rescore_given_up_path,
    rescore_transaction,
)
from penstock.schemas.catalog import RESCORE_ID
from penstock.spark.commit_log import has_changed
from penstock.spark.tables import commit_nothing, table_exists
from penstock.storage.delta_transactions import LAST_VERSION

log = logging.getLogger(__name__)


def is_given_up(pipeline: Pipeline, plan: RescorePlan) -> bool:
    """Whether a run has begun to give it up: from then on it can't be finished."""
    return pipeline.storage.status(rescore_given_up_path(pipeline.config, plan.number)) is not None


def give_up(pipeline: Pipeline, plan: RescorePlan) -> None:
    """May be interrupted and run again. Raises RescoreError for one that has begun to replace answers."""
    config, storage = pipeline.config, pipeline.storage
    if not is_given_up(pipeline, plan):
        close_replacement(pipeline, plan)
        storage.create(rescore_given_up_path(config, plan.number), b"")
    # A process that was paused may still send a chunk.
    last = rescore_transaction(config.pipeline, plan.number, LAST_VERSION)
    for name in answer_tables(config):
        path = config.table_path(name)
        if table_exists(pipeline.spark, path):
            pipeline.lease.check()
            commit_nothing(pipeline.spark, path, last)
            delete_batch_rows(pipeline.spark, path, F.col(RESCORE_ID.name) == plan.number)
    storage.create(rescore_done_path(config, plan.number), b"")
    log.warning("%s was given up: no answer was replaced, and what it had written is deleted", plan.described)


def close_replacement(pipeline: Pipeline, plan: RescorePlan) -> None:
    """Commit an empty transaction in place of the first replacement, so that Delta drops what is still sent. Raises
    RescoreError where it was there before."""
    if not plan.replaces:
        return
    name = replaced_tables(pipeline.config)[0]
    path, transaction = pipeline.config.table_path(name), plan.swap_transaction(pipeline.config.pipeline)
    commit_nothing(pipeline.spark, path, transaction)
    changed = has_changed(pipeline.storage, path, transaction)
    if changed is None:  # the log does not go back to it
        is_rescored = F.col(RESCORE_ID.name) == plan.number
        changed = not pipeline.spark.read.format("delta").load(path).where(is_rescored).isEmpty()
    if changed:
        raise RescoreError(
            f"{plan.described} has replaced the answers in {name} already: run it without --give-up, which finishes it"
        )
