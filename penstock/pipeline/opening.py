"""From a config to a pipeline that runs: the order of checks, lease, tables and stream, the same for every job."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from pyspark.sql import SparkSession
from pyspark.sql.types import DataType

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.models.registry import Registry
from penstock.models.scoring import checked_ports
from penstock.models.selection import Champion
from penstock.models.trust import named_version
from penstock.models.warmup import begin_workers, preload_settings
from penstock.operations.doctor.checks import check_at_start
from penstock.operations.doctor.executors import check_executors
from penstock.operations.monitoring.metrics_server import served_metrics
from penstock.operations.monitoring.observer import watched
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.context import Pipeline
from penstock.pipeline.lease import Lease, lease_path
from penstock.pipeline.ledger import check_ledger, old_queries, read_state, resume_from_ledger
from penstock.pipeline.replay.plans import refuse_unfinished_replay
from penstock.pipeline.stop_file import StopFile
from penstock.pipeline.stream import StreamRunner
from penstock.pipeline.workload import workload_of
from penstock.schemas.contract import Contract
from penstock.schemas.tables import BATCHES, QUARANTINE
from penstock.series.lags import adapt_lags, check_frequency
from penstock.sources.rules import check_rules
from penstock.spark.pipeline_settings import settings_of
from penstock.spark.session import build_session
from penstock.spark.tables import column_type, prepare_table
from penstock.storage.files import BATCH_PATIENCE_SECONDS
from penstock.storage.routing import storage_of
from penstock.udfs.scoring.outputs import prediction_type

log = logging.getLogger(__name__)


def run_pipeline(config: PipelineConfig, *, job: str, once: bool, resume: bool) -> list[BatchRecord]:
    """Check, take the lease, run the stream. Returns the finished batches (StreamRunner.run). Raises PenstockError."""
    load_contract(config)
    with served_metrics(config) as metrics:
        check_at_start(config)
        log.info("%s %s: starting Spark", job, config.pipeline)
        spark = build_session(f"penstock-{config.pipeline}", settings=preload_settings(config) | settings_of(config))
        begin_workers(spark)
        with opened(spark, config, job=job, resume=resume) as pipeline, watched(pipeline, metrics) as on_record:
            # Each look at it holds up the answer to a signal for as long as the storage is asked again.
            stop_file = StopFile.of(config, storage_of(config))
            log.info("%s %s: watching %s", job, config.pipeline, config.source.path)
            return StreamRunner(pipeline=pipeline, stop_file=stop_file, on_record=on_record).run(once=once)


@contextmanager
def opened(
    spark: SparkSession, config: PipelineConfig, *, job: str, resume: bool = False, is_replay: bool = False
) -> Iterator[Pipeline]:
    """The pipeline with its lease held, its tables there and its ledger checked. Raises PenstockError.

    is_replay: the ledger is left to the replay, which may first have to finish one that was cut off.
    """
    contract = load_contract(config)
    check_rules(spark, contract)
    storage = storage_of(config, patience_seconds=BATCH_PATIENCE_SECONDS)
    # A renewal has the time at which it began, so a new one soon is worth more than a long attempt.
    with Lease(storage=storage_of(config), path=lease_path(config.tables.root), job=job) as lease:
        state = read_state(config, storage)
        if not is_replay:
            refuse_unfinished_replay(config, storage)
            if resume:
                resume_from_ledger(spark, config, storage, state)
            check_ledger(state, config, storage)
        registry, workload = Registry.of(config), workload_of(config)
        check_executors(spark, config, registry)
        prepare_tables(spark, config, contract, registry)
        champion = Champion(
            spark=spark,
            registry=registry,
            model=config.model,
            contract=workload.scoring_contract(config, contract),
            misfit=partial(workload.misfit, spark, config),
        )
        yield Pipeline(
            spark=spark,
            config=config,
            contract=contract,
            storage=storage,
            champion=champion,
            lease=lease,
            done=state.done,
            old_queries=old_queries(config, storage),
        )


def prepare_tables(spark: SparkSession, config: PipelineConfig, contract: Contract, registry: Registry) -> None:
    """Make the tables, or check that they fit. The model decides the type of `prediction` once, for a new table."""
    workload = workload_of(config)

    def prediction() -> DataType:
        found = column_type(spark, config.table_path("predictions"), "prediction")
        return found if found is not None else prediction_of_model(config, contract, registry)

    for spec in (*workload.tables(config, contract, prediction), QUARANTINE, BATCHES):
        prepare_table(spark, config.table_path(spec.name), spec)
    if config.workload == "series":
        check_frequency(spark, config)
        adapt_lags(spark, config)


def prediction_of_model(config: PipelineConfig, contract: Contract, registry: Registry) -> DataType:
    version = named_version(registry, config.model)
    scoring_contract = workload_of(config).scoring_contract(config, contract)
    _, outputs = checked_ports(registry.local_copy(version), scoring_contract, name=version.uri)
    return prediction_type(outputs)
