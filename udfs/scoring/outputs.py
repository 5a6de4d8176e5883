"""Inputs and outputs of a model's signature as Spark and pandas types."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, TensorSpec
from pyspark.sql import types as T

#: The Spark type of an input or output; spark_udf returns no other types.
SPARK_TYPES: dict[DataType, T.DataType] = {
    DataType.double: T.DoubleType(),
    DataType.float: T.FloatType(),
    DataType.long: T.LongType(),
    DataType.integer: T.IntegerType(),
    DataType.boolean: T.BooleanType(),
    DataType.string: T.StringType(),
}
#: Inputs may also be these.
INPUT_TYPES = {**SPARK_TYPES, DataType.datetime: T.TimestampType()}
#: The guard's own output: why a row failed.
ERROR = "error"
#: The struct column of a scored row: the model's outputs and `error`.
SCORED = "_scored"
#: That of a candidate beside it: its outputs and `error`; null where the row is not sampled.
SHADOW = "_shadow"
#: The field of a single unnamed output.
PREDICTION = "prediction"


NO_SIGNATURE = (
    "the model has no signature with inputs and outputs; log it again with "
    "signature=mlflow.models.infer_signature(inputs, model.predict(inputs))"
)


#: Those that Delta and Parquet refuse, a backtick, with which SQL quotes a name, and control characters.
REFUSED_CHARACTERS = re.compile(r"[ ,;{}()=`\x00-\x1f\x7f]")
RENAME = "rename it in the signature and in what predict returns, and log the model again"


class SignatureError(ValueError):
    """A signature that is not supported; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class ModelColumn:
    """One named input or output of a model."""

    name: str
    type: DataType
    required: bool = True


def input_columns(signature: ModelSignature | None) -> tuple[ModelColumn, ...]:
    """The named input columns, in signature order. Raises SignatureError."""
    if signature is None or signature.inputs is None or signature.outputs is None:
        raise SignatureError(NO_SIGNATURE)
    specs = list(signature.inputs.inputs)
    if not all(isinstance(spec, ColSpec) and spec.name for spec in specs):
        raise SignatureError(
            "the model's inputs are a tensor or have no names; log it with a pandas DataFrame as input example, "
            "so that the signature has named columns"
        )
    return tuple(column(spec, INPUT_TYPES, "input") for spec in specs)


def output_columns(signature: ModelSignature | None) -> tuple[ModelColumn, ...]:
    """The output fields. A single unnamed output is called `prediction`, several are `prediction_0`, ... Raises
    SignatureError."""
    if signature is None or signature.outputs is None:
        raise SignatureError(NO_SIGNATURE)
    specs = list(signature.outputs.inputs)
    if len(specs) == 1 and isinstance(specs[0], TensorSpec):
        return tensor_columns(specs[0])
    named = [spec.name is not None for spec in specs]
    if len(specs) > 1 and not all(named):
        return tuple(
            ModelColumn(name=f"{PREDICTION}_{number}", type=column(spec, SPARK_TYPES, "output").type)
            for number, spec in enumerate(specs)
        )
    columns = tuple(column(spec, SPARK_TYPES, "output") for spec in specs)
    refuse_names([column.name for column in columns])
    return columns


def refuse_names(names: Sequence[str]) -> None:
    """Raise SignatureError for names of outputs that can't be fields of one struct in a Delta table.

    The name of a single output is in no table.
    """
    for name in names:
        if name.lower() == ERROR:
            raise SignatureError(f"the model's output {name!r} has the name of the tables' error column; {RENAME}")
        if len(names) > 1 and (not name.strip() or REFUSED_CHARACTERS.search(name)):
            raise SignatureError(
                f"the model's output {name!r} can't be a column of a Delta table, whose names have none of the "
                f"characters space , ; {{ }} ( ) ` = nor tabs and line breaks; {RENAME}"
            )
    counted = Counter(name.lower() for name in names)
    if doubled := [name for name in names if counted[name.lower()] > 1]:
        raise SignatureError(
            f"the model's outputs {', '.join(map(repr, doubled))} have one name for Spark and Delta, where case does "
            f"not count; {RENAME}"
        )


def column(spec: Any, allowed: dict[DataType, T.DataType], what: str) -> ModelColumn:
    name = spec.name or PREDICTION
    if not isinstance(spec.type, DataType) or spec.type not in allowed:
        names = ", ".join(sorted(kind.name for kind in allowed))
        raise SignatureError(f"the model's {what} {name!r} is of type {spec.type}; supported are {names}")
    return ModelColumn(name=name, type=spec.type, required=bool(getattr(spec, "required", True)))


def tensor_columns(spec: TensorSpec) -> tuple[ModelColumn, ...]:
    kinds = {"f8": DataType.double, "f4": DataType.float, "i8": DataType.long, "i4": DataType.integer}
    kind = kinds.get(spec.type.str[1:], DataType.string if spec.type.kind in "OUS" else None)
    if spec.type.kind == "b":
        kind = DataType.boolean
    if kind is None or len(spec.shape) not in (1, 2) or (len(spec.shape) == 2 and spec.shape[1] < 1):
        raise SignatureError(
            f"the model's output is a tensor of {spec.type} with shape {spec.shape}; "
            "expected one number, text or boolean a row, or a fixed number of them"
        )
    if len(spec.shape) == 1 or spec.shape[1] == 1:
        return (ModelColumn(name=PREDICTION, type=kind),)
    return tuple(ModelColumn(name=f"{PREDICTION}_{number}", type=kind) for number in range(spec.shape[1]))


def is_single(outputs: tuple[ModelColumn, ...]) -> bool:
    """Whether the table's `prediction` is a plain value, not a struct."""
    return len(outputs) == 1


def prediction_type(outputs: tuple[ModelColumn, ...]) -> T.DataType:
    """The type of the `prediction` column: the plain type of a single output, else a struct of all."""
    if is_single(outputs):
        return SPARK_TYPES[outputs[0].type]
    return T.StructType([T.StructField(column.name, SPARK_TYPES[column.type]) for column in outputs])
