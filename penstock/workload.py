"""What differs between the two workloads, behind one interface; all else of a micro-batch is the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from penstock.config import PipelineConfig
from penstock.fleet_check import fleet_misfit
from penstock.phases import Phases
from penstock.pipeline import Pipeline
from penstock.plan import Plan, PlannedFile
from penstock.scoring import Scorer
from penstock.series_answers import REASONS, window_contract
from penstock.series_batch import new_windows, write_series
from penstock.tables import Transaction, append_once, column_type, lasting_version
from schemas.contract import Contract
from schemas.tables import FORECASTS, TableSpec, lags, observations, predictions


class Workload(Protocol):
    """rows or series. Tables that are only appended to; `answers` is the one with a row for each accepted row."""

    @property
    def answers(self) -> str: ...

    @property
    def no_failures(self) -> tuple[str, ...]:
        """Values of `error` in that table that are no failures of the model."""

    def scoring_contract(self, config: PipelineConfig, contract: Contract) -> Contract:
        """What the model's inputs are taken from."""

    def tables(self, config: PipelineConfig, contract: Contract, prediction: Callable[[], DataType]) -> list[TableSpec]:
        """prediction: asked for its type only where a table has such a column."""

    def misfit(self, spark: SparkSession, config: PipelineConfig, scorer: Scorer) -> str:
        """Why a model's outputs have no place in the tables; empty if they have."""

    def lags_version(self, spark: SparkSession, config: PipelineConfig) -> int | None: ...

    def model_rows(self, pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
        """What the model would be asked about, for a probe."""

    def write(
        self, pipeline: Pipeline, plan: Plan, accepted: DataFrame, transaction: Transaction, phases: Phases
    ) -> None: ...


@dataclass(frozen=True)
class Rows:
    answers: str = "predictions"
    no_failures: tuple[str, ...] = ()

    def scoring_contract(self, config: PipelineConfig, contract: Contract) -> Contract:
        return contract

    def tables(self, config: PipelineConfig, contract: Contract, prediction: Callable[[], DataType]) -> list[TableSpec]:
        return [predictions(contract, prediction())]

    def misfit(self, spark: SparkSession, config: PipelineConfig, scorer: Scorer) -> str:
        table = column_type(spark, config.table_path(self.answers), "prediction")
        if table is None or scorer.prediction_type.simpleString() == table.simpleString():
            return ""
        return (
            f"it gives {scorer.prediction_type.simpleString()}, the table's prediction column is {table.simpleString()}"
        )

    def lags_version(self, spark: SparkSession, config: PipelineConfig) -> int | None:
        return None

    def model_rows(self, pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
        return accepted

    def write(
        self, pipeline: Pipeline, plan: Plan, accepted: DataFrame, transaction: Transaction, phases: Phases
    ) -> None:
        pipeline.lease.check()
        pinned = plan.champion
        with phases.measure("predictions"):
            scored = pipeline.champion.scorer(pinned).score(accepted, pipeline.contract)
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
            append_once(frame, pipeline.config.table_path(self.answers), transaction)


@dataclass(frozen=True)
class Series:
    answers: str = "observations"
    no_failures: tuple[str, ...] = REASONS

    def scoring_contract(self, config: PipelineConfig, contract: Contract) -> Contract:
        return window_contract(contract, config.the_series)

    def tables(self, config: PipelineConfig, contract: Contract, prediction: Callable[[], DataType]) -> list[TableSpec]:
        series = config.the_series
        state = lags(series.variables, keep_lags=series.keep_lags, frequency=series.frequency)
        return [FORECASTS, observations(series.variables), state]

    def misfit(self, spark: SparkSession, config: PipelineConfig, scorer: Scorer) -> str:
        return fleet_misfit(scorer.outputs, scorer.metadata, config)

    def lags_version(self, spark: SparkSession, config: PipelineConfig) -> int | None:
        return lasting_version(spark, config.table_path("lags"))

    def model_rows(self, pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
        return new_windows(pipeline, accepted, files)

    def write(
        self, pipeline: Pipeline, plan: Plan, accepted: DataFrame, transaction: Transaction, phases: Phases
    ) -> None:
        write_series(pipeline, plan, accepted, transaction, phases)


def workload_of(config: PipelineConfig) -> Workload:
    return Series() if config.workload == "series" else Rows()
