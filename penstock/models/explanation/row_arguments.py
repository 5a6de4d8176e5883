"""The inputs of a model from rows of the table `predictions`, cast as Spark casts them
(models.scoring.model_argument)."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from mlflow.types import DataType as MlflowType

from penstock.models.scoring import DATETIME_RANGE, MAX_DATETIME_MICROS
from penstock.schemas.contract import Contract
from penstock.udfs.scoring.outputs import ModelColumn

UTC_MICROSECONDS = pa.timestamp("us", tz="UTC")


def arguments_of(rows: pa.Table, inputs: tuple[ModelColumn, ...], contract: Contract) -> list[tuple[Any, ...]]:
    """For each row the values of the inputs, timestamps as microseconds; see `InProcessModel.score`."""
    columns = [column_of(rows, column, contract) for column in inputs]
    return list(zip(*columns, strict=True)) if columns else [()] * len(rows)


def column_of(rows: pa.Table, column: ModelColumn, contract: Contract) -> list[Any]:
    """Nulls for an optional input without a field."""
    field = contract.field_for_model_input(column.name)
    if field is None:
        return [None] * len(rows)
    if column.type == MlflowType.datetime:
        return [micros if is_datetime(micros) else None for micros in microseconds(rows[field.name])]
    return [argument(value, column.type) for value in rows[field.name].to_pylist()]


def argument(value: Any, kind: MlflowType) -> Any:
    if value is None or kind in (MlflowType.string, MlflowType.boolean):
        return value
    match kind:
        case MlflowType.double:
            return float(value)
        case MlflowType.float:
            return nearest_float32(value)
        case _:
            return int(value)


def nearest_float32(value: float | int | Decimal) -> float:
    """Rounded once: by way of a double, a decimal or long could be rounded twice."""
    if isinstance(value, float):
        with np.errstate(over="ignore"):
            return float(np.float32(value))
    exact = Decimal(value)
    around = np.float32(float(exact))
    candidates = [around, np.nextafter(around, np.float32(-math.inf)), np.nextafter(around, np.float32(math.inf))]

    def distance(candidate: np.float32) -> tuple[Decimal, int]:
        is_odd = int(np.array(candidate).view(np.uint32)) & 1
        return abs(Decimal(float(candidate)) - exact), is_odd

    finite = [candidate for candidate in candidates if np.isfinite(candidate)]
    return float(min(finite, key=distance)) if finite else float(around)


def microseconds(column: pa.ChunkedArray) -> list[int | None]:
    """Since 1970 in UTC; of dates those of their midnight."""
    times = column.cast(pa.timestamp("us")) if pa.types.is_date(column.type) else column.cast(UTC_MICROSECONDS)
    found: list[int | None] = times.cast(pa.int64()).to_pylist()
    return found


def is_datetime(micros: int | None) -> bool:
    return micros is not None and -MAX_DATETIME_MICROS <= micros <= MAX_DATETIME_MICROS


def beyond_datetime(row: pa.Table, inputs: tuple[ModelColumn, ...], contract: Contract) -> str | None:
    """Why a row can't be given to the model, as the stream has it in `error`; row: one."""
    for column in inputs:
        field = contract.field_for_model_input(column.name)
        if column.type != MlflowType.datetime or field is None:
            continue
        (micros,) = microseconds(row[field.name])
        if micros is not None and not is_datetime(micros):
            return f"{field.name}: {row[field.name][0].as_py()}{DATETIME_RANGE}"
    return None
