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
from penstock.series.second_version import IS_ASKED, SecondVersion
from penstock.udfs.scoring.outputs import ERROR, SCORED, SHADOW


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
        return answered(
            windows,
            lambda rows: with_error_as_shadow(champion.answer(rows, selector.contract), lost),
            series,
            latest_only=latest_only,
            refused_reasons=refused_reasons(champion.metadata),
            second=second_version(plan),
        )
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
