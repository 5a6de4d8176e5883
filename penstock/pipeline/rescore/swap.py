"""Puts the answers of a rescore in place of those of its window: one commit for each table, at most once."""

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.errors import RescoreError
from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import LateReplay, read_plan
from penstock.pipeline.replay.plans import refuse_unfinished_replay, replay_numbers, replay_path
from penstock.pipeline.rescore.plans import RescorePlan
from penstock.pipeline.rescore.rows import condition_of
from penstock.pipeline.rescore.series import is_between
from penstock.schemas.catalog import RESCORE_ID
from penstock.series.reasons import INSERTED, NOT_IN_USE, NOT_LATEST, REVISED
from penstock.spark.commit_retry import commit
from penstock.spark.functions import any_of
from penstock.spark.merge import transaction_of_merge
from penstock.storage.delta_transactions import Transaction, is_there

#: Errors of observations that say what they are for the history of their series, and nothing of an answer.
NO_ANSWERS = (*NOT_IN_USE, REVISED, INSERTED, NOT_LATEST)


def replace_answers(pipeline: Pipeline, plan: RescorePlan) -> None:
    """Raises RescoreError, with nothing replaced, where the window is not what it was when the rescore was planned."""
    pipeline.lease.check()
    if pipeline.config.workload == "rows":
        replace_predictions(pipeline, plan)
        return
    if not is_replaced(pipeline, plan, "forecasts"):
        refuse_replays_since(pipeline, plan)
        check_observations(pipeline, plan)
        replace_forecasts(pipeline, plan)
    pipeline.lease.check()
    replace_errors(pipeline, plan)


def is_replaced(pipeline: Pipeline, plan: RescorePlan, table: str) -> bool:
    return is_there(pipeline.config, table, plan.swap_transaction(pipeline.config.pipeline))


def rescored(pipeline: Pipeline, plan: RescorePlan, table: str) -> DataFrame:
    """What the chunks of the plan have written to a table."""
    rows = pipeline.spark.read.format("delta").load(pipeline.config.table_path(table))
    return rows.where(F.col(RESCORE_ID.name) == plan.number)


def replace_predictions(pipeline: Pipeline, plan: RescorePlan) -> None:
    """Whole batches are replaced: all rows of a batch were scored at one time."""
    path, transaction = pipeline.config.table_path("predictions"), plan.swap_transaction(pipeline.config.pipeline)
    is_planned = condition_of(batch for chunk in plan.chunks for batch in chunk.batches)

    def replace() -> None:
        if is_replaced(pipeline, plan, "predictions"):
            return
        current = pipeline.spark.read.format("delta").load(path)
        new = rescored(pipeline, plan, "rescored_predictions")
        check_rows(plan, new.count(), "rescored_predictions")
        # What was deleted meanwhile is not put back.
        check_rows(plan, current.where(is_planned).count(), "predictions")
        options = {"replaceWhere": is_planned} | transaction_options(transaction)
        new.select(*current.columns).write.format("delta").mode("overwrite").options(**options).save(path)

    commit(path, replace)


def check_rows(plan: RescorePlan, found: int, table: str) -> None:
    if found != plan.rows:
        raise RescoreError(
            f"{plan.described}: {table} has {found} rows of its batches, and {plan.rows} were planned: rows were "
            "deleted or added since. Nothing is replaced; give it up (penstock rescore --give-up), then rescore again"
        )


def transaction_options(transaction: Transaction) -> dict[str, str]:
    return {"txnAppId": transaction.application, "txnVersion": str(transaction.batch_id)}


def refuse_replays_since(pipeline: Pipeline, plan: RescorePlan) -> None:
    """Raises RescoreError for a replay of late observations since the plan, LedgerError for an unfinished one: its
    forecasts are newer than those of the plan."""
    config, storage = pipeline.config, pipeline.storage
    refuse_unfinished_replay(config, storage)
    for number in replay_numbers(config, storage):
        replay = read_plan(storage, replay_path(config, number)) if number > plan.last_replay else None
        if replay is not None and isinstance(replay.replay, LateReplay):
            raise RescoreError(
                f"{plan.described}: replay {number} has recomputed series since it was planned. Nothing is replaced; "
                "give it up (penstock rescore --give-up), then rescore again"
            )


def check_observations(pipeline: Pipeline, plan: RescorePlan) -> None:
    """Raises RescoreError where one that was asked again was deleted since: its forecasts are not put back."""
    current = pipeline.spark.read.format("delta").load(pipeline.config.table_path("observations"))
    current = current.where(is_between("ds", plan.request.begin, plan.request.end))
    asked = rescored(pipeline, plan, "rescored_observations")
    gone = asked.join(current, on=["series_id", "ds"], how="left_anti").count()
    if gone:
        raise RescoreError(
            f"{plan.described}: {gone} of its observations were deleted since it was planned. Nothing is replaced; "
            "give it up (penstock rescore --give-up), then rescore again"
        )


def replace_forecasts(pipeline: Pipeline, plan: RescorePlan) -> None:
    """Those of the cutoffs that were asked again, but for what came after the plan."""
    new = rescored(pipeline, plan, "rescored_forecasts")
    asked = rescored(pipeline, plan, "rescored_observations").select(
        F.col("series_id").alias("_series_id"), F.col("ds").alias("_cutoff")
    )
    columns = new.columns
    nothing = {"_series_id": F.lit(None).cast("string"), "_cutoff": F.lit(None).cast("timestamp")}
    source = new.withColumns(nothing).unionByName(asked, allowMissingColumns=True)
    is_old = (
        (F.col("old.series_id") == F.col("new._series_id"))
        & (F.col("old.cutoff") == F.col("new._cutoff"))
        & is_between("old.cutoff", plan.request.begin, plan.request.end)
        & was_finished(plan)
    )
    inserted: dict[str, str | Column] = {column: F.col(f"new.`{column}`") for column in columns}
    path, transaction = pipeline.config.table_path("forecasts"), plan.swap_transaction(pipeline.config.pipeline)

    def replace() -> None:
        merged = DeltaTable.forPath(pipeline.spark, path).alias("old").merge(source.alias("new"), is_old)
        with transaction_of_merge(pipeline.spark, transaction):
            merged.whenMatchedDelete().whenNotMatchedInsert("new._series_id IS NULL", values=inserted).execute()

    commit(path, replace)


def replace_errors(pipeline: Pipeline, plan: RescorePlan) -> None:
    """The `error` of the observations that were asked again becomes what the new version says of them."""
    new = rescored(pipeline, plan, "rescored_observations").select("series_id", "ds", "error")
    path, transaction = pipeline.config.table_path("observations"), plan.swap_transaction(pipeline.config.pipeline)
    is_old = (
        (F.col("old.series_id") == F.col("new.series_id"))
        & (F.col("old.ds") == F.col("new.ds"))
        & is_between("old.ds", plan.request.begin, plan.request.end)
        & was_finished(plan)
        & (F.col("old.error").isNull() | ~F.col("old.error").isin(*NO_ANSWERS))
    )
    is_other = ~F.col("old.error").eqNullSafe(F.col("new.error"))

    def replace() -> None:
        merged = DeltaTable.forPath(pipeline.spark, path).alias("old").merge(new.alias("new"), is_old)
        with transaction_of_merge(pipeline.spark, transaction):
            merged.whenMatchedUpdate(condition=is_other, set={"error": F.col("new.error")}).execute()

    commit(path, replace)


def was_finished(plan: RescorePlan) -> Column:
    """Whether a row is of a batch that was finished when the rescore was planned."""
    return any_of(
        [
            (F.col("old.query_id") == query_id) & (F.col("old.batch_id") <= last)
            for query_id, last in sorted(plan.finished.items())
        ]
    )
