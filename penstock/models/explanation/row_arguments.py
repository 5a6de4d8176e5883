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
DAY_MICROS = 86_400_000_000


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
    """Since 1970 in UTC; of dates those of their midnight, also where Arrow has no timestamp for it."""
    found: list[int | None]
    if pa.types.is_date(column.type):
        days = column.cast(pa.date32()).cast(pa.int32()).to_pylist()
        found = [None if day is None else day * DAY_MICROS for day in days]
    else:
        found = column.cast(UTC_MICROSECONDS).cast(pa.int64()).to_pylist()
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
            text = spark_text(micros, is_date=pa.types.is_date(row[field.name].type))
            return f"{field.name}: {text}{DATETIME_RANGE}"
    return None


def spark_text(micros: int, *, is_date: bool = False) -> str:
    """A time in UTC as Spark casts it to a string, in any year: without a zone, and without zeros at the end of a
    fraction; a year of more than four digits with its sign."""
    days, rest = divmod(micros, DAY_MICROS)
    date = np.datetime64(days, "D")
    year = int(date.astype("datetime64[Y]").astype(int)) + 1970
    written = f"{year:04}" if 0 <= year <= 9999 else f"{year:+05}"
    text = written + str(date)[-6:]
    if is_date:
        return text
    seconds, fraction = divmod(rest, 1_000_000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text} {clock}" + (f".{fraction:06}".rstrip("0") if fraction else "")
