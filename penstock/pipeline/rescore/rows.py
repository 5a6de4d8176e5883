"""Rows of `predictions` scored again: their contract's columns are the inputs."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType

from penstock.models.scoring import version_columns
from penstock.pipeline.context import Pipeline
from penstock.pipeline.rescore.plans import PlannedBatch, RescorePlan
from penstock.schemas.catalog import RESCORE_ID, ROW_ID
from penstock.spark.tables import table_at

#: The answer of the version before, and its error.
BEFORE, ERROR_BEFORE = "_prediction_before", "_error_before"


def condition_of(batches: Iterable[PlannedBatch]) -> str:
    """SQL that is true for the rows of these batches: a range for those of a query that follow on each other."""
    ranges = [
        f"(query_id = '{query_id}' AND batch_id >= {first} AND batch_id <= {last})"
        for query_id, first, last in ranges_of(batches)
    ]
    return " OR ".join(ranges)


def ranges_of(batches: Iterable[PlannedBatch]) -> list[tuple[str, int, int]]:
    """query_id, first and last batch_id of runs of consecutive ids."""
    ids = sorted({(batch.query_id, batch.batch_id) for batch in batches})
    runs = groupby(enumerate(ids), key=lambda one: (one[1][0], one[1][1] - one[0]))
    found = [[each for _, each in run] for _, run in runs]
    return [(run[0][0], run[0][1], run[-1][1]) for run in found]


def rows_of(pipeline: Pipeline, plan: RescorePlan, batches: Sequence[PlannedBatch]) -> DataFrame:
    """The planned rows of these batches, as the plan's version of `predictions` has them."""
    table = table_at(pipeline.spark, pipeline.config.table_path("predictions"), plan.source_version)
    return table.where(condition_of(batches))


def compared_rows(pipeline: Pipeline, plan: RescorePlan, batches: Sequence[PlannedBatch]) -> DataFrame:
    """The columns of `rescored_predictions`, with the answer and error that the rows have so far."""
    fields = [field.name for field in pipeline.contract.fields]
    given = rows_of(pipeline, plan, batches).select(
        *kept_columns(fields),
        *fields,
        F.col("prediction").alias(BEFORE),
        F.col("error").alias(ERROR_BEFORE),
    )
    scored = pipeline.the_selector.scorer(plan.model).score(given, pipeline.contract)
    return scored.select(
        "*",
        *version_columns(plan.model),
        F.lit(plan.planned_at).alias("scored_at"),
        F.lit(plan.number).cast("long").alias(RESCORE_ID.name),
    )


def kept_columns(fields: Sequence[str]) -> list[str]:
    """What a row keeps beside the contract's columns: where it came from, and what it is known by."""
    own = [] if ROW_ID.name in fields else [ROW_ID.name]
    return ["query_id", "batch_id", "source_file", *own]


def comparison_columns(compared: DataFrame) -> list[Column]:
    """Counts and sums as ChunkRecord has them."""
    before, after = F.col(BEFORE), F.col("prediction")
    can_be_compared = F.col(ERROR_BEFORE).isNull() & F.col("error").isNull()
    columns = [
        F.count("*").alias("rows"),
        F.count_if(can_be_compared).alias("answers"),
        F.count_if(can_be_compared & ~before.eqNullSafe(after)).alias("changed"),
        F.count(ERROR_BEFORE).alias("failed_before"),
        F.count("error").alias("failed_after"),
    ]
    if isinstance(compared.schema["prediction"].dataType, NumericType):
        change = F.abs(after.cast("double") - before.cast("double"))
        # Infinite ones have no mean.
        is_number = can_be_compared & (change < float("inf"))
        columns += [F.count_if(is_number).alias("changes"), F.sum(F.when(is_number, change)).alias("change")]
    return columns
