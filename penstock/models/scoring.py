"""Scores accepted rows with one model version by `mlflow.pyfunc.spark_udf`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from mlflow.models import ModelSignature
from mlflow.types import DataType as MlflowType
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StringType, StructField, StructType, TimestampType

from penstock.config.model import ModelConfig
from penstock.errors import ModelRefusedError
from penstock.models.driver_copies import DriverCopies
from penstock.models.guards import guard_udf
from penstock.models.pinned import PinnedModel
from penstock.models.refusal import refused_if_it_fails
from penstock.models.registry import ModelVersion, Registry
from penstock.models.resolved import ResolvedModel
from penstock.models.trust import trusted_model
from penstock.schemas.contract import Contract
from penstock.spark.functions import quoted
from penstock.udfs.scoring.guarded import NULL_TEXT
from penstock.udfs.scoring.model_cache import ALLOW_PICKLE, OBSOLETE
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

#: The least and the most of a pandas timestamp, in microseconds.
MAX_DATETIME_MICROS = (2**63 - 1) // 1000
DATETIME_RANGE = " is no time that a model can be given; expected 1677-09-21 to 2262-04-11"


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """A model version ready to score: its spark_udf, inputs and outputs. metadata: of its MLmodel file."""

    version: ModelVersion
    inputs: tuple[ModelColumn, ...]
    outputs: tuple[ModelColumn, ...]
    metadata: Mapping[str, Any]
    udf: Callable[..., Column]
    copies: DriverCopies

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
        answered = rows.select("*", self.udf(*arguments).alias(SCORED))
        problem = beyond_datetime(self.inputs, contract)
        if problem is None:
            return answered
        error = F.coalesce(problem, F.col(f"{SCORED}.{ERROR}"))
        return answered.withColumn(SCORED, F.col(SCORED).withField(ERROR, error))

    def of_nothing(self) -> Column:
        """The model's output for a row of nulls."""
        return self.udf(*[F.lit(None).cast(INPUT_TYPES[column.type]) for column in self.inputs])


def build_scorer(
    spark: SparkSession,
    registry: Registry,
    version: ModelVersion,
    contract: Contract,
    model: ModelConfig,
    *,
    obsolete: Sequence[str] = (),
) -> Scorer:
    """Download the version, check trust and signature against the contract, and build its UDF, once per process.

    obsolete: archives of earlier versions, which the executors remove. Raises ModelRefusedError with the mismatches or
    whatever else is wrong with the version, RegistryUnavailableError, StorageError.
    """
    with refused_if_it_fails(version, registry):
        found = trusted_model(registry, version, model)
        inputs, outputs = checked_columns(found, contract)
        udf = guarded_udf(spark, found, outputs, allow_pickle=model.allow_pickle, obsolete=obsolete)
    return Scorer(
        version=version,
        inputs=inputs,
        outputs=outputs,
        metadata=found.metadata,
        udf=udf,
        copies=DriverCopies.of(udf),
    )


def guarded_udf(
    spark: SparkSession,
    found: ResolvedModel,
    outputs: tuple[ModelColumn, ...],
    *,
    allow_pickle: bool,
    obsolete: Sequence[str],
) -> Callable[..., Column]:
    """The UDF of the guard around the model, which takes the model's inputs by position."""
    result_type = StructType(
        [StructField(column.name, SPARK_TYPES[column.type]) for column in outputs] + [StructField(ERROR, StringType())]
    )
    settings = {ALLOW_PICKLE: allow_pickle, OBSOLETE: list(obsolete)}
    return guard_udf(spark, "guard.py", {"model": found.folder}, settings, result_type=result_type)


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
    if column.type == MlflowType.datetime:
        # A date may be further away than a timestamp goes.
        time = (F.col(field.name) if field else F.lit(None)).try_cast(INPUT_TYPES[column.type])
        return F.when(is_datetime(time), time)
    # As SQL: of a thousand inputs, each step in Python would be a call of the JVM.
    value = quoted(field.name) if field else "NULL"
    return F.expr(f"CAST({value} AS {INPUT_TYPES[column.type].simpleString()})")


def is_datetime(time: Column) -> Column:
    """Whether a timestamp has its place in pandas' 64 bits of nanoseconds."""
    return F.unix_micros(time).between(-MAX_DATETIME_MICROS, MAX_DATETIME_MICROS)


def beyond_datetime(inputs: tuple[ModelColumn, ...], contract: Contract) -> Column | None:
    """Why a row can't be given to the model (string, null if it can): a time that pandas has no place for, on which
    the conversion of its whole Arrow batch would fail. None for a model without times."""
    names = [column.name for column in inputs if column.type == MlflowType.datetime]
    fields = [field for name in names if (field := contract.field_for_model_input(name)) is not None]
    if not fields:
        return None
    return F.coalesce(
        *[
            F.when(
                F.col(field.name).isNotNull()
                & ~F.coalesce(is_datetime(F.col(field.name).try_cast(TimestampType())), F.lit(False)),
                F.concat(F.lit(f"{field.name}: "), F.col(field.name).cast("string"), F.lit(DATETIME_RANGE)),
            )
            for field in fields
        ]
    )


def prediction_column(outputs: tuple[ModelColumn, ...], *, of: str = SCORED) -> Column:
    """The value of the column `prediction`, for a row without an error. of: the struct of the model's answers."""

    def output(column: ModelColumn) -> Column:
        value = F.col(f"{of}.{quoted(column.name)}")
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
