"""What a request's row gets: a prediction (series: a forecast), or an error, or the reasons against it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlflow.types import DataType as MlflowType

from penstock.udfs.scoring.guarded import NULL_TEXT
from penstock.udfs.scoring.outputs import ERROR, ModelColumn, is_single

NO_NUMBER = "the model's answer for {name} is infinite, and JSON has no such number"


@dataclass(frozen=True, kw_only=True)
class RowAnswer:
    """value: null where there is none, and where the model itself gave none. error: why there is none, though the
    row was accepted. reasons: what the contract has against the row."""

    value: Any = None
    error: str | None = None
    reasons: tuple[str, ...] | None = None

    @property
    def outcome(self) -> str:
        return "rejected" if self.reasons else "failed" if self.error else "answered"


def predictions(scored: Any, outputs: Sequence[ModelColumn]) -> list[RowAnswer]:
    """scored: the columns of `penstock.udfs.scoring.guarded.score_rows`."""
    columns = [scored[column.name].tolist() for column in outputs]
    rows = zip(*columns, strict=True)
    return [
        RowAnswer(error=error) if error else prediction(values, tuple(outputs))
        for error, values in zip(scored[ERROR].tolist(), rows, strict=True)
    ]


def prediction(values: Sequence[Any], outputs: tuple[ModelColumn, ...]) -> RowAnswer:
    """A plain value for a single output, else an object with all."""
    infinite = [column.name for column, value in zip(outputs, values, strict=True) if is_infinite(value)]
    if infinite:
        return RowAnswer(error=NO_NUMBER.format(name=", ".join(infinite)))
    given = {column.name: json_value(value, column) for column, value in zip(outputs, values, strict=True)}
    return RowAnswer(value=next(iter(given.values())) if is_single(outputs) else given)


def is_infinite(value: Any) -> bool:
    return isinstance(value, float) and math.isinf(value)


def json_value(value: Any, column: ModelColumn) -> Any:
    """NaN is null, as in the tables."""
    if column.type == MlflowType.string:
        return None if value == NULL_TEXT else str(value)
    return None if isinstance(value, float) and math.isnan(value) else value
