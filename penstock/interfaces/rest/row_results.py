"""The result of a request's row: a prediction (series: a forecast), an error, or the reasons for its rejection."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow.types import DataType as MlflowType

from penstock.udfs.scoring.guarded import NULL_TEXT
from penstock.udfs.scoring.outputs import ERROR, ModelColumn, is_single

NO_NUMBER = "the model's output {name} is infinite, which JSON can't represent"


@dataclass(frozen=True, kw_only=True)
class RowResult:
    """value: null with an error or reasons, or if the model returned null. error: why an accepted row has no value, or
    why it is of the model's fallback. reasons: why the contract rejected the row. role, model_version: of the version
    that an experiment chose for an accepted row. present: of a row that the model answered, whether each output has a
    value; an infinite one has."""

    value: Any = None
    error: str | None = None
    reasons: tuple[str, ...] | None = None
    role: str | None = None
    model_version: str | None = None
    present: tuple[bool, ...] = field(default=(), compare=False)

    @property
    def outcome(self) -> str:
        return "rejected" if self.reasons else "failed" if self.error and self.value is None else "answered"


def predictions(scored: Any, outputs: Sequence[ModelColumn]) -> list[RowResult]:
    """scored: the columns of `penstock.udfs.scoring.guarded.score_rows`."""
    columns = [scored[column.name].tolist() for column in outputs]
    rows = zip(*columns, strict=True)
    return [
        RowResult(error=error) if error else prediction(values, tuple(outputs))
        for error, values in zip(scored[ERROR].tolist(), rows, strict=True)
    ]


def prediction(values: Sequence[Any], outputs: tuple[ModelColumn, ...]) -> RowResult:
    """A scalar for a single output, else an object with all outputs."""
    given = {column.name: json_value(value, column) for column, value in zip(outputs, values, strict=True)}
    present = tuple(value is not None for value in given.values())
    if infinite := [name for name, value in given.items() if is_infinite(value)]:
        return RowResult(error=NO_NUMBER.format(name=", ".join(infinite)), present=present)
    return RowResult(value=next(iter(given.values())) if is_single(outputs) else given, present=present)


def is_infinite(value: Any) -> bool:
    return isinstance(value, float) and math.isinf(value)


def json_value(value: Any, column: ModelColumn) -> Any:
    """NaN is null, as in the tables."""
    if column.type == MlflowType.string:
        return None if value == NULL_TEXT else str(value)
    return None if isinstance(value, float) and math.isnan(value) else value
