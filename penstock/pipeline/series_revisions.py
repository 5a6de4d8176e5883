"""What a batch's observations mean for the history of their series (`series.revisions: newest`), as `error` has it."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from penstock.pipeline.batch_ranges import is_earlier_than
from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import Plan
from penstock.series.reasons import INSERTED, MODEL, REVISED, SUPERSEDED, UNCHANGED
from penstock.series.revisions import CHANGES, EARLIER
from penstock.series.second_version import SHADOW_ERROR
from penstock.series.valid_observations import newest_of_each_ds
from penstock.series.windows import BROADCAST_BYTES, CHANGED_NUMBER, IS_REPLAYED, KEYS, NUMBER, OLD, PLACE


def mark_changes(pipeline: Pipeline, plan: Plan, batch: DataFrame) -> DataFrame:
    """The batch's observations without the old ones, each with its `error`.

    `observations` is read only if there are some before those in `lags`. A failure of the model at the new forecast of
    an old observation is the error of the one that is the cause: the old one has its row already.
    """
    is_earlier = F.col(PLACE) == EARLIER
    failures = [F.max(is_failure(column)) for column in ("error", SHADOW_ERROR) if column in batch.columns]
    has_earlier, *have_failures = batch.agg(F.max(is_earlier), *failures).first() or (False,)
    new = (with_failures(batch) if any(have_failures) else batch).where(F.col(PLACE) != OLD)
    if not has_earlier:
        return new
    return new.where(~is_earlier).unionByName(marked(pipeline, plan, new.where(is_earlier)))


def is_failure(column: str) -> Column:
    """Whether a version has failed at an old observation. column: `error`, or `shadow_error`."""
    return (F.col(PLACE) == OLD) & F.col(column).startswith(f"{MODEL}:")


def with_failures(batch: DataFrame) -> DataFrame:
    """The batch with a version's failure at an old observation also at the last change of its series."""
    is_cause = F.col("error").isin(*CHANGES) & (F.col(NUMBER) == F.col(CHANGED_NUMBER))

    def found(column: str) -> Column:
        failure = F.max(F.when(is_failure(column), F.col(column))).over(Window.partitionBy("series_id"))
        return F.when(is_cause, F.coalesce(failure, column)).otherwise(F.col(column))

    return batch.withColumns({column: found(column) for column in ("error", SHADOW_ERROR) if column in batch.columns})


def marked(pipeline: Pipeline, plan: Plan, earlier: DataFrame) -> DataFrame:
    """Observations from before the state: `revised` with other values than `observations` has, `unchanged` with the
    same, `inserted` where their ds was unknown."""
    variables = pipeline.config.the_series.variables
    table = pipeline.spark.read.format("delta").load(pipeline.config.table_path("observations"))
    asked = earlier.select(*KEYS).distinct()
    if sum(file.length or 0 for file in plan.files) <= BROADCAST_BYTES:
        asked = F.broadcast(asked)
    before = newest_of_each_ds(table.where(is_earlier_than(plan)).join(asked, on=list(KEYS), how="left_semi"))
    known = before.select(
        *KEYS, F.lit(True).alias("_is_known"), *[F.col(variable).alias(was(variable)) for variable in variables]
    )
    compared = earlier.join(known, on=list(KEYS), how="left")
    error = (
        F.when(F.col("_is_known").isNull(), F.lit(INSERTED))
        .when(is_unchanged(variables), F.lit(UNCHANGED))
        .when(F.col(IS_REPLAYED), F.lit(SUPERSEDED))
        .otherwise(F.lit(REVISED))
    )
    return compared.withColumn("error", error).drop("_is_known", *map(was, variables))


def was(variable: str) -> str:
    return f"_was_{variable}"


def is_unchanged(variables: tuple[str, ...]) -> Column:
    same = F.lit(True)
    for variable in variables:
        same = same & F.col(variable).eqNullSafe(F.col(was(variable)))
    return same
