"""Replays whose plans are gone: the folder `_replays` was lost, or restored from an older copy.

Delta drops the rows of a replay whose number a table has seen already, so a number is never used twice, whatever the
folder says; and rows of a replay that has neither plan nor marker are nobody's.
"""

import logging

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.pipeline.context import Pipeline
from penstock.pipeline.ledger import delete_batch_rows
from penstock.pipeline.replay.plans import REPLAY_QUERY, replay_numbers
from penstock.schemas.catalog import table_names
from penstock.series.lags import rebuild_lags
from penstock.series.reasons import CONFLICT
from penstock.spark.tables import commit_nothing
from penstock.storage.delta_transactions import Transaction, last_transaction

log = logging.getLogger(__name__)


def next_replay_number(pipeline: Pipeline) -> int:
    """One more than any that a plan, a marker or a table's log has. Raises LedgerError if a table can't be read."""
    planned = replay_numbers(pipeline.config, pipeline.storage)
    return max([*planned, last_marked(pipeline), last_written(pipeline)]) + 1


def last_marked(pipeline: Pipeline) -> int:
    """As it was when the pipeline was opened; -1 if there is none."""
    return pipeline.done.get(REPLAY_QUERY, -1)


def last_written(pipeline: Pipeline) -> int:
    config = pipeline.config
    application = Transaction(pipeline=config.pipeline, query_id=REPLAY_QUERY, batch_id=0).application
    found = (last_transaction(config, name, application) for name in table_names(config.workload))
    return max((number for number in found if number is not None), default=-1)


def roll_back_lost_replay(pipeline: Pipeline) -> None:
    """Delete the rows of a replay that was cut off and whose plan is gone: they wait in the quarantine still, and the
    next replay takes them. May be interrupted and run again. Raises LedgerError."""
    config, last, marked = pipeline.config, last_written(pipeline), last_marked(pipeline)
    planned = max(replay_numbers(config, pipeline.storage), default=-1)
    if last <= max(marked, planned):
        return
    tables = table_names(config.workload)
    of_lost = (F.col("query_id") == REPLAY_QUERY) & (F.col("batch_id") > max(marked, planned))
    # The marker's table first: a paused process of that replay must not find it open.
    for name in sorted(tables, key=lambda name: name != "batches"):
        lost = Transaction(pipeline=config.pipeline, query_id=REPLAY_QUERY, batch_id=last)
        commit_nothing(pipeline.spark, config.table_path(name), lost)
    if "forecasts" in tables and is_of_late_observations(pipeline, of_lost):
        log.warning(
            "replay %d of late observations was cut off, and its plan in %s/_replays is gone: what it replaced stays; "
            "run it again with --late",
            last,
            config.tables.root,
        )
        rebuild_lags(pipeline.spark, config)
        return
    rolled_back = False
    for name in tables:
        path = config.table_path(name)
        if name in ("batches", "lags") or pipeline.spark.read.format("delta").load(path).where(of_lost).isEmpty():
            continue
        pipeline.lease.check()
        delete_batch_rows(pipeline.spark, path, of_lost)
        rolled_back = True
    if rolled_back:
        log.warning(
            "replay %d was cut off, and its plan in %s/_replays is gone: its rows are rolled back, and wait in the "
            "quarantine again",
            last,
            config.tables.root,
        )
    if "lags" in tables:
        rebuild_lags(pipeline.spark, config)


def is_of_late_observations(pipeline: Pipeline, of_lost: Column) -> bool:
    """Whether its forecasts are for observations that were there before it: it has replaced others. A replay of the
    quarantine brings the observations of its forecasts itself, but for `revisions: newest`, which knows no other."""
    spark, config = pipeline.spark, pipeline.config
    if config.the_series.revisions == "newest":
        return False
    forecasts = spark.read.format("delta").load(config.table_path("forecasts")).where(of_lost)
    # rows that contradict each other have no forecast, and a quarantined row may be of their ds
    is_conflict = F.col("error").eqNullSafe(CONFLICT)
    observations = spark.read.format("delta").load(config.table_path("observations")).where(~of_lost & ~is_conflict)
    cutoffs = observations.select("series_id", F.col("ds").alias("cutoff"))
    return not forecasts.join(cutoffs, on=["series_id", "cutoff"], how="left_semi").isEmpty()
