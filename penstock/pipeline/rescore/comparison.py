"""What a finished rescore came to, against the answers that it was planned over."""

from datetime import UTC, datetime
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.pipeline.context import Pipeline
from penstock.pipeline.rescore.plans import (
    ChunkRecord,
    RescorePlan,
    RescoreRecord,
    read_chunk,
)
from penstock.pipeline.rescore.series import is_between, observations_at
from penstock.pipeline.rescore.swap import rescored
from penstock.series.missing_forecasts import has_forecast
from penstock.series.valid_observations import is_in_use
from penstock.spark.tables import table_at

#: What names a forecast, but for later ones of a cutoff whose series was revised.
KEYS = ("series_id", "cutoff", "step", "variable")


def record_rescore(pipeline: Pipeline, plan: RescorePlan) -> RescoreRecord:
    found = rows_record(pipeline, plan) if pipeline.config.workload == "rows" else series_record(pipeline, plan)
    mean = found.change / found.changes if found.change is not None and found.changes else None
    return RescoreRecord(
        number=plan.number,
        purpose=plan.request.purpose,
        model_name=plan.model.name,
        model_version=plan.model.version,
        begin=plan.request.begin,
        end=plan.request.end,
        finished_at=datetime.now(UTC),
        rows=found.rows,
        answers=found.answers,
        changed=found.changed,
        mean_absolute_change=mean,
        failed_before=found.failed_before,
        failed_after=found.failed_after,
    )


def rows_record(pipeline: Pipeline, plan: RescorePlan) -> ChunkRecord:
    """The sums over its chunks."""
    records = [chunk_record(pipeline, plan, number) for number in range(len(plan.chunks))]
    changes = [record.change for record in records if record.change is not None]
    return ChunkRecord(
        rows=sum(record.rows for record in records),
        answers=sum(record.answers for record in records),
        changed=sum(record.changed for record in records),
        changes=sum(record.changes for record in records),
        change=sum(changes) if changes else None,
        failed_before=sum(record.failed_before for record in records),
        failed_after=sum(record.failed_after for record in records),
    )


def chunk_record(pipeline: Pipeline, plan: RescorePlan, number: int) -> ChunkRecord:
    found = read_chunk(pipeline.config, pipeline.storage, plan.number, number)
    # Only somebody who tidied up by hand has removed it; the answers of rows do not depend on it.
    return found or ChunkRecord(rows=plan.chunks[number].rows)


def series_record(pipeline: Pipeline, plan: RescorePlan) -> ChunkRecord:
    observed, forecasts = compared_observations(pipeline, plan), compared_forecasts(pipeline, plan)
    change = F.abs(F.col("after") - F.col("before"))
    is_number = change < float("inf")
    counts = observed.agg(
        F.count("*").alias("rows"),
        F.count_if(~F.col("had_forecast")).alias("failed_before"),
        F.count_if(~F.col("has_forecast")).alias("failed_after"),
    )
    changes = forecasts.agg(
        F.count("*").alias("answers"),
        F.count_if(~F.col("before").eqNullSafe(F.col("after"))).alias("changed"),
        F.count_if(is_number).alias("changes"),
        F.sum(F.when(is_number, change)).alias("change"),
    )
    return ChunkRecord.model_validate(first_row(counts) | first_row(changes))


def first_row(frame: DataFrame) -> dict[str, Any]:
    found = frame.first()
    return found.asDict() if found else {}


def compared_observations(pipeline: Pipeline, plan: RescorePlan) -> DataFrame:
    """had_forecast and has_forecast of each observation that was asked again."""
    request = plan.request
    # One that was revised may have its forecast from before.
    used = observations_at(pipeline, plan).where(is_between("ds", request.begin, request.end) & is_in_use())
    had = used.groupBy("series_id", "ds").agg(F.max(has_forecast()).alias("had_forecast"))
    new = rescored(pipeline, plan, "rescored_observations")
    return new.select("series_id", "ds", has_forecast().alias("has_forecast")).join(had, on=["series_id", "ds"])


def compared_forecasts(pipeline: Pipeline, plan: RescorePlan) -> DataFrame:
    """before and after of each forecast that there is of both; of several before, the last one."""
    request = plan.request
    table = table_at(pipeline.spark, pipeline.config.table_path("forecasts"), plan.answers_version)
    table = table.where(is_between("cutoff", request.begin, request.end))
    before = table.groupBy(*KEYS).agg(F.max_by("forecast", "scored_at").alias("before"))
    new = rescored(pipeline, plan, "rescored_forecasts").select(*KEYS, F.col("forecast").alias("after"))
    return new.join(before, on=list(KEYS))
