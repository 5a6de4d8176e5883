"""Scores accepted rows with one model version by `mlflow.pyfunc.spark_udf`."""

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, cast

import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow.types import DataType as MlflowType
from mlflow.types.schema import AnyType
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType, StructField, StructType

from penstock.config.pipeline import ModelConfig
from penstock.errors import ModelRefusedError
from penstock.models.pinned import PinnedModel
from penstock.models.registry import ModelVersion, Registry
from penstock.models.resolved import ResolvedModel
from penstock.models.trust import trusted_model
from penstock.schemas.contract import Contract
from penstock.spark.functions import quoted
from penstock.udfs.scoring.guarded import NULL_FREE, NULL_TEXT
from penstock.udfs.scoring.model_cache import ALLOW_PICKLE
from penstock.udfs.scoring.outputs import (
    ERROR,
    INPUT_TYPES,
    SCORED,
    SPARK_TYPES,
    ModelColumn,
    SignatureError,
    input_columns,
    is_single,
    output_columns,
    prediction_type,
)


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """A model version ready to score: its spark_udf, inputs and outputs. metadata: of its MLmodel file."""

    version: ModelVersion
    inputs: tuple[ModelColumn, ...]
    outputs: tuple[ModelColumn, ...]
    metadata: Mapping[str, Any]
    udf: Callable[..., Column]

    @property
    def prediction_type(self) -> DataType:
        return prediction_type(self.outputs)

    def score(self, rows: DataFrame, contract: Contract) -> DataFrame:
        """`rows` (the contract's columns and any others) with `prediction` and `error` (string, null if scored)."""
        scored = self.answer(rows, contract)
        error = F.nullif(F.col(f"{SCORED}.{ERROR}"), F.lit(""))
        answered = scored.select(
            "*",
            F.when(error.isNull(), prediction_column(self.outputs)).alias("prediction"),
            error.alias("error"),
        )
        return answered.drop(SCORED)

    def answer(self, rows: DataFrame, contract: Contract) -> DataFrame:
        """`rows` with the struct `_scored`: the raw model outputs, and `error` ('' if it did not fail)."""
        arguments = [model_argument(column, contract) for column in self.inputs]
        return rows.select("*", self.udf(*arguments).alias(SCORED))

    def of_nothing(self) -> Column:
        """The model's output for a row of nulls."""
        return self.udf(*[F.lit(None).cast(INPUT_TYPES[column.type]) for column in self.inputs])


def build_scorer(
    spark: SparkSession, registry: Registry, version: ModelVersion, contract: Contract, model: ModelConfig
) -> Scorer:
    """Download the version, check trust and signature against the contract, and build its UDF, once per process.

    Raises ModelRefusedError with the mismatches.
    """
    found = trusted_model(registry, version, model)
    inputs, outputs = checked_columns(found, contract)
    result_type = StructType(
        [StructField(column.name, SPARK_TYPES[column.type]) for column in outputs] + [StructField(ERROR, StringType())]
    )
    # MLflow warns about env_manager="local"; the doctor compares package versions instead.
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)
    with guard_around(found.folder, inputs, allow_pickle=model.allow_pickle) as guard:
        # spark_udf copies the folder to where the workers find it.
        udf = mlflow.pyfunc.spark_udf(spark, str(guard), result_type=result_type, env_manager="local")
    return Scorer(version=version, inputs=inputs, outputs=outputs, metadata=found.metadata, udf=udf)


def checked_columns(
    found: ResolvedModel, contract: Contract
) -> tuple[tuple[ModelColumn, ...], tuple[ModelColumn, ...]]:
    """The model's inputs and outputs. Raises ModelRefusedError if the contract does not provide the inputs."""
    name = found.version.uri
    try:
        inputs = input_columns(found.signature)  # which refuses a model without one
        outputs = output_columns(cast("ModelSignature", found.signature))
    except SignatureError as error:
        raise ModelRefusedError(f"{name}: {error}") from None
    problems = [problem for column in inputs if (problem := input_problem(column, contract))]
    if problems:
        raise ModelRefusedError(f"{name} does not fit the contract: " + "; ".join(problems))
    return inputs, outputs


def input_problem(column: ModelColumn, contract: Contract) -> str | None:
    """Why the contract can't provide this input; None if it can."""
    field = contract.field_for_model_input(column.name)
    if field is None:
        known = ", ".join(repr(known.model) for known in contract.fields)
        return (
            f"input {column.name!r} is in no field (the fields' model names are {known})" if column.required else None
        )
    wanted = column.type.name
    if wanted in field.facts.feeds:
        return None
    return f"input {column.name!r} is {wanted}, the field {field.name!r} is {field.type}"


def model_argument(column: ModelColumn, contract: Contract) -> Column:
    """The column for one input, in the signature's type; null for an optional input without a field."""
    field = contract.field_for_model_input(column.name)
    # As SQL: of a thousand inputs, each step in Python would be a call of the JVM.
    value = quoted(field.name) if field else "NULL"
    return F.expr(f"CAST({value} AS {INPUT_TYPES[column.type].simpleString()})")


def prediction_column(outputs: tuple[ModelColumn, ...]) -> Column:
    def output(column: ModelColumn) -> Column:
        value = F.col(f"{SCORED}.`{column.name}`")
        return F.nullif(value, F.lit(NULL_TEXT)) if SPARK_TYPES[column.type] == StringType() else value

    if is_single(outputs):
        return output(outputs[0])
    return F.struct(*[output(column).alias(column.name) for column in outputs])


def version_columns(pinned: PinnedModel) -> list[Column]:
    """model_name, model_version and role of a prediction."""
    return [
        F.lit(pinned.name).alias("model_name"),
        F.lit(pinned.version).alias("model_version"),
        F.lit(pinned.role).alias("role"),
    ]


@contextmanager
def guard_around(model: Path, inputs: tuple[ModelColumn, ...], *, allow_pickle: bool) -> Iterator[Path]:
    """The guard around `model`, saved as a temporary MLflow model while the UDF is built."""
    requirements = model / "requirements.txt"
    with (
        tempfile.TemporaryDirectory(dir=model.parent, prefix=".guard.") as made,
        # With --py-files this package is imported from a zip.
        as_file(files("penstock.udfs.scoring") / "guard.py") as code,
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message=".*input example")  # the guard has the inner model's signature
        guard = Path(made) / "guard"
        mlflow.pyfunc.save_model(
            str(guard),
            python_model=str(code),
            artifacts={"model": str(model)},
            signature=guard_signature(inputs),
            pip_requirements=str(requirements) if requirements.exists() else ["mlflow"],
            model_config={ALLOW_PICKLE: allow_pickle},
        )
        yield guard


def guard_signature(inputs: tuple[ModelColumn, ...]) -> ModelSignature:
    """The inputs that MLflow checks before the guard; without outputs, since the UDF has an explicit result type."""
    schema = Schema([ColSpec(guard_type(column), column.name, required=False) for column in inputs])
    return ModelSignature(inputs=schema, outputs=None)


def guard_type(column: ModelColumn) -> MlflowType | AnyType:
    """The guard's input type. AnyType only where MLflow's schema enforcement would refuse nulls (integers, booleans),
    which the guard handles itself: MLflow checks AnyType value by value, which can cost as much as the model."""
    return AnyType() if column.type in NULL_FREE else column.type  # type: ignore[no-untyped-call]
