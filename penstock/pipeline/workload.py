"""What differs between the workloads, behind one interface; all else of a micro-batch is the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from penstock.config.experiment_contract import SHADOW_COLUMNS, check_experiment_contract
from penstock.config.label_contract import check_label_contract, check_labelled_contract
from penstock.config.pipeline import PipelineConfig
from penstock.config.series_contract import check_series_contract
from penstock.models.fleet_check import fleet_incompatibility
from penstock.models.scoring import Scorer, version_columns
from penstock.pipeline.batch import MicroBatch, StagedWrites
from penstock.pipeline.context import Pipeline
from penstock.pipeline.labels_writes import check_label_key, label_rows
from penstock.pipeline.pair_rows import scored_by_pair
from penstock.pipeline.series_writes import new_windows, write_series
from penstock.schemas.catalog import ROW_ID
from penstock.schemas.contract import Contract
from penstock.schemas.tables import TableSpec, forecasts, labels, lags, observations, predictions
from penstock.series.forecasts import window_contract
from penstock.series.lags import adapt_lags, check_frequency
from penstock.series.reasons import is_failure
from penstock.sources.files import PlannedFile
from penstock.spark.functions import quoted
from penstock.spark.tables import column_type, lasting_version, prepare_append


class Workload(Protocol):
    """rows, series or labels."""

    @property
    def rows_table(self) -> str:
        """The table with a row for each accepted row."""

    def is_failure(self, error: str) -> bool:
        """Whether a value of `error` in rows_table is a failure of the model."""

    def check_contract(self, contract: Contract, config: PipelineConfig) -> None:
        """Raises ConfigError for a contract without what the config's sections name."""

    def scoring_contract(self, config: PipelineConfig, contract: Contract) -> Contract:
        """The columns that the model's inputs are taken from."""

    def tables(self, config: PipelineConfig, contract: Contract, prediction: Callable[[], DataType]) -> list[TableSpec]:
        """prediction: asked for its type only where a table has such a column."""

    def incompatibility(self, spark: SparkSession, config: PipelineConfig, scorer: Scorer) -> str | None:
        """Why a model's outputs don't fit the tables; None if they do."""

    def prepare_state(self, spark: SparkSession, config: PipelineConfig, *, adapts: bool) -> None:
        """Check that the tables, which are there now, were made under settings like the config's. Raises LedgerError.

        adapts: whether the state may be made again under changed settings.
        """

    def lags_version(self, spark: SparkSession, config: PipelineConfig) -> int | None: ...

    def model_rows(self, pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
        """The rows that the model would score, for a probe."""

    @property
    def reads_once(self) -> bool:
        """Whether its tables are made in one pass over the accepted rows."""

    def stage(self, batch: MicroBatch, accepted: DataFrame) -> StagedWrites:
        """Score the accepted rows: all that can be done before the batch's first commit."""


@dataclass(frozen=True)
class Rows:
    rows_table: str = "predictions"
    reads_once: bool = True

    def is_failure(self, error: str) -> bool:
        return True

    def check_contract(self, contract: Contract, config: PipelineConfig) -> None:
        check_labelled_contract(contract, config)
        check_experiment_contract(contract, config)

    def scoring_contract(self, config: PipelineConfig, contract: Contract) -> Contract:
        return contract

    def tables(self, config: PipelineConfig, contract: Contract, prediction: Callable[[], DataType]) -> list[TableSpec]:
        time = config.labels.time if config.labels else None
        statistics = (time,) if time else ()
        has_experiment = config.experiment is not None
        return [predictions(contract, prediction(), statistics=statistics, has_experiment=has_experiment)]

    def incompatibility(self, spark: SparkSession, config: PipelineConfig, scorer: Scorer) -> str | None:
        table = column_type(spark, config.table_path(self.rows_table), "prediction")
        if table is None or scorer.prediction_type.simpleString() == table.simpleString():
            return None
        return (
            f"it gives {scorer.prediction_type.simpleString()}, the table's prediction column is {table.simpleString()}"
        )

    def prepare_state(self, spark: SparkSession, config: PipelineConfig, *, adapts: bool) -> None:
        pass

    def lags_version(self, spark: SparkSession, config: PipelineConfig) -> int | None:
        return None

    def model_rows(self, pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
        return accepted

    def stage(self, batch: MicroBatch, accepted: DataFrame) -> StagedWrites:
        return staged_append(batch, self.rows_table, lambda: prediction_rows(batch, accepted))


def staged_append(batch: MicroBatch, table: str, made: Callable[[], DataFrame]) -> StagedWrites:
    """The rows are made and written here; what is left is the commit. Where an earlier run has committed them, neither
    rows nor models are needed."""
    if batch.is_again and batch.has_written_to(table):
        return StagedWrites(commit=lambda: None)
    with batch.timings.measure(table):
        append = prepare_append(made(), batch.table_path(table), batch.transaction)

    def commit() -> None:
        batch.pipeline.lease.check()
        with batch.timings.measure(table):
            append.commit()

    return StagedWrites(commit=commit, rows=append.rows)


def prediction_rows(batch: MicroBatch, accepted: DataFrame) -> DataFrame:
    """The columns of `predictions`, without query_id and batch_id; of an experiment, with the shadow columns."""
    pipeline, plan = batch.pipeline, batch.plan
    version: list[Column | str] = [*version_columns(plan.champion)]
    shadow: tuple[str, ...] = ()
    if plan.experiment is None:
        scored = pipeline.the_selector.scorer(plan.champion).score(accepted, pipeline.contract)
    else:
        scored = scored_by_pair(batch, accepted)
        version, shadow = ["model_name", "model_version", "role"], SHADOW_COLUMNS
    return scored.select(
        *[field.name for field in pipeline.contract.fields],
        "prediction",
        *version,
        "error",
        "source_file",
        # The plan's time, not the clock's: a replay gives the same row.
        F.lit(plan.planned_at).alias("scored_at"),
        *row_id(pipeline),
        *shadow,
    )


def row_id(pipeline: Pipeline) -> list[Column]:
    """The column; none where the contract has one of its own."""
    fields = [field.name for field in pipeline.contract.fields]
    if ROW_ID.name in fields:
        return []
    hashed = pipeline.config.labels.key if pipeline.config.labels else ("source_file", *fields)
    return [F.xxhash64(*map(quoted, hashed)).alias(ROW_ID.name)]


@dataclass(frozen=True)
class Series:
    rows_table: str = "observations"
    reads_once: bool = False

    def is_failure(self, error: str) -> bool:
        return is_failure(error)

    def check_contract(self, contract: Contract, config: PipelineConfig) -> None:
        check_series_contract(contract, config)
        check_experiment_contract(contract, config)

    def scoring_contract(self, config: PipelineConfig, contract: Contract) -> Contract:
        return window_contract(contract, config.the_series)

    def tables(self, config: PipelineConfig, contract: Contract, prediction: Callable[[], DataType]) -> list[TableSpec]:
        series = config.the_series
        state = lags(
            series.variables, keep_lags=series.keep_lags, frequency=series.frequency, revisions=series.revisions
        )
        has_experiment = config.experiment is not None
        return [
            forecasts(has_experiment=has_experiment),
            observations(series.variables, has_experiment=has_experiment),
            state,
        ]

    def incompatibility(self, spark: SparkSession, config: PipelineConfig, scorer: Scorer) -> str | None:
        return fleet_incompatibility(scorer.outputs, scorer.metadata, config)

    def prepare_state(self, spark: SparkSession, config: PipelineConfig, *, adapts: bool) -> None:
        check_frequency(spark, config)
        if adapts:
            adapt_lags(spark, config)

    def lags_version(self, spark: SparkSession, config: PipelineConfig) -> int | None:
        return lasting_version(spark, config.table_path("lags"))

    def model_rows(self, pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
        return new_windows(pipeline, accepted, files)

    def stage(self, batch: MicroBatch, accepted: DataFrame) -> StagedWrites:
        return StagedWrites(commit=lambda: write_series(batch, accepted))


@dataclass(frozen=True)
class Labels:
    """No model scores them."""

    rows_table: str = "labels"
    reads_once: bool = False

    def is_failure(self, error: str) -> bool:
        return False

    def check_contract(self, contract: Contract, config: PipelineConfig) -> None:
        check_label_contract(contract, config)

    def scoring_contract(self, config: PipelineConfig, contract: Contract) -> Contract:
        return contract

    def tables(self, config: PipelineConfig, contract: Contract, prediction: Callable[[], DataType]) -> list[TableSpec]:
        return [labels(contract, key=config.the_label.key)]

    def incompatibility(self, spark: SparkSession, config: PipelineConfig, scorer: Scorer) -> str | None:
        return None

    def prepare_state(self, spark: SparkSession, config: PipelineConfig, *, adapts: bool) -> None:
        check_label_key(spark, config)

    def lags_version(self, spark: SparkSession, config: PipelineConfig) -> int | None:
        return None

    def model_rows(self, pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
        return accepted

    def stage(self, batch: MicroBatch, accepted: DataFrame) -> StagedWrites:
        return staged_append(batch, self.rows_table, lambda: label_rows(batch.pipeline, batch.plan, accepted))


WORKLOADS: dict[str, Workload] = {"rows": Rows(), "series": Series(), "labels": Labels()}


def workload_of(config: PipelineConfig) -> Workload:
    return WORKLOADS[config.workload]
