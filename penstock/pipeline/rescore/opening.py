"""Opens a pipeline for a rescore, beside a stream: without its lease, with one of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from pyspark.sql import SparkSession

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.config.series_contract import with_time_range
from penstock.errors import EnvironmentCheckError
from penstock.models.registry import Registry
from penstock.pipeline.context import Pipeline
from penstock.pipeline.lease import Lease
from penstock.pipeline.opening import selector_of
from penstock.pipeline.rescore.plans import rescore_lease_path, source_table
from penstock.schemas import catalog
from penstock.schemas.contract import Contract
from penstock.schemas.tables import (
    FORECASTS,
    RESCORED_FORECASTS,
    RESCORED_OBSERVATIONS,
    TableSpec,
    observations,
    predictions,
)
from penstock.series.lags import check_frequency
from penstock.spark.tables import column_type, prepare_table, table_exists
from penstock.storage.files import BATCH_RETRY_SECONDS
from penstock.storage.routing import storage_of


@contextmanager
def opened_beside(spark: SparkSession, config: PipelineConfig) -> Iterator[Pipeline]:
    """The pipeline, with its tables there. Raises EnvironmentCheckError, LeaseError while another rescore runs."""
    contract = with_time_range(load_contract(config), config)
    with Lease(
        storage=storage_of(config),
        path=rescore_lease_path(config.tables.root),
        job="rescore",
        conflict="the window of a rescore is being scored by {other}; one rescore at a time: wait for its end",
    ) as lease:
        check_tables(spark, config)
        for spec in table_specs(spark, config, contract):
            prepare_table(spark, config.table_path(spec.name), spec)
        if config.workload == "series":
            check_frequency(spark, config)
        yield Pipeline(
            spark=spark,
            config=config,
            contract=contract,
            storage=storage_of(config, retry_seconds=BATCH_RETRY_SECONDS),
            selector=selector_of(spark, config, contract, Registry.of(config)),
            lease=lease,
            done={},
            old_queries=(),
        )


def check_tables(spark: SparkSession, config: PipelineConfig) -> None:
    """Raises EnvironmentCheckError."""
    for name in (source_table(config), "batches"):
        if not table_exists(spark, config.table_path(name)):
            raise EnvironmentCheckError(
                f"there is no table {name} in {config.tables.root}: nothing was scored yet that could be scored again. "
                "Run penstock backfill first, or name the config whose tables.root has them"
            )


def table_specs(spark: SparkSession, config: PipelineConfig, contract: Contract) -> list[TableSpec]:
    """Those that a rescore writes to, with the columns that it gives them."""
    if config.workload == "series":
        return [FORECASTS, observations(config.the_series.variables), RESCORED_FORECASTS, RESCORED_OBSERVATIONS]
    kind = column_type(spark, config.table_path("predictions"), "prediction")
    if kind is None:
        raise EnvironmentCheckError(f"the table predictions in {config.tables.root} was removed; restore it")
    return [predictions(contract, kind, table=table) for table in (catalog.PREDICTIONS, catalog.RESCORED_PREDICTIONS)]
