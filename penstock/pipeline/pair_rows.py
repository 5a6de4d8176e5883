"""Rows of `predictions` that both versions of an experiment may answer: one answer stands, the other beside it."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, NumericType, StructType

from penstock.config.experiment import BUCKETS, first_bucket_without
from penstock.errors import CandidateRefusedError
from penstock.models.assignment import is_sampled
from penstock.models.lost_answers import gave_less
from penstock.models.model_seconds import ModelSeconds
from penstock.models.pair_scoring import PairScorer
from penstock.models.pinned import PinnedModel
from penstock.models.scoring import prediction_column
from penstock.pipeline.batch import MicroBatch
from penstock.pipeline.plan import PlannedExperiment
from penstock.schemas.contract import Contract
from penstock.spark.functions import quoted
from penstock.udfs.scoring.outputs import ERROR, SCORED, SHADOW

#: Why a candidate has failed that has raised nothing.
NO_NUMBER = "gave no number"
#: One version's prediction and error (null if it did not fail), and why the candidate's answer does not count (null if
#: it does, and where it was not asked).
FIRST, FIRST_ERROR, SECOND, SECOND_ERROR, IS_ASKED, WHY = (
    "_first",
    "_first_error",
    "_second",
    "_second_error",
    "_is_asked",
    "_why",
)


def scored_by_pair(batch: MicroBatch, accepted: DataFrame) -> DataFrame:
    """`with_answers` of the batch's pair. Raises as `ModelSelector.pair_scorer`."""
    plan, pipeline = batch.plan, batch.pipeline
    if plan.experiment is None or plan.candidate is None:
        raise ValueError(f"{plan.described} has no experiment")
    scorer = pipeline.the_selector.pair_scorer(plan.champion, plan.candidate)
    check_types(scorer)
    pair = (plan.champion, plan.candidate)
    return with_answers(accepted, scorer, pair, pipeline.contract, plan.experiment, batch.model_seconds)


def with_answers(
    rows: DataFrame,
    scorer: PairScorer,
    pair: tuple[PinnedModel, PinnedModel],
    contract: Contract,
    experiment: PlannedExperiment,
    seconds: ModelSeconds | None = None,
) -> DataFrame:
    """`rows` with prediction, model_name, model_version, role, error, and the shadow columns, which are null where the
    row is not in the sample. In a canary the candidate's answer stands where it has one.

    pair: champion and candidate. seconds: gets those that they take.
    """
    answered = scorer.answer(rows, contract, sampled_rows(contract, experiment), seconds)
    first_error, second_error = (F.nullif(F.col(f"{of}.{ERROR}"), F.lit("")) for of in (SCORED, SHADOW))
    given = [F.col(quoted(name)) for name in rows.columns]
    # In steps, so that Spark computes each once.
    both = answered.select(
        *given,
        F.when(first_error.isNull(), prediction_column(scorer.champion.outputs, of=SCORED)).alias(FIRST),
        first_error.alias(FIRST_ERROR),
        F.when(second_error.isNull(), prediction_column(scorer.candidate.outputs, of=SHADOW)).alias(SECOND),
        second_error.alias(SECOND_ERROR),
        F.col(SHADOW).isNotNull().alias(IS_ASKED),
    )
    no_number = F.when(has_less(scorer.champion.prediction_type), F.lit(NO_NUMBER))
    judged = both.withColumn(WHY, F.when(F.col(IS_ASKED), F.coalesce(SECOND_ERROR, no_number)))
    is_canary = experiment.mode == "canary" and not experiment.is_bake
    return judged.select(*given, *standing_columns(*pair, is_canary=is_canary))


def check_types(scorer: PairScorer) -> None:
    """Raises CandidateRefusedError: both answers have their places in columns of one type."""
    wanted, found = (model.prediction_type.simpleString() for model in (scorer.champion, scorer.candidate))
    if found != wanted:
        raise CandidateRefusedError(
            f"{scorer.candidate.version.uri} gives {found}, and {scorer.champion.version.uri} gives {wanted}: a "
            "candidate needs outputs of the champion's names, types and order"
        )


def sampled_rows(contract: Contract, experiment: PlannedExperiment) -> Column:
    """Whether the candidate is asked for a row. Without a key of the experiment the row is its own: by the hash of its
    file and values that `row_id` is where no labels give it another."""
    if first_bucket_without(experiment.fraction) >= BUCKETS:
        return F.lit(True)
    own = ("source_file", *(field.name for field in contract.fields))
    key = [F.col(quoted(name)) for name in experiment.key] or [F.xxhash64(*map(quoted, own))]
    return is_sampled(key, salt=experiment.salt, fraction=experiment.fraction)


def standing_columns(champion: PinnedModel, candidate: PinnedModel, *, is_canary: bool) -> list[Column]:
    """The columns of `predictions` that say what the answer is, whose, and what the other version says."""
    is_asked, counts = F.col(IS_ASKED), F.col(IS_ASKED) & F.col(WHY).isNull()
    stands = counts if is_canary else F.lit(False)

    def either(then: str, otherwise: str) -> Column:
        return F.when(stands, F.lit(then)).otherwise(F.lit(otherwise))

    return [
        F.when(stands, F.col(SECOND)).otherwise(F.col(FIRST)).alias("prediction"),
        F.lit(champion.name).alias("model_name"),
        either(candidate.version, champion.version).alias("model_version"),
        either(candidate.role, champion.role).alias("role"),
        F.when(~stands, F.col(FIRST_ERROR)).alias("error"),
        F.when(is_asked, either(champion.version, candidate.version)).alias("shadow_version"),
        F.when(stands, F.col(FIRST)).when(counts, F.col(SECOND)).alias("shadow_prediction"),
        F.when(stands, F.col(FIRST_ERROR)).otherwise(F.col(WHY)).alias("shadow_error"),
    ]


def has_less(kind: DataType) -> Column:
    """Whether the candidate has no answer where the champion has one, or has failed, as `gave_less` says; NaN and None
    arrive as null.

    kind: of both answers.
    """
    has_failed = F.col(FIRST_ERROR).isNotNull()
    if not isinstance(kind, StructType):
        return gave_less([F.col(FIRST).isNotNull()], [F.col(SECOND).isNull()], has_failed, are_numbers=[True])
    return gave_less(
        [F.col(FIRST).getField(field.name).isNotNull() for field in kind.fields],
        [F.col(SECOND).getField(field.name).isNull() for field in kind.fields],
        has_failed,
        are_numbers=[isinstance(field.dataType, NumericType) for field in kind.fields],
    )
