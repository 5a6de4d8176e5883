"""Scores accepted rows with a champion and a candidate in one pass: one Python UDF that holds both."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, DoubleType, StringType, StructField, StructType

from penstock.config.model import ModelConfig
from penstock.errors import (
    CandidateRefusedError,
    CandidateUnavailableError,
    ModelRefusedError,
    RegistryUnavailableError,
    StorageError,
)
from penstock.models.driver_copies import DriverCopies
from penstock.models.guards import guard_udf
from penstock.models.model_seconds import ModelSeconds
from penstock.models.refusal import refused_if_it_fails
from penstock.models.registry import ModelVersion, Registry
from penstock.models.resolved import ResolvedModel
from penstock.models.scoring import beyond_datetime, checked_columns, model_argument
from penstock.models.trust import trusted_model
from penstock.schemas.contract import Contract
from penstock.spark.functions import quoted
from penstock.udfs.scoring.outputs import ERROR, INPUT_TYPES, SCORED, SHADOW, SPARK_TYPES, ModelColumn, prediction_type
from penstock.udfs.scoring.pair import (
    CANDIDATE,
    CHAMPION,
    ERRORS,
    ERRORS_SEPARATOR,
    CandidateLimits,
    PairSettings,
    output_name,
    seconds_name,
)

PAIR, SAMPLED = "_pair", "_sampled"


@dataclass(frozen=True, kw_only=True)
class PairedModel:
    """One of the two versions. metadata: of its MLmodel file."""

    version: ModelVersion
    inputs: tuple[ModelColumn, ...]
    outputs: tuple[ModelColumn, ...]
    metadata: Mapping[str, Any]

    @property
    def prediction_type(self) -> DataType:
        return prediction_type(self.outputs)


@dataclass(frozen=True, kw_only=True)
class PairScorer:
    """Two model versions ready to score. arguments: the inputs of both, of which each is given once."""

    champion: PairedModel
    candidate: PairedModel
    arguments: tuple[ModelColumn, ...]
    udf: Callable[..., Column]
    copies: DriverCopies

    def answer(
        self, rows: DataFrame, contract: Contract, sampled: Column, seconds: ModelSeconds | None = None
    ) -> DataFrame:
        """`rows` with two structs: SCORED, of the champion's outputs and `error` ('' if it did not fail), as of
        `Scorer.answer`; and SHADOW, the same of the candidate, null where the row is not sampled.

        sampled: not null. seconds: gets those that the versions take, when the frame is computed first.
        """
        arguments = [model_argument(column, contract) for column in self.arguments]
        given = rows.withColumn(SAMPLED, sampled)
        answered = given.select("*", self.udf(*arguments, F.col(SAMPLED)).alias(PAIR))
        if seconds is not None:
            columns = {role: f"{PAIR}.{seconds_name(role)}" for role in (CHAMPION, CANDIDATE)}
            answered = seconds.observed(answered, columns)
        errors = F.col(f"{PAIR}.{ERRORS}")
        # All before the first separator, and all after it: neither error has one.
        champion_error = F.substring_index(errors, ERRORS_SEPARATOR, 1)
        candidate_error = F.substring_index(errors, ERRORS_SEPARATOR, -1)
        scored = answers_of(CHAMPION, self.champion, champion_error, contract)
        shadow = answers_of(CANDIDATE, self.candidate, candidate_error, contract)
        return answered.select(
            *[F.col(quoted(name)) for name in rows.columns],
            scored.alias(SCORED),
            F.when(F.col(SAMPLED), shadow).alias(SHADOW),
        )

    def of_nothing(self) -> Column:
        """The outputs for a row of nulls that is sampled: a worker that gives them has loaded both versions."""
        return self.udf(*[F.lit(None).cast(INPUT_TYPES[column.type]) for column in self.arguments], F.lit(True))


def answers_of(role: str, model: PairedModel, error: Column, contract: Contract) -> Column:
    problem = beyond_datetime(model.inputs, contract)
    outputs = [
        F.col(f"{PAIR}.{output_name(role, number)}").alias(column.name) for number, column in enumerate(model.outputs)
    ]
    return F.struct(*outputs, (error if problem is None else F.coalesce(problem, error)).alias(ERROR))


def build_pair_scorer(
    spark: SparkSession,
    registry: Registry,
    pair: tuple[ModelVersion, ModelVersion],
    contract: Contract,
    model: ModelConfig,
    *,
    obsolete: Sequence[str] = (),
    limits: CandidateLimits = CandidateLimits(),  # noqa: B008 - frozen
) -> PairScorer:
    """Download both versions, check trust and signature of each against the contract, and build their UDF.

    pair: champion and candidate. obsolete: archives of earlier pairs, which the executors remove. Raises, of the
    champion, ModelRefusedError, RegistryUnavailableError, StorageError; of the candidate alone, CandidateRefusedError
    for whatever is wrong with it, and CandidateUnavailableError where registry, store or disk are the reason.
    """
    champion_version, candidate_version = pair
    with refused_if_it_fails(champion_version, registry):
        champion_files = trusted_model(registry, champion_version, model)
        champion = paired_model(champion_files, contract)
    try:
        with refused_if_it_fails(candidate_version, registry):
            candidate_files = trusted_model(registry, candidate_version, model)
            candidate = paired_model(candidate_files, contract)
            arguments = tuple(shared_arguments(contract, champion.inputs, candidate.inputs))
            settings = PairSettings(
                champion_inputs=positions(champion.inputs, arguments, contract),
                candidate_inputs=positions(candidate.inputs, arguments, contract),
                candidate_outputs=tuple(column.type.name for column in candidate.outputs),
                candidate=f"{candidate_version.name}/{candidate_version.version}",
                allow_pickle=model.allow_pickle,
                obsolete=tuple(obsolete),
                limits=limits,
            )
            udf = guard_udf(
                spark,
                "pair_guard.py",
                {CHAMPION: champion_files.folder, CANDIDATE: candidate_files.folder},
                settings.as_config(),
                result_type=result_type(champion, candidate),
            )
    except ModelRefusedError as error:
        raise CandidateRefusedError(str(error)) from error
    except (RegistryUnavailableError, StorageError) as error:
        raise CandidateUnavailableError(str(error)) from error
    return PairScorer(champion=champion, candidate=candidate, arguments=arguments, udf=udf, copies=DriverCopies.of(udf))


def paired_model(found: ResolvedModel, contract: Contract) -> PairedModel:
    inputs, outputs = checked_columns(found, contract)
    return PairedModel(version=found.version, inputs=inputs, outputs=outputs, metadata=found.metadata)


def argument_key(column: ModelColumn, contract: Contract) -> tuple[str | None, str]:
    """Inputs with the same key have the same values: of a field in a type, or nulls of a type."""
    field = contract.field_for_model_input(column.name)
    return (field.name if field else None), column.type.name


def shared_arguments(
    contract: Contract, champion: Sequence[ModelColumn], candidate: Sequence[ModelColumn]
) -> list[ModelColumn]:
    """The champion's inputs, and those that the candidate alone has."""
    found: dict[tuple[str | None, str], ModelColumn] = {}
    for column in (*champion, *candidate):
        found.setdefault(argument_key(column, contract), column)
    return list(found.values())


def positions(inputs: Sequence[ModelColumn], arguments: Sequence[ModelColumn], contract: Contract) -> tuple[int, ...]:
    places = {argument_key(column, contract): number for number, column in enumerate(arguments)}
    return tuple(places[argument_key(column, contract)] for column in inputs)


def result_type(champion: PairedModel, candidate: PairedModel) -> StructType:
    outputs = [
        StructField(output_name(role, number), SPARK_TYPES[column.type])
        for role, model in ((CHAMPION, champion), (CANDIDATE, candidate))
        for number, column in enumerate(model.outputs)
    ]
    seconds = [StructField(seconds_name(role), DoubleType()) for role in (CHAMPION, CANDIDATE)]
    return StructType([*outputs, StructField(ERRORS, StringType()), *seconds])
