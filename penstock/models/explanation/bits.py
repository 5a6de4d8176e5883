"""Whether two answers are the same to the last bit."""

import struct
from collections.abc import Mapping
from typing import Any

from mlflow.types import DataType as MlflowType

from penstock.udfs.scoring.guarded import NULL_TEXT
from penstock.udfs.scoring.outputs import ERROR, ModelColumn, is_single

#: Between the error of a row and how many rows it was tried with (penstock.udfs.scoring.guarded.describe).
TOGETHER = " (one of "


def is_same(stored: Any, computed: Any) -> bool:
    """Of structs field by field. A table has null for NaN, as Spark's conversion of a model's answer does."""
    if isinstance(stored, Mapping) and isinstance(computed, Mapping):
        return stored.keys() == computed.keys() and all(is_same(stored[name], computed[name]) for name in stored)
    if is_missing(stored) or is_missing(computed):
        return is_missing(stored) and is_missing(computed)
    if isinstance(stored, float) or isinstance(computed, float):
        return bits_of(stored) == bits_of(computed)
    return bool(stored == computed)


def is_missing(value: Any) -> bool:
    return value is None or value != value


def bits_of(number: Any) -> bytes:
    """Minus zero is another one than zero."""
    return struct.pack("<d", number)


def is_same_error(stored: str | None, computed: str | None) -> bool:
    """Whatever rows it was tried together with."""
    return (stored or "").partition(TOGETHER)[0] == (computed or "").partition(TOGETHER)[0]


def answers(scored: Any, outputs: tuple[ModelColumn, ...]) -> list[tuple[Any, str | None]]:
    """prediction and error of each row, as the table `predictions` has them. scored: the columns of
    `penstock.udfs.scoring.guarded.score_rows`."""
    columns = {column.name: [as_stored(value, column) for value in scored[column.name].tolist()] for column in outputs}
    found = []
    for row, error in enumerate(scored[ERROR].tolist()):
        given = {name: values[row] for name, values in columns.items()}
        prediction = next(iter(given.values())) if is_single(outputs) else given
        found.append((None, error) if error else (prediction, None))
    return found


def as_stored(value: Any, column: ModelColumn) -> Any:
    if column.type == MlflowType.string:
        return None if value == NULL_TEXT else str(value)
    return None if is_missing(value) else value
