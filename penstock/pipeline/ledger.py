"""Do checkpoint and tables belong together? `batches` is the ledger: it says which query has done which batch."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import deltalake
from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LedgerError, PlanError
from penstock.pipeline.last_batch import BATCH, QUERY, has_batches, last_batch
from penstock.pipeline.plan import Plan, newest_plan
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.pipeline.table_age import LastWrite, check_batches_are_current, check_tables_agree, last_writes
from penstock.schemas.catalog import table_names
from penstock.series.lags import rebuild_lags
from penstock.sources.checkpoint import batch_numbers, query_id_of
from penstock.spark.commit_retry import commit
from penstock.spark.tables import close_query, table_exists
from penstock.storage.delta_files import data_files
from penstock.storage.delta_reader import opened_table
from penstock.storage.delta_transactions import is_closed
from penstock.storage.files import Storage

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LedgerState:
    """What checkpoint and tables say of each other. query_id: the checkpoint's, None if it has not begun.

    planned, committed: the highest batch in the checkpoint's offset and commit logs. done: the highest finished batch
    of the checkpoint's query and of the replays, by query id; without those that have none. has_batches: whether any
    query has finished one. writes: what the last batches wrote, by the ledger: of the queries in `done`, and of all
    that have begun where the checkpoint is new. begun: the queries that have written to the tables, or were about to.
    closed: another checkpoint was resumed from the ledger, and what this one's query writes is dropped.
    """

    query_id: str | None
    planned: int | None
    committed: int | None
    done: dict[str, int]
    has_batches: bool
    writes: tuple[LastWrite, ...] = ()
    begun: frozenset[str] = frozenset()
    closed: bool = False

    @property
    def is_unused(self) -> bool:
        """Whether no file was taken yet, from whatever place."""
        return not (self.has_batches or self.begun or self.planned is not None)


def read_state(config: PipelineConfig, storage: Storage) -> LedgerState:
    """Raises LedgerError."""
    query_id = query_id_of(storage, config.checkpoint)
    planned = max(batch_numbers(storage, f"{config.checkpoint}/offsets"), default=None)
    committed = max(batch_numbers(storage, f"{config.checkpoint}/commits"), default=None)
    with opened_table(config, "batches") as batches:
        done = last_by_query(batches, [REPLAY_QUERY, *([query_id] if query_id else [])])
        begun = storage.names(queries_folder(config))
        writers = done if query_id else done | last_by_query(batches, begun)
        return LedgerState(
            query_id=query_id,
            planned=planned,
            committed=committed,
            done=done,
            has_batches=has_batches(batches),
            writes=tuple(last_writes(batches, config, writers)),
            begun=frozenset(begun),
            closed=query_id is not None and is_closed(batches, pipeline=config.pipeline, query_id=query_id),
        )


def finished_batches(config: PipelineConfig, storage: Storage) -> dict[str, int]:
    """The last finished batch of the checkpoint's query, by its id; empty if there is none. Without Spark: its first
    look at a Delta table would take half of a start.

    Raises LedgerError.
    """
    query_id = query_id_of(storage, config.checkpoint)
    with opened_table(config, "batches") as batches:
        return last_by_query(batches, [query_id] if query_id else [])


def finished_batches_by_query(config: PipelineConfig, storage: Storage) -> dict[str, int]:
    """The last finished batch of each query that has one, of earlier checkpoints and of replays too.

    A query leaves its id beside the tables; one of an earlier version did not, and is found by the bounds of the files.
    Raises LedgerError.
    """
    with opened_table(config, "batches") as batches:
        if batches is None:
            return {}
        files = data_files(batches, (QUERY, BATCH))
        ends = {end[QUERY] for file in files for end in (file.least, file.most) if end[QUERY] is not None}
        return last_by_query(batches, sorted({*ends, *storage.names(queries_folder(config)), REPLAY_QUERY}))


def last_by_query(batches: deltalake.DeltaTable | None, queries: Iterable[str]) -> dict[str, int]:
    found = {query_id: last_batch(batches, query_id) for query_id in queries}
    return {query_id: last for query_id, last in found.items() if last is not None}


def ledger_files(spark: SparkSession, config: PipelineConfig) -> DataFrame:
    """query_id, path, length, modification_time, rows of each file of each finished batch."""
    ledger = spark.read.format("delta").load(config.table_path("batches"))
    return ledger.select("query_id", F.inline("files"))


def check_ledger(state: LedgerState, config: PipelineConfig, storage: Storage) -> None:
    """Raises LedgerError where to continue would skip or double rows; the message says what to do."""
    check_owner(config, storage)
    check_tables_agree(config, state.writes)
    if state.query_id is None:
        if (state.has_batches or state.begun) and not old_queries(config, storage):
            raise LedgerError(
                f"the checkpoint {config.checkpoint} is new, but the tables in {config.tables.root} hold finished or "
                "begun batches of another one: every file would be scored twice. Point to the old checkpoint, or start "
                "with --resume-from-ledger to score only files that the ledger does not have"
            )
        return
    if state.closed:
        raise LedgerError(
            f"the checkpoint {config.checkpoint} was given up: another one was resumed from the ledger, and what query "
            f"{state.query_id} writes to {config.tables.root} is dropped since. Point to the checkpoint that went on, "
            "or to a new one with --resume-from-ledger"
        )
    done = state.done.get(state.query_id)
    if done is None and state.committed is not None:
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
    if done is not None and state.committed is not None:
        check_batches_are_current(config, storage, done=done, committed=state.committed)


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
    """Let a new checkpoint continue from the ledger: old queries are fenced off, half-written batches rolled back.

    Needs the lease. It may be interrupted and run again. Raises LedgerError if the checkpoint is not new.
    """
    if state.query_id is not None:
        raise LedgerError(
            f"--resume-from-ledger is for a new checkpoint; {config.checkpoint} has begun (query {state.query_id}): "
            "start without it, or name a folder that does not exist"
        )
    check_tables_agree(config, state.writes)
    names = table_names(config.workload)
    paths = {name: config.table_path(name) for name in names if table_exists(spark, config.table_path(name))}
    # Replays belong to the tables, not to a checkpoint: they are not closed.
    written = {query for path in paths.values() for query in query_ids(spark, path)}
    old = sorted((state.begun | written) - {REPLAY_QUERY})
    # The marker's table first: a batch whose rows are dropped must find no marker, and its checkpoint no start.
    marker_first = sorted(paths, key=lambda name: name != "batches")
    for query in old:
        close_query(spark, [paths[name] for name in marker_first], pipeline=config.pipeline, query_id=query)
    for name, path in paths.items():
        if name not in ("batches", "lags"):
            roll_back_unfinished(spark, path, config.table_path("batches"))
    if "lags" in paths:
        rebuild_lags(spark, config)
    storage.replace(resumed_path(config), json.dumps(old).encode())
    log.info(
        "resumed from the ledger: %d earlier queries are closed, their files will not be scored again",
        len(old),
    )


def announce_query(config: PipelineConfig, storage: Storage, query_id: str) -> None:
    """Leave a query's id beside the tables before its first write: a paused process is then known, and can be closed,
    even where it has written no row."""
    path = f"{queries_folder(config)}/{query_id}"
    if storage.status(path) is None:
        storage.create(path, config.checkpoint.encode())


def queries_folder(config: PipelineConfig) -> str:
    return f"{config.tables.root}/_queries"


def query_ids(spark: SparkSession, path: str) -> list[str]:
    return [row["query_id"] for row in spark.read.format("delta").load(path).select("query_id").distinct().collect()]


def roll_back_unfinished(spark: SparkSession, path: str, ledger_path: str) -> None:
    """Delete the rows of batches that have no marker."""
    batch = ("query_id", "batch_id")
    written = spark.read.format("delta").load(path).select(*batch).distinct()
    finished = spark.read.format("delta").load(ledger_path).select(*batch)
    for row in written.join(finished, on=list(batch), how="left_anti").collect():
        log.warning("rolling back batch %d of query %s in %s", row["batch_id"], row["query_id"], path)
        delete_batch_rows(spark, path, (F.col("query_id") == row["query_id"]) & (F.col("batch_id") == row["batch_id"]))


def delete_batch_rows(spark: SparkSession, path: str, rows: Column) -> None:
    commit(path, lambda: DeltaTable.forPath(spark, path).delete(rows))


def old_queries(config: PipelineConfig, storage: Storage) -> tuple[str, ...]:
    """The queries whose files count as done, if this checkpoint was resumed from the ledger."""
    content = storage.read(resumed_path(config))
    return tuple(json.loads(content)) if content else ()


def plan_before_resume(config: PipelineConfig, storage: Storage, queries: Sequence[str]) -> Plan | None:
    """The newest plan of the checkpoints that these queries had; None where none of them can be read any more."""
    found = []
    for query in queries:
        try:
            checkpoint = storage.read(f"{queries_folder(config)}/{query}")
            plan = newest_plan(storage, checkpoint.decode()) if checkpoint else None
        except (PlanError, OSError) as error:
            log.warning("no experiment is resumed from the checkpoint of query %s: %s", query, error)
            continue
        found += [plan] if plan is not None and plan.query_id == query else []
    return max(found, key=lambda plan: plan.planned_at, default=None)


def resumed_path(config: PipelineConfig) -> str:
    return f"{config.checkpoint}/resumed.json"
