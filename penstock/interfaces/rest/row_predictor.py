"""Predictions for the workload rows: contract checks, then the model's prediction for accepted rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from mlflow.types import DataType as MlflowType
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.interfaces.rest.request_batching import RequestBatcher
from penstock.interfaces.rest.request_rows import Row, checked, text_columns, texts_of
from penstock.interfaces.rest.row_results import RowResult, predictions
from penstock.models.in_process import LoadedModel
from penstock.models.scoring import beyond_datetime, model_argument
from penstock.schemas.contract import Contract
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.spark.compiled_rows import CompiledRows
from penstock.udfs.scoring.outputs import ModelColumn

#: The maximum number of rows of concurrent requests that are checked together.
MAX_BATCH_ROWS = 10_000


class Predictor(Protocol):
    """Predicts the rows of a request with one model version."""

    def predict(self, rows: Sequence[Row]) -> list[RowResult]: ...


@dataclass(frozen=True)
class CheckedRow:
    """The result of the contract's checks. arguments: the model's inputs, of an accepted row. error: why that row can't
    be given to the model all the same."""

    arguments: tuple[Any, ...] | None = None
    reasons: tuple[str, ...] | None = None
    error: str | None = None

    @property
    def result(self) -> RowResult:
        """Of a row that the model is not asked about."""
        return RowResult(error=self.error, reasons=self.reasons)


@dataclass(frozen=True)
class RowPredictor:
    """checks: `compiled_checks` of the model's inputs."""

    source: SourceConfig
    contract: Contract
    loaded: LoadedModel
    checks: CompiledRows

    def predict(self, rows: Sequence[Row]) -> list[RowResult]:
        """In the order of the rows. rows: JSON values in the order of the contract's fields."""
        verdicts = self.checked_rows(rows)
        accepted = [row.arguments for row in verdicts if row.arguments is not None]
        results = iter(predictions(self.loaded.model.score(accepted), self.loaded.outputs))
        return [row.result if row.arguments is None else next(results) for row in verdicts]

    @cached_property
    def checked_rows(self) -> RequestBatcher[Row, CheckedRow]:
        return RequestBatcher(evaluate=self.check, most=MAX_BATCH_ROWS)

    def check(self, rows: Sequence[Row]) -> list[CheckedRow]:
        """By the stream's expressions."""
        return [checked_row(*row) for row in self.checks(texts_of(rows, self.contract, self.source))]


def compiled_checks(
    spark: SparkSession, inputs: tuple[ModelColumn, ...], contract: Contract, source: SourceConfig
) -> CompiledRows:
    """ACCEPTED, REASONS, why the model can't be asked, and its arguments, for each row of `text_columns`. Takes some
    seconds."""
    arguments = [argument(column, contract) for column in inputs]
    problem = beyond_datetime(inputs, contract)
    error = (F.lit(None).cast("string") if problem is None else problem).alias("_error")
    return CompiledRows.of(
        spark,
        text_columns(contract),
        lambda texts: checked(texts, contract, source).select(ACCEPTED, REASONS, error, *arguments),
    )


def checked_row(is_accepted: bool, reasons: Sequence[str] | None, error: str | None, *arguments: Any) -> CheckedRow:
    if not is_accepted:
        return CheckedRow(reasons=tuple(reasons or ()))
    return CheckedRow(error=error) if error else CheckedRow(arguments=arguments)


def argument(column: ModelColumn, contract: Contract) -> Column:
    """The model's input as in the stream; a timestamp as microseconds, independent of time zones."""
    value = model_argument(column, contract)
    named = F.unix_micros(value) if column.type == MlflowType.datetime else value
    return named.alias(f"_argument_{column.name}")
