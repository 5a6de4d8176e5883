"""Scores a batch of rows and isolates failures: a row that makes the model raise fails alone."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from mlflow.types import DataType

from penstock.udfs.scoring.outputs import ERROR, ModelColumn

#: The maximum number of predict calls per Arrow batch.
MAX_CALLS = 64
#: spark_udf turns None in a string column into the string 'None', so a null is encoded as this. (numpy, which the value
#: also passes through, strips trailing zero characters.)
NULL_TEXT = "\x00null"
SHOWN_CHARACTERS = 300
#: Placeholder values of a failed row, since spark_udf converts a whole column at once; never read.
PLACEHOLDERS: dict[DataType, Any] = {
    DataType.double: np.nan,
    DataType.float: np.nan,
    DataType.long: 0,
    DataType.integer: 0,
    DataType.boolean: False,
    DataType.string: NULL_TEXT,
}
NUMPY_TYPES: dict[DataType, str] = {
    DataType.double: "float64",
    DataType.float: "float32",
    DataType.long: "int64",
    DataType.integer: "int32",
    DataType.boolean: "bool",
}
#: Input types whose numpy column can't hold a null.
NULL_FREE = (DataType.long, DataType.integer, DataType.boolean)
#: The columns in which a model gets optional integers that are null, as exact as the others.
NULLABLE_TYPES: dict[DataType, Any] = {DataType.long: pd.Int64Dtype(), DataType.integer: pd.Int32Dtype()}

Predict = Callable[[pd.DataFrame], Any]


class ModelOutputError(ValueError):
    """The model's output does not match its signature."""


@dataclass(frozen=True)
class Segment:
    """Positions of rows that are scored in one call. null_types: of NULL_FREE, those in which each has a
    null."""

    positions: np.ndarray[Any, np.dtype[np.intp]]
    null_types: frozenset[DataType] = frozenset()


def score_rows(
    predict: Predict, rows: pd.DataFrame, *, inputs: Sequence[ModelColumn], outputs: Sequence[ModelColumn]
) -> pd.DataFrame:
    """One row of outputs, and `error`, for each row of inputs.

    rows: one column per input column. Returns the output columns' columns and `error` (text, '' where the row was
    scored). A batch that raises is bisected, with at most MAX_CALLS calls in total, so that a bad row is isolated
    and the others are scored; rows still unresolved then share the error of their segment.
    """
    results = empty_results(len(rows), outputs)
    errors = np.full(len(rows), "", dtype=object)
    usable = refuse_null_inputs(rows, inputs, errors)
    pending = deque(segments(usable, rows, inputs))
    calls = 0
    while pending:
        segment = pending.popleft()
        try:
            calls += 1
            output = output_arrays(predict(typed_inputs(rows, segment, inputs)), outputs, len(segment.positions))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - foreign code: what it raises, or SystemExit, is the row's error
            halves = split(segment, rows)
            if len(halves) > 1 and calls + len(pending) + len(halves) <= MAX_CALLS:
                pending.extend(halves)
            else:
                errors[segment.positions] = describe(error, len(segment.positions))
            continue
        for name, values in output.items():
            results[name][segment.positions] = values
    return pd.DataFrame({**results, ERROR: errors}, index=rows.index)


def empty_results(count: int, outputs: Sequence[ModelColumn]) -> dict[str, np.ndarray[Any, Any]]:
    return {
        column.name: np.full(count, PLACEHOLDERS[column.type], dtype=NUMPY_TYPES.get(column.type, "object"))
        for column in outputs
    }


def refuse_null_inputs(
    rows: pd.DataFrame, inputs: Sequence[ModelColumn], errors: np.ndarray[Any, Any]
) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Mark the rows with a null in an input whose type has no null; return the positions of the others."""
    usable = np.ones(len(rows), dtype=bool)
    for column in inputs:
        if column.required and column.type in NULL_FREE and rows[column.name].isna().any():
            missing = rows[column.name].isna().to_numpy()
            errors[missing & usable] = f"{column.name} is null; the model's signature wants a {column.type.name}"
            usable &= ~missing
    return np.flatnonzero(usable)


def segments(
    usable: np.ndarray[Any, np.dtype[np.intp]], rows: pd.DataFrame, inputs: Sequence[ModelColumn]
) -> list[Segment]:
    """The usable rows by the optional inputs without a null in numpy that are null: integers, booleans, both or none.

    So a column's type follows from the row alone, and a row's prediction not from the rows beside it.
    """
    optional = [column for column in inputs if column.type in NULL_FREE and not column.required]
    parts = [Segment(usable)]
    for types in (frozenset(NULLABLE_TYPES), frozenset({DataType.boolean})):
        names = [column.name for column in optional if column.type in types]
        if not names:
            continue
        is_null = rows[names].isna().any(axis=1).to_numpy()
        parts = [
            Segment(part.positions[is_null[part.positions] == wanted], part.null_types | (types if wanted else set()))
            for part in parts
            for wanted in (False, True)
        ]
    return [part for part in parts if len(part.positions)]


def typed_inputs(rows: pd.DataFrame, segment: Segment, inputs: Sequence[ModelColumn]) -> pd.DataFrame:
    """The segment's rows in the signature's types; where optional integers are null, in pandas' nullable ones."""
    chosen = rows if len(segment.positions) == len(rows) else rows.iloc[segment.positions]
    chosen = chosen.reset_index(drop=True)
    typed = {
        column.name: typed_input(chosen[column.name], column, segment)
        for column in inputs
        if column.type in NULL_FREE and chosen[column.name].dtype != input_type(column, segment)
    }
    return chosen.assign(**typed) if typed else chosen


def input_type(column: ModelColumn, segment: Segment) -> Any:
    """The pandas type of an integer or boolean input. An optional boolean that is null is None, as MLflow has it."""
    if column.required or column.type not in segment.null_types:
        return np.dtype(NUMPY_TYPES[column.type])
    return NULLABLE_TYPES.get(column.type, np.dtype("object"))


def typed_input(values: pd.Series, column: ModelColumn, segment: Segment) -> Any:
    wanted = input_type(column, segment)
    if wanted in NULLABLE_TYPES.values():
        return values.astype(wanted)
    if wanted == np.dtype("object"):
        flags = values.astype(object).to_numpy(copy=True)
        flags[values.isna().to_numpy()] = None
        return flags
    return values.to_numpy(dtype=wanted)


def split(segment: Segment, rows: pd.DataFrame) -> list[Segment]:
    """Rows with and without nulls, since nulls are the most frequent cause of failures; else two halves."""
    positions = segment.positions
    if len(positions) == 1:
        return []
    has_null = rows.iloc[positions].isna().any(axis=1).to_numpy()
    if has_null.any() and not has_null.all():
        parts = [positions[~has_null], positions[has_null]]
    else:
        middle = len(positions) // 2
        parts = [positions[:middle], positions[middle:]]
    return [replace(segment, positions=part) for part in parts]


def output_arrays(output: Any, outputs: Sequence[ModelColumn], expected: int) -> dict[str, np.ndarray[Any, Any]]:
    """The model's output as one array per field. Raises ModelOutputError for another number of rows or fields."""
    frame = as_frame(output, outputs)
    if len(frame) != expected:
        raise ModelOutputError(f"the model returned {len(frame)} rows for {expected}")
    return {column.name: as_array(frame[column.name], column) for column in outputs}


def as_frame(output: Any, outputs: Sequence[ModelColumn]) -> pd.DataFrame:
    names = [column.name for column in outputs]
    if isinstance(output, pd.Series):
        output = output.to_numpy()
    if isinstance(output, np.ndarray) and output.ndim > 2:
        raise ModelOutputError(f"the model returned an array with {output.ndim} dimensions; expected 1 or 2")
    frame = pd.DataFrame(output)
    if frame.columns.is_unique and set(names) <= set(frame.columns):
        return frame[names]
    if len(frame.columns) == len(names):
        return frame.set_axis(names, axis=1)
    raise ModelOutputError(f"the model returned the fields {list(frame.columns)}; its signature says {names}")


def as_array(values: pd.Series, column: ModelColumn) -> np.ndarray[Any, Any]:
    """The values in the column's type. Raises ModelOutputError for one that the type can't hold."""
    if column.type == DataType.string:
        texts = values.astype(object)
        return texts.where(texts.notna(), NULL_TEXT).to_numpy()
    if column.type in NULL_FREE:
        refuse_unfit(values, column)
    return values.to_numpy(dtype=NUMPY_TYPES[column.type])


def refuse_unfit(values: pd.Series, column: ModelColumn) -> None:
    """Raise ModelOutputError for NaN, 2.5 or 1e30, which numpy would silently convert to some integer."""
    wanted = NUMPY_TYPES[column.type]
    if values.dtype == wanted:
        return
    numbers = values.to_numpy(dtype="float64", na_value=np.nan)
    low, high = (0, 1) if column.type == DataType.boolean else (np.iinfo(wanted).min, np.iinfo(wanted).max)
    fits = (numbers >= low) & (numbers <= high) & (numbers == np.floor(numbers))
    if not fits.all():
        found = values[~fits].iloc[0]
        raise ModelOutputError(f"the model returned {found!r} for {column.name}; its signature says {column.type.name}")


def describe(error: BaseException, rows_together: int) -> str:
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - an exception of foreign code that can't even be shown
        message = "(its message can't be shown)"
    # Arrow has no text with half a surrogate pair.
    whole = f"{type(error).__name__}: {message}".encode("utf-8", "replace").decode("utf-8")
    text = " ".join(whole.split())[:SHOWN_CHARACTERS]
    return text if rows_together == 1 else f"{text} (one of {rows_together} rows that were tried together)"
