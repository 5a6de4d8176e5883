"""Do checkpoint and tables belong together? `batches` is the ledger: it says which query has done which batch."""

import json
import logging
from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.arrivals import query_id_of
from penstock.config import PipelineConfig
from penstock.errors import LedgerError
from penstock.replay_plan import REPLAY_QUERY
from penstock.series_state import rebuild_lags
from penstock.storage import Storage
from penstock.tables import close_query, table_exists

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LedgerState:
    """What checkpoint and tables say of each other. query_id: the checkpoint's, None if it has not begun.

    planned: the highest batch in the checkpoint's offset log. done: the highest finished batch by query id.
    """

    query_id: str | None
    planned: int | None
    committed: bool
    done: dict[str, int]


def read_state(spark: SparkSession, config: PipelineConfig, storage: Storage) -> LedgerState:
    offsets = [int(name) for name in storage.names(f"{config.checkpoint}/offsets") if name.isdigit()]
    commits = [name for name in storage.names(f"{config.checkpoint}/commits") if name.isdigit()]
    return LedgerState(
        query_id=query_id_of(storage, config.checkpoint),
        planned=max(offsets, default=None),
        committed=bool(commits),
        done=finished_batches(spark, config),
    )


def finished_batches(spark: SparkSession, config: PipelineConfig) -> dict[str, int]:
    path = config.table_path("batches")
    if not table_exists(spark, path):
        return {}
    last = spark.read.format("delta").load(path).groupBy("query_id").agg(F.max("batch_id").alias("last"))
    return {row["query_id"]: row["last"] for row in last.collect()}


def check_ledger(state: LedgerState, config: PipelineConfig, storage: Storage) -> None:
    """Raises LedgerError where going on would skip or double rows; the message says what to do."""
    check_owner(config, storage)
    if state.query_id is None:
        if state.done and not old_queries(config, storage):
            raise LedgerError(
                f"the checkpoint {config.checkpoint} is new, but the tables in {config.tables.root} hold finished "
                "batches of another one: every file would be scored twice. Point to the old checkpoint, or start with "
                "--resume-from-ledger to score only files that the ledger does not have"
            )
        return
    done = state.done.get(state.query_id)
    if done is None and state.committed:
        raise LedgerError(
            f"the checkpoint {config.checkpoint} has finished batches, but the tables in {config.tables.root} hold "
            "none of them: their rows would be missing for ever. Restore the tables, or use a new checkpoint to score "
            "all files again"
        )
    if done is not None and (state.planned is None or done > state.planned):
        raise LedgerError(
            f"the tables in {config.tables.root} have finished batch {done} of this query, the checkpoint "
            f"{config.checkpoint} knows batches up to {state.planned} only: was it restored from an older copy? Use a "
            "new checkpoint with --resume-from-ledger"
        )


def check_owner(config: PipelineConfig, storage: Storage) -> None:
    """A checkpoint belongs to one pipeline; its name is kept in it."""
    path = f"{config.checkpoint}/pipeline"
    if storage.create(path, config.pipeline.encode()):
        return
    owner = (storage.read(path) or b"").decode()
    if owner != config.pipeline:
        raise LedgerError(
            f"the checkpoint {config.checkpoint} belongs to the pipeline {owner!r}, this is {config.pipeline!r}; "
            "give each pipeline a checkpoint of its own"
        )


def resume_from_ledger(spark: SparkSession, config: PipelineConfig, storage: Storage, state: LedgerState) -> None:
    """Let a new checkpoint go on where the tables are: old queries are closed, half-written batches taken back.

    Needs the lease. It may be cut off and run again. Raises LedgerError if the checkpoint is not new.
    """
    if state.query_id is not None:
        raise LedgerError(
            f"--resume-from-ledger is for a new checkpoint; {config.checkpoint} has begun (query {state.query_id}): "
            "start without it, or name a folder that does not exist"
        )
    names = ("quarantine", "predictions", "forecasts", "observations", "lags", "batches")
    paths = {name: config.table_path(name) for name in names if table_exists(spark, config.table_path(name))}
    # Replays belong to the tables, not to a checkpoint: they go on.
    old = sorted({query for path in paths.values() for query in query_ids(spark, path)} - {REPLAY_QUERY})
    for query in old:
        close_query(spark, paths.values(), pipeline=config.pipeline, query_id=query)
    for name, path in paths.items():
        if name not in ("batches", "lags"):
            take_back_unfinished(spark, path, config.table_path("batches"))
    if "lags" in paths:
        rebuild_lags(spark, config)
    storage.replace(resumed_path(config), json.dumps(old).encode())
    log.info(
        "resumed from the ledger: %d earlier queries are closed, their files will not be scored again",
        len(old),
    )


def query_ids(spark: SparkSession, path: str) -> list[str]:
    return [row["query_id"] for row in spark.read.format("delta").load(path).select("query_id").distinct().collect()]


def take_back_unfinished(spark: SparkSession, path: str, ledger_path: str) -> None:
    """Delete the rows of batches that have no marker."""
    batch = ("query_id", "batch_id")
    written = spark.read.format("delta").load(path).select(*batch).distinct()
    finished = spark.read.format("delta").load(ledger_path).select(*batch)
    for row in written.join(finished, on=list(batch), how="left_anti").collect():
        log.warning("taking back batch %d of query %s from %s", row["batch_id"], row["query_id"], path)
        mine = (F.col("query_id") == row["query_id"]) & (F.col("batch_id") == row["batch_id"])
        DeltaTable.forPath(spark, path).delete(mine)


def old_queries(config: PipelineConfig, storage: Storage) -> tuple[str, ...]:
    """The queries whose files count as done, if this checkpoint was resumed from the ledger."""
    content = storage.read(resumed_path(config))
    return tuple(json.loads(content)) if content else ()


def resumed_path(config: PipelineConfig) -> str:
    return f"{config.checkpoint}/resumed.json"
