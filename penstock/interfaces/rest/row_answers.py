"""Answers for the workload rows: the contract's verdict, and the model's prediction for what was accepted."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from mlflow.types import DataType as MlflowType
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from penstock.interfaces.rest.loading import LoadedModel
from penstock.interfaces.rest.request_batching import Together
from penstock.interfaces.rest.request_rows import Row, checked_request
from penstock.interfaces.rest.row_results import RowAnswer, predictions
from penstock.models.scoring import model_argument
from penstock.schemas.contract import Contract
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.udfs.scoring.outputs import ModelColumn

#: So many rows of several requests are checked at once.
MAX_TOGETHER = 10_000


class Answerer(Protocol):
    """One model version that answers requests."""

    def answer(self, rows: Sequence[Row]) -> list[RowAnswer]: ...


@dataclass(frozen=True)
class Verdict:
    """arguments: the model's inputs, of an accepted row."""

    arguments: tuple[Any, ...] | None
    reasons: tuple[str, ...] | None


@dataclass(frozen=True)
class RowAnswerer:
    spark: SparkSession
    contract: Contract
    loaded: LoadedModel

    def answer(self, rows: Sequence[Row]) -> list[RowAnswer]:
        """In the order of the rows. Values as JSON had them, in the order of the contract's fields."""
        verdicts = self.verdicts(rows)
        accepted = [verdict.arguments for verdict in verdicts if verdict.arguments is not None]
        answered = iter(predictions(self.loaded.model.score(accepted), self.loaded.outputs))
        return [
            RowAnswer(reasons=verdict.reasons) if verdict.arguments is None else next(answered) for verdict in verdicts
        ]

    @cached_property
    def verdicts(self) -> Together[Row, Verdict]:
        return Together(evaluate=self.check, most=MAX_TOGETHER)

    def check(self, rows: Sequence[Row]) -> list[Verdict]:
        """By the expressions of the stream. Spark plans a query for it, which takes longer than some hundred rows."""
        arguments = [argument(column, self.contract) for column in self.loaded.inputs]
        checked = checked_request(self.spark, rows, self.contract).select(ACCEPTED, REASONS, *arguments)
        return [
            Verdict(arguments=tuple(values), reasons=None)
            if is_accepted
            else Verdict(arguments=None, reasons=tuple(reasons))
            for is_accepted, reasons, *values in checked.collect()
        ]


def argument(column: ModelColumn, contract: Contract) -> Column:
    """As the stream gives it to the model; a timestamp as microseconds, which no time zone can shift."""
    value = model_argument(column, contract)
    named = F.unix_micros(value) if column.type == MlflowType.datetime else value
    return named.alias(f"_argument_{column.name}")
