"""The answers of a plan's model versions to windows: what micro-batches and late replays of series have in common."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.models.assignment import is_sampled
from penstock.models.fleet_check import refused_reasons
from penstock.models.scoring import version_columns
from penstock.pipeline.batch import MicroBatch
from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import Plan
from penstock.series.forecasts import answered, forecast_rows
from penstock.series.second_version import IS_ASKED, SecondVersion


def series_answers(batch: MicroBatch, windows: DataFrame) -> DataFrame:
    """Windows, which have the batch's stamp, with the answers of the plan's versions as `answered` gives them.

    Raises as `ModelSelector.scorer`, or with a candidate as `pair_scorer`.
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
    pair = selector.pair_scorer(plan.champion, plan.candidate)
    return answered(
        windows,
        lambda rows: pair.answer(rows, selector.contract, F.col(IS_ASKED), batch.model_seconds),
        series,
        latest_only=latest_only,
        refused_reasons=refused_reasons(pair.champion.metadata),
        second=second_version(pipeline, plan),
    )


def second_version(pipeline: Pipeline, plan: Plan) -> SecondVersion | None:
    """None where the champion answers alone. Raises as `ModelSelector.pair_scorer`."""
    experiment, candidate = plan.experiment, plan.candidate
    if experiment is None or candidate is None:
        return None
    pair = pipeline.the_selector.pair_scorer(plan.champion, candidate)
    key = [F.col(name) for name in experiment.key]
    return SecondVersion(
        champion=plan.champion.version,
        candidate=candidate.version,
        is_sampled=is_sampled(key, salt=experiment.salt, fraction=experiment.fraction),
        is_canary=experiment.mode == "canary" and not experiment.is_bake,
        role=candidate.role,
        refused_reasons=refused_reasons(pair.candidate.metadata),
    )


def forecasts_of(batch: MicroBatch, answers: DataFrame) -> DataFrame:
    """The rows of `forecasts`."""
    pipeline, plan = batch.pipeline, batch.plan
    second = second_version(pipeline, plan)
    return forecast_rows(answers, pipeline.config.the_series, model=version_columns(plan.champion), second=second)
