"""The writes of a series micro-batch: forecasts, observations, lags."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.phases import Phases
from penstock.pipeline import Pipeline
from penstock.plan import Plan, PlannedFile
from penstock.series_answers import NOT_LATEST, forecast_rows, observation_rows, reason, to_score
from penstock.series_windows import (
    IS_NEWEST,
    KEYS,
    LATE,
    NEW,
    PLACE,
    REVISION,
    arrange,
    in_order_windows,
    new_lags,
    observations_of,
)
from penstock.tables import Transaction, append_once, merge_once


def write_series(pipeline: Pipeline, plan: Plan, accepted: DataFrame, transaction: Transaction, phases: Phases) -> None:
    """Forecast every new observation, and write in the fixed order. Every append and merge is idempotent."""
    config, series = pipeline.config, pipeline.config.the_series
    scorer = pipeline.champion.scorer(plan.champion)
    stamp = stamp_of(pipeline, transaction.query_id, transaction.batch_id, plan.planned_at)
    files, version = plan.files_with("accepted"), plan.lags_version
    with kept(arranged(pipeline, accepted, files, version=version, stamp=stamp)) as everything:
        in_order = in_order_windows(everything, series)
        windows = to_score(in_order, latest_only=config.forecast.at == "latest")
        with kept(scorer.answer(windows, pipeline.champion.contract).withColumn("error", reason(series))) as answered:
            with phases.measure("forecasts"):
                pipeline.lease.check()
                append_once(forecast_rows(answered, plan, series), config.table_path("forecasts"), transaction)
            with phases.measure("observations"):
                pipeline.lease.check()
                observed = [answered, *unscored(pipeline, plan, everything, in_order)]
                rows = union([observation_rows(part, series) for part in observed])
                append_once(rows, config.table_path("observations"), transaction)
        with phases.measure("lags"):
            pipeline.lease.check()
            merge_once(new_lags(everything, series), config.table_path("lags"), transaction, keys=("series_id", "slot"))


def new_windows(pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
    """The windows of a batch that is not planned yet, over the newest `lags`."""
    stamp = stamp_of(pipeline, "", -1, datetime.now(UTC))
    everything = arranged(pipeline, accepted, files, version=None, stamp=stamp)
    in_order = in_order_windows(everything, pipeline.config.the_series)
    return to_score(in_order, latest_only=False)


def stamp_of(pipeline: Pipeline, query_id: str, batch_id: int, planned_at: datetime) -> DataFrame:
    return pipeline.spark.createDataFrame(
        [(query_id, batch_id, planned_at)], "query_id string, batch_id long, planned_at timestamp"
    )


def arranged(
    pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile], *, version: int | None, stamp: DataFrame
) -> DataFrame:
    series = pipeline.config.the_series
    reader = pipeline.spark.read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    lags = reader.load(pipeline.config.table_path("lags"))
    return arrange(pipeline.spark, observations_of(accepted, series), lags, series=series, files=files, stamp=stamp)


def unscored(pipeline: Pipeline, plan: Plan, everything: DataFrame, in_order: DataFrame) -> list[DataFrame]:
    """The observations that the model is not asked about, each with its `error`."""
    parts = [
        everything.where(F.col(PLACE) == REVISION).withColumn("error", F.lit(REVISION)),
        late_or_revised(pipeline, plan, everything.where(F.col(PLACE) == LATE)),
    ]
    if pipeline.config.forecast.at == "latest":
        earlier = in_order.where((F.col(PLACE) == NEW) & ~F.col(IS_NEWEST))
        parts.append(earlier.withColumn("error", F.lit(NOT_LATEST)))
    return parts


def late_or_revised(pipeline: Pipeline, plan: Plan, late: DataFrame) -> DataFrame:
    """Late observations with their `error`: is their ds known already? `observations` is read only if there are any."""
    if late.isEmpty():
        return late.withColumn("error", F.lit(LATE))
    table = pipeline.spark.read.format("delta").load(pipeline.config.table_path("observations"))
    is_earlier = ~((F.col("query_id") == plan.query_id) & (F.col("batch_id") >= plan.batch_id))
    asked = F.broadcast(late.select(*KEYS).distinct())
    known = table.where(is_earlier).select(*KEYS).join(asked, on=list(KEYS), how="left_semi").distinct()
    compared = late.join(known.withColumn("_is_known", F.lit(True)), on=list(KEYS), how="left")
    return compared.withColumn("error", F.when(F.col("_is_known"), F.lit(REVISION)).otherwise(F.lit(LATE)))


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
