"""The answers of a plan's model versions to windows: what micro-batches and late replays of series have in common."""

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from penstock.errors import CandidateRefusedError, CandidateUnavailableError
from penstock.models.assignment import is_sampled
from penstock.models.fleet_check import refused_reasons
from penstock.models.scoring import version_columns
from penstock.pipeline.batch import MicroBatch
from penstock.pipeline.plan import Plan
from penstock.series.forecasts import answered, forecast_rows
from penstock.series.missing_forecasts import has_forecast
from penstock.series.reasons import FALLBACK
from penstock.series.second_version import IS_ASKED, SHADOW_ERROR, SecondVersion
from penstock.udfs.scoring.outputs import ERROR, SCORED, SHADOW

#: Of a candidate's fallback whose candidate can't be asked any more; nothing says that its VAR failed.
LOST_REASON = f"{FALLBACK}: {FALLBACK}: the reason is lost with the candidate"


def series_answers(batch: MicroBatch, windows: DataFrame) -> DataFrame:
    """Windows, which have the batch's stamp, with the answers of the plan's versions as `answered` gives them.

    Where forecasts are committed and the candidate can't be had any more, its answers are that error: what is left to
    write of the batch is about observations. Raises as `ModelSelector.scorer`, or with a candidate as `pair_scorer`.
    """
    pipeline, plan = batch.pipeline, batch.plan
    selector, series = pipeline.the_selector, pipeline.config.the_series
    latest_only = pipeline.config.forecast.at == "latest"
    if plan.candidate is None:
        scorer = selector.scorer(plan.champion)
        return answered(
            windows,
            lambda rows: scorer.answer(rows, selector.contract),
            series,
            latest_only=latest_only,
            refused_reasons=refused_reasons(scorer.metadata),
        )
    try:
        pair = selector.pair_scorer(plan.champion, plan.candidate)
    except (CandidateRefusedError, CandidateUnavailableError) as error:
        if not batch.has_predicted:
            raise
        lost = str(error)
        champion = selector.scorer(plan.champion)
        answers = answered(
            windows,
            lambda rows: with_error_as_shadow(champion.answer(rows, selector.contract), lost),
            series,
            latest_only=latest_only,
            refused_reasons=refused_reasons(champion.metadata),
            second=second_version(plan),
        )
        return with_committed_roles(batch, answers, role=plan.candidate.role)
    return answered(
        windows,
        lambda rows: pair.answer(rows, selector.contract, F.col(IS_ASKED), batch.model_seconds),
        series,
        latest_only=latest_only,
        refused_reasons=refused_reasons(pair.champion.metadata),
        second=second_version(plan, refused_reasons=refused_reasons(pair.candidate.metadata)),
    )


def with_error_as_shadow(answers: DataFrame, error: str) -> DataFrame:
    """The champion's answers, and beside each an `error` in place of all outputs."""
    kind = answers.schema[SCORED].dataType
    assert isinstance(kind, StructType)
    given = {ERROR: F.lit(error)}
    outputs = [given.get(field.name, F.lit(None)).cast(field.dataType).alias(field.name) for field in kind.fields]
    return answers.withColumn(SHADOW, F.when(F.col(IS_ASKED), F.struct(*outputs)))


def with_committed_roles(batch: MicroBatch, answers: DataFrame, *, role: str) -> DataFrame:
    """Answers without the candidate's, with `error` and `shadow_error` as the batch's committed forecasts have them.

    role: of the candidate's; where one stands, `error` is about it, and the other one about the champion's.
    """
    pipeline, plan, variable = batch.pipeline, batch.plan, batch.pipeline.config.the_series.variables[0]
    table = pipeline.spark.read.format("delta").load(batch.table_path("forecasts"))
    of_batch = (F.col("query_id") == plan.query_id) & (F.col("batch_id") == plan.batch_id)
    one_of_each = of_batch & (F.col("step") == 1) & (F.col("variable") == variable)
    committed = table.where(one_of_each & F.col("role").startswith(role)).select(
        "series_id", F.col("cutoff").alias("ds"), F.col("role").alias("_role")
    )
    stands, is_fallback = F.col("_role").isNotNull(), F.col("_role") != role
    error = F.when(is_fallback, F.lit(LOST_REASON))
    of_champion = F.when(~has_forecast("error"), F.col("error"))
    joined = answers.join(F.broadcast(committed), on=["series_id", "ds"], how="left")
    return joined.withColumns(
        {
            "error": F.when(stands, error).otherwise(F.col("error")),
            SHADOW_ERROR: F.when(stands, of_champion).otherwise(F.col(SHADOW_ERROR)),
        }
    ).select(*answers.columns)


def second_version(plan: Plan, *, refused_reasons: Sequence[str] = ()) -> SecondVersion | None:
    """None where the champion answers alone. refused_reasons: of the candidate's fit."""
    experiment, candidate = plan.experiment, plan.candidate
    if experiment is None or candidate is None:
        return None
    key = [F.col(name) for name in experiment.key]
    return SecondVersion(
        champion=plan.champion.version,
        candidate=candidate.version,
        is_sampled=is_sampled(key, salt=experiment.salt, fraction=experiment.fraction),
        is_canary=experiment.mode == "canary" and not experiment.is_bake,
        role=candidate.role,
        refused_reasons=tuple(refused_reasons),
    )


def forecasts_of(batch: MicroBatch, answers: DataFrame) -> DataFrame:
    """The rows of `forecasts`."""
    pipeline, plan = batch.pipeline, batch.plan
    second = second_version(plan)
    return forecast_rows(answers, pipeline.config.the_series, model=version_columns(plan.champion), second=second)
