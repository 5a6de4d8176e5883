"""The forecasts of a chunk compared with those before: no shuffle, as long as the new ones of a chunk can be sent to
every executor, since each old one is looked up in the row that has all new ones of its cutoff."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.pipeline.context import Pipeline
from penstock.pipeline.rescore.plans import Chunk, RescorePlan
from penstock.pipeline.rescore.series import HAD_FORECAST, is_between, span_of
from penstock.series.missing_forecasts import Answers, has_forecast
from penstock.spark.tables import table_at
from penstock.udfs.var.fleet_forecast import output_name

#: What names a forecast, but for later ones of a cutoff whose series was revised.
KEYS = ("series_id", "cutoff", "step", "variable")
CUTOFF = ("series_id", "cutoff")
#: Of new forecasts, to be sent to every executor: with their ids about 100 MB. More of them are sorted and merged.
MAX_BROADCAST_VALUES = 8_000_000
#: All new forecasts of a cutoff.
AFTER = "_after"


def observation_counts() -> list[Column]:
    """As ChunkRecord has them, of the observations that are asked again."""
    return [
        F.count("*").alias("rows"),
        F.count_if(~F.col(HAD_FORECAST)).alias("failed_before"),
        F.count_if(~has_forecast()).alias("failed_after"),
    ]


def forecast_changes(pipeline: Pipeline, plan: RescorePlan, chunk: Chunk, windows: DataFrame) -> DataFrame:
    """A row of counts and sums as ChunkRecord has them, of the forecasts that there are before and after.

    windows: with the model's output and `error`.
    """
    series = pipeline.config.the_series
    variables, steps = list(series.variables), range(1, series.horizon + 1)
    outputs = [Answers().output(output_name(variable, "forecast", step)) for step in steps for variable in variables]
    made = windows.where(has_forecast()).select(
        "series_id", F.col("ds").alias("cutoff"), F.array(*outputs).alias(AFTER)
    )
    # Spark takes it for as large as all outputs of the model.
    if chunk.rows * len(outputs) <= MAX_BROADCAST_VALUES:
        made = F.broadcast(made)
    is_made = F.col("step").between(1, series.horizon) & F.col("variable").isin(variables)
    both = forecasts_before(pipeline, plan, chunk).where(is_made).join(made, on=list(CUTOFF))
    number = F.array_position(F.array(*map(F.lit, variables)), F.col("variable")) - 1
    place = ((F.col("step") - 1) * len(variables) + number).cast("int")
    compared = both.select("before", F.get(AFTER, place).alias("after"))
    change = F.abs(F.col("after") - F.col("before"))
    is_number = change < float("inf")
    return compared.agg(
        F.count("*").alias("answers"),
        F.count_if(~F.col("before").eqNullSafe(F.col("after"))).alias("changed"),
        F.count_if(is_number).alias("changes"),
        F.sum(F.when(is_number, change)).alias("change"),
    )


def forecasts_before(pipeline: Pipeline, plan: RescorePlan, chunk: Chunk) -> DataFrame:
    """The columns KEYS and `before`; of several forecasts of a name, the last one.

    There are several where `revisions` is newest, or was, and after a late replay: to group them is a shuffle of all,
    which is spared where a look at their first step, a small part of them, finds each cutoff once.
    """
    table = table_at(pipeline.spark, pipeline.config.table_path("forecasts"), plan.answers_version)
    table = table.where(is_between("cutoff", *span_of(chunk)))
    if pipeline.config.the_series.revisions == "first" and plan.last_replay < 0 and is_forecast_once(table):
        return table.select(*KEYS, F.col("forecast").alias("before"))
    return table.groupBy(*KEYS).agg(F.max_by("forecast", "scored_at").alias("before"))


def is_forecast_once(forecasts: DataFrame) -> bool:
    """Whether no cutoff has a second forecast. A forecast has each step from 1 on."""
    first = forecasts.where(F.col("step") == 1).groupBy(*CUTOFF, "variable")
    return first.agg(F.count("*").alias("n")).where(F.col("n") > 1).isEmpty()
