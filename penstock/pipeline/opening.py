"""Opens a pipeline: contract, lease, ledger, tables and model selector, in the same order for every job."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from pyspark.sql import SparkSession
from pyspark.sql.types import DataType

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.config.series_contract import with_time_range
from penstock.models.registry import Registry
from penstock.models.resolved import ModelAtStart
from penstock.models.scorers import KEPT, KEPT_WITH_CANDIDATES
from penstock.models.scoring import checked_columns
from penstock.models.selection import ModelSelector
from penstock.pipeline.context import Pipeline
from penstock.pipeline.inbox_place import check_inbox, keep_place
from penstock.pipeline.lease import Lease, lease_path
from penstock.pipeline.ledger import LedgerState, check_ledger, old_queries, read_state, resume_from_ledger
from penstock.pipeline.plan import plan_path, read_plan
from penstock.pipeline.replay.plans import refuse_unfinished_replay, unfinished_replay
from penstock.pipeline.workload import workload_of
from penstock.schemas.contract import Contract
from penstock.schemas.tables import BATCHES, QUARANTINE
from penstock.sources.rules import check_rules
from penstock.spark.tables import column_type, prepare_table
from penstock.storage.files import BATCH_RETRY_SECONDS, Storage
from penstock.storage.routing import storage_of
from penstock.udfs.scoring.outputs import prediction_type

log = logging.getLogger(__name__)


@contextmanager
def opened(
    spark: SparkSession,
    config: PipelineConfig,
    *,
    model: ModelAtStart | None,
    job: str,
    before_tables: Callable[[], None],
    resume: bool = False,
    inbox_moved: bool = False,
    is_replay: bool = False,
) -> Iterator[Pipeline]:
    """The pipeline with its lease held, its tables there and its ledger checked. Raises PenstockError.

    model: None for a pipeline without one. before_tables: checks that need the ledger to be fine, and no table to be
    made. inbox_moved: a changed source.path is confirmed to be the same inbox. is_replay: the ledger is left to the
    replay, which may first have to finish an interrupted one.
    """
    contract = with_time_range(load_contract(config), config)
    check_rules(spark, contract)
    storage = storage_of(config, retry_seconds=BATCH_RETRY_SECONDS)
    # A renewal has the time at which it began, so a new one soon is worth more than a long attempt.
    with Lease(storage=storage_of(config), path=lease_path(config.tables.root), job=job) as lease:
        state = read_state(config, storage)
        if not (inbox_moved or state.is_unused):
            check_inbox(config, storage)
        if not is_replay:
            refuse_unfinished_replay(config, storage)
            if resume:
                resume_from_ledger(spark, config, storage, state)
            check_ledger(state, config, storage)
        former_inboxes = keep_place(config, storage, is_moved=inbox_moved, is_unused=state.is_unused)
        before_tables()
        prepare_tables(spark, config, contract, model, adapts=not is_begun_under_another_config(config, storage, state))
        yield Pipeline(
            spark=spark,
            config=config,
            contract=contract,
            storage=storage,
            selector=selector_of(spark, config, contract, model.registry) if model else None,
            lease=lease,
            done=state.done,
            old_queries=old_queries(config, storage),
            former_inboxes=former_inboxes,
        )


def selector_of(spark: SparkSession, config: PipelineConfig, contract: Contract, registry: Registry) -> ModelSelector:
    workload = workload_of(config)
    return ModelSelector(
        spark=spark,
        registry=registry,
        model=config.the_model,
        contract=workload.scoring_contract(config, contract),
        incompatibility=partial(workload.incompatibility, spark, config),
        kept_scorers=KEPT_WITH_CANDIDATES if config.experiment is not None else KEPT,
    )


def is_begun_under_another_config(config: PipelineConfig, storage: Storage, state: LedgerState) -> bool:
    """Whether a batch or replay is unfinished that this config can't finish. The state of its series stays as it is:
    rebuilt now, it would have the batch's observations, and the batch adds them once more when it is finished."""
    plans = [unfinished_replay(config, storage)]
    if state.planned is not None and state.planned > state.done.get(state.query_id or "", -1):
        plans.append(read_plan(storage, plan_path(config.checkpoint, state.planned)))
    return any(plan.config_hash != config.meaning_hash for plan in plans if plan is not None)


def prepare_tables(
    spark: SparkSession, config: PipelineConfig, contract: Contract, model: ModelAtStart | None, *, adapts: bool
) -> None:
    """Make the tables, or check that they fit. The model decides the type of `prediction` once, for a new table."""
    workload = workload_of(config)

    def prediction() -> DataType:
        found = column_type(spark, config.table_path("predictions"), "prediction")
        return found if found is not None else prediction_of_model(config, contract, model)

    specs = (*workload.tables(config, contract, prediction), QUARANTINE, BATCHES)
    for spec in specs:
        prepare_table(spark, config.table_path(spec.name), spec)
    workload.prepare_state(spark, config, adapts=adapts)


def prediction_of_model(config: PipelineConfig, contract: Contract, model: ModelAtStart | None) -> DataType:
    if model is None:
        raise ValueError(f"{config.pipeline} has no model, and none of its tables a prediction")
    scoring_contract = workload_of(config).scoring_contract(config, contract)
    _, outputs = checked_columns(model.resolved(), scoring_contract)
    return prediction_type(outputs)
