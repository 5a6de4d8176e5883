"""The writes of a series micro-batch: forecasts, observations, lags."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.phases import Phases
from penstock.pipeline import Pipeline
from penstock.plan import Plan, PlannedFile
from penstock.series_answers import NOT_LATEST, forecast_rows, observation_rows, reason, to_score
from penstock.series_windows import (
    IS_NEWEST,
    IS_OLD,
    LATE,
    REVISION,
    Judged,
    judge,
    newest_lags,
    observations_of,
)
from penstock.tables import Transaction, append_once, merge_once


def write_series(pipeline: Pipeline, plan: Plan, accepted: DataFrame, transaction: Transaction, phases: Phases) -> None:
    """Forecast every new observation, and write in the fixed order. Every append and merge is idempotent."""
    config, series = pipeline.config, pipeline.config.the_series
    latest_only = config.forecast.at == "latest"
    judged = judged_observations(pipeline, accepted, plan.files_with("accepted"), version=plan.lags_version)
    with kept(judged.in_order) as in_order:
        scorer = pipeline.champion.scorer(plan.champion)
        answer = scorer.answer(to_score(in_order, latest_only=latest_only), pipeline.champion.contract)
        with kept(answer.withColumn("error", reason(series))) as answered:
            with phases.measure("forecasts"):
                pipeline.lease.check()
                append_once(forecast_rows(answered, plan, series), config.table_path("forecasts"), transaction)
            with phases.measure("observations"):
                pipeline.lease.check()
                late = judged.late.select("*", late_or_revision(pipeline, judged, plan).alias("error"))
                parts = [
                    observation_rows(answered, F.col("error"), plan, series),
                    observation_rows(late, F.col("error"), plan, series),
                    observation_rows(judged.doubled, F.lit(REVISION), plan, series),
                ]
                if latest_only:
                    earlier = in_order.where(~F.col(IS_OLD) & ~F.col(IS_NEWEST))
                    parts.append(observation_rows(earlier, F.lit(NOT_LATEST), plan, series))
                append_once(union(parts), config.table_path("observations"), transaction)
        with phases.measure("lags"):
            pipeline.lease.check()
            state = newest_lags(in_order, series)
            merge_once(state, config.table_path("lags"), transaction, keys=("series_id", "slot"))


def new_windows(pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
    """The windows of a batch that is not planned yet, over the newest `lags`."""
    return to_score(judged_observations(pipeline, accepted, files, version=None).in_order, latest_only=False)


def judged_observations(
    pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile], *, version: int | None
) -> Judged:
    series = pipeline.config.the_series
    reader = pipeline.spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    lags = reader.load(pipeline.config.table_path("lags"))
    return judge(pipeline.spark, observations_of(accepted, series), lags, series=series, files=files)


def late_or_revision(pipeline: Pipeline, judged: Judged, plan: Plan) -> Column:
    """Whether a late observation's ds is known already. `observations` is asked only if there is a late one."""
    if judged.late.isEmpty():
        return F.lit(LATE)
    table = pipeline.spark.read.format("delta").load(pipeline.config.table_path("observations"))
    is_earlier = ~((F.col("query_id") == plan.query_id) & (F.col("batch_id") >= plan.batch_id))
    moments = judged.late.select("series_id", "ds").distinct()
    known = table.where(is_earlier).join(F.broadcast(moments), on=["series_id", "ds"], how="left_semi")
    keys = {(row["series_id"], row["ds"]) for row in known.select("series_id", "ds").distinct().collect()}
    if not keys:
        return F.lit(LATE)
    is_known = F.struct("series_id", "ds").isin([F.struct(F.lit(identifier), F.lit(ds)) for identifier, ds in keys])
    return F.when(is_known, F.lit(REVISION)).otherwise(F.lit(LATE))


def union(frames: Sequence[DataFrame]) -> DataFrame:
    first, *others = frames
    for other in others:
        first = first.unionByName(other)
    return first


@contextmanager
def kept(frame: DataFrame) -> Iterator[DataFrame]:
    """Kept, because more than one table comes from it: a Python UDF would run again for each."""
    persisted = frame.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield persisted
    finally:
        persisted.unpersist()
