"""Puts the answers of a rescore in place of those of its window: one commit for each table, at most once."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.errors import RescoreError
from penstock.pipeline.batch_ranges import up_to
from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import LateReplay, read_plan
from penstock.pipeline.replay.plans import refuse_unfinished_replay, replay_numbers, replay_path
from penstock.pipeline.rescore.plans import ChunkRecord, RescorePlan, chunk_path, read_chunk
from penstock.pipeline.rescore.rows import condition_of
from penstock.pipeline.rescore.series import is_between
from penstock.schemas.catalog import RESCORE_ID
from penstock.series.reasons import INSERTED, NOT_IN_USE, NOT_LATEST, REVISED
from penstock.series.second_version import SHADOW_ERROR
from penstock.series.windows import KEYS
from penstock.spark.rewrite import IS_OLD, Replacement, Step, replace_rows_once
from penstock.spark.tables import snapshot_version, table_at
from penstock.storage.delta_transactions import is_there

#: Errors of observations that say what they are for the history of their series, and nothing of an answer.
NO_ANSWERS = (*NOT_IN_USE, REVISED, INSERTED, NOT_LATEST)
IS_ASKED, NEW_ERROR = "_is_asked", "_new_error"
CUTOFF = ("series_id", "cutoff")


def replace_answers(pipeline: Pipeline, plan: RescorePlan) -> None:
    """Raises RescoreError, with nothing replaced, where the window is not what it was when the rescore was planned."""
    pipeline.lease.check()
    if pipeline.config.workload == "rows":
        replace_predictions(pipeline, plan)
        return
    # Asked for once, so that what is counted is what is put in place.
    asked = rescored(pipeline, plan, "rescored_observations")
    n_asked, written = asked.count(), written_rows(pipeline, plan)
    if not is_replaced(pipeline, plan, "forecasts"):
        refuse_replays_since(pipeline, plan)
        check_rows(plan, n_asked, "rescored_observations", expected=written.rows)
        check_observations(pipeline, plan, asked)
        replace_forecasts(pipeline, plan, asked, rows=written.forecasts)
    pipeline.lease.check()
    if not is_replaced(pipeline, plan, "observations"):
        check_errors(plan, n_asked, expected=written.rows)
        replace_errors(pipeline, plan, asked)


def is_replaced(pipeline: Pipeline, plan: RescorePlan, table: str) -> bool:
    return is_there(pipeline.config, table, plan.swap_transaction(pipeline.config.pipeline))


def rescored(pipeline: Pipeline, plan: RescorePlan, table: str) -> DataFrame:
    """What the chunks of the plan have written to a table, as of now: without a version Delta would read the newest
    one with each action."""
    path = pipeline.config.table_path(table)
    rows = table_at(pipeline.spark, path, snapshot_version(pipeline.spark, path))
    return rows.where(F.col(RESCORE_ID.name) == plan.number)


def replace_predictions(pipeline: Pipeline, plan: RescorePlan) -> None:
    """Whole batches are replaced: all rows of a batch were scored at one time."""
    path, transaction = pipeline.config.table_path("predictions"), plan.swap_transaction(pipeline.config.pipeline)
    is_planned = condition_of(batch for chunk in plan.chunks for batch in chunk.batches)

    def mark(table: DataFrame) -> DataFrame:
        return table.withColumn(IS_OLD, F.expr(is_planned))

    def check(found: Replacement) -> None:
        check_rows(plan, found.new, "rescored_predictions", expected=plan.rows)
        # What was deleted meanwhile is not put back.
        check_rows(plan, found.old, "predictions", expected=plan.rows)

    # No other version stands beside them.
    rows = rescored(pipeline, plan, "rescored_predictions")
    replace_rows_once(pipeline.spark, path, transaction, mark=mark, new=lambda _: rows, check=check)


def check_rows(plan: RescorePlan, found: int, table: str, *, expected: int) -> None:
    if found != expected:
        raise RescoreError(
            f"{plan.described}: {table} has {found} rows of its window, and there were {expected}: rows were deleted "
            "or added since. Nothing is replaced; give it up (penstock rescore --give-up), then rescore again"
        )


def written_rows(pipeline: Pipeline, plan: RescorePlan) -> ChunkRecord:
    """What the chunks of series have written, by their records."""
    rows = forecasts = 0
    for number in range(len(plan.chunks)):
        record = read_chunk(pipeline.config, pipeline.storage, plan.number, number)
        if record is None:
            raise RescoreError(
                f"{plan.described}: {chunk_path(pipeline.config, plan.number, number)} is gone, which says how many "
                "rows the chunk has. Nothing is replaced; restore it, or give it up (penstock rescore --give-up)"
            )
        rows, forecasts = rows + record.rows, forecasts + record.forecasts
    return ChunkRecord(rows=rows, forecasts=forecasts)


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


def check_observations(pipeline: Pipeline, plan: RescorePlan, asked: DataFrame) -> None:
    """Raises RescoreError where one that was asked again was deleted since: its forecasts are not put back."""
    path = pipeline.config.table_path("observations")
    version = snapshot_version(pipeline.spark, path)
    if version == plan.source_version:
        return
    current = table_at(pipeline.spark, path, version)
    current = current.where(is_between("ds", plan.request.begin, plan.request.end))
    gone = asked.join(current, on=["series_id", "ds"], how="left_anti").count()
    if gone:
        raise RescoreError(
            f"{plan.described}: {gone} of its observations were deleted since it was planned. Nothing is replaced; "
            "give it up (penstock rescore --give-up), then rescore again"
        )


def replace_forecasts(pipeline: Pipeline, plan: RescorePlan, asked: DataFrame, *, rows: int) -> None:
    """Those of the cutoffs that were asked again, but for what came after the plan. rows: how many come instead."""
    path = pipeline.config.table_path("forecasts")
    cutoffs = asked.select("series_id", F.col("ds").alias("cutoff"), F.lit(True).alias(IS_OLD))

    def mark(table: DataFrame) -> DataFrame:
        return with_others(table, lambda planned: planned.join(cutoffs, on=list(CUTOFF), how="left"), "cutoff", plan)

    def check(found: Replacement) -> None:
        check_rows(plan, found.new, "rescored_forecasts", expected=rows)
        if found.version == plan.answers_version:
            return
        # What was deleted meanwhile is not put back.
        planned = mark(table_at(pipeline.spark, path, plan.answers_version)).where(IS_OLD).count()
        check_rows(plan, found.old, "forecasts", expected=planned)

    forecasts = rescored(pipeline, plan, "rescored_forecasts")
    transaction = plan.swap_transaction(pipeline.config.pipeline)
    replace_rows_once(pipeline.spark, path, transaction, mark=mark, new=lambda _: forecasts, check=check)


def replace_errors(pipeline: Pipeline, plan: RescorePlan, observations: DataFrame) -> None:
    """The `error` of the observations that were asked again becomes what the new version says of them. No other version
    stands beside it."""
    asked = observations.select("series_id", "ds", F.col("error").alias(NEW_ERROR), F.lit(True).alias(IS_ASKED))

    def mark(table: DataFrame) -> DataFrame:
        return with_others(table, lambda planned: marked_errors(planned, asked), "ds", plan)

    def new(old: DataFrame | None) -> DataFrame | None:
        return with_new_errors(old) if old is not None else None

    transaction = plan.swap_transaction(pipeline.config.pipeline)
    path = pipeline.config.table_path("observations")
    replace_rows_once(pipeline.spark, path, transaction, mark=mark, new=new)


def says_an_answer() -> Column:
    """Whether the `error` of an observation is about a forecast."""
    return F.col("error").isNull() | ~F.col("error").isin(*NO_ANSWERS)


def marked_errors(planned: DataFrame, asked: DataFrame) -> DataFrame:
    """Observations with IS_OLD, where one that was asked again says something else than the new version does, or still
    has the error of another one: that of a failure may be at a revision, whose own `error` stays."""
    is_other = says_an_answer() & ~F.col("error").eqNullSafe(F.col(NEW_ERROR))
    if SHADOW_ERROR in planned.columns:
        is_other = is_other | F.col(SHADOW_ERROR).isNotNull()
    return planned.join(asked, on=list(KEYS), how="left").withColumn(IS_OLD, F.col(IS_ASKED) & is_other)


def with_new_errors(old: DataFrame) -> DataFrame:
    """Those of `marked_errors` that are replaced, as they are to be."""
    return old.withColumn("error", F.when(says_an_answer(), F.col(NEW_ERROR)).otherwise(F.col("error"))).drop(
        SHADOW_ERROR
    )


def check_errors(plan: RescorePlan, found: int, *, expected: int) -> None:
    if found != expected:
        raise RescoreError(
            f"{plan.described}: rescored_observations has {found} rows of it, and there were {expected}: the forecasts "
            "are replaced, and observations.error is not yet. Restore the deleted rows (RESTORE TABLE), then run it "
            "again"
        )


def with_others(table: DataFrame, mark: Step, time: str, plan: RescorePlan) -> DataFrame:
    """The rows in the window, and of a batch that was finished when the rescore was planned, as `mark` gives them; and
    all others."""
    is_planned = is_between(time, plan.request.begin, plan.request.end) & up_to(plan.finished)
    others = table.where(~F.coalesce(is_planned, F.lit(False)))
    return mark(table.where(is_planned)).unionByName(others, allowMissingColumns=True)
