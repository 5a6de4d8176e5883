"""The writes of a series micro-batch: forecasts, observations, lags."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.pipeline.batch import MicroBatch
from penstock.pipeline.batch_ranges import is_earlier_than
from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import Plan
from penstock.pipeline.series_answers import forecasts_of, series_answers
from penstock.pipeline.series_revisions import mark_changes
from penstock.series import revisions
from penstock.series.exogenous_leads import Leads, with_leads
from penstock.series.forecasts import observation_rows
from penstock.series.lags import compact_lags
from penstock.series.missing_forecasts import may_have_forecast
from penstock.series.reasons import CONFLICT, LATE, REVISION
from penstock.series.windows import KEYS, LAGS_VERSION, PLACE, observations_of
from penstock.sources.files import PlannedFile
from penstock.spark.local_frames import local_frame
from penstock.spark.tables import table_at


def write_series(batch: MicroBatch, accepted: DataFrame) -> None:
    """Forecast every new observation, and write in the fixed order. Every append is idempotent."""
    pipeline, plan, series = batch.pipeline, batch.plan, batch.pipeline.config.the_series
    files, leads = plan.files_with("accepted", "replayed"), pipeline.exogenous.planned_leads(plan)
    windows = batch_windows(pipeline, accepted, files, leads=leads, lags_version=plan.lags_version)
    answers = series_answers(batch, windows.crossJoin(F.broadcast(batch_stamp(pipeline, plan))))
    with persisted(answers) as scored:
        batch.append(forecasts_of(batch, scored), "forecasts")
        with batch.timings.measure("observations"):
            mark = mark_changes if series.revisions == "newest" else mark_revisions
            observed = observation_rows(
                mark(pipeline, plan, scored), series, has_experiment=plan.experiment is not None
            )
        batch.append(observed, "observations")
        batch.append(revisions.changed_lags(scored, series), "lags")
        with batch.timings.measure("lags"):
            pipeline.lease.check()
            compact_lags(pipeline.spark, pipeline.config)


def new_windows(pipeline: Pipeline, accepted: DataFrame, files: Sequence[PlannedFile]) -> DataFrame:
    """The windows that get a forecast of a batch that is not planned yet, over the newest `lags`."""
    leads = pipeline.exogenous.leads(pipeline.exogenous.pin())
    windows = batch_windows(pipeline, accepted, files, leads=leads, lags_version=None)
    return windows.where(may_have_forecast(pipeline.config.the_series))


def batch_stamp(pipeline: Pipeline, plan: Plan) -> DataFrame:
    """What every row of the batch carries, as data: as literals it would make the code that Spark generates another
    in each batch, to be compiled and warmed up again."""
    return local_frame(
        pipeline.spark,
        [(plan.query_id, plan.batch_id, plan.planned_at, plan.lags_version)],
        f"query_id string, batch_id long, planned_at timestamp, {LAGS_VERSION} long",
    )


def batch_windows(
    pipeline: Pipeline,
    accepted: DataFrame,
    files: Sequence[PlannedFile],
    *,
    leads: Leads | None,
    lags_version: int | None,
) -> DataFrame:
    """Every observation of the batch with its window, after the state as `lags_version` of `lags` has it, and the
    exogenous values of the periods after it."""
    series = pipeline.config.the_series
    lags = table_at(pipeline.spark, pipeline.config.table_path("lags"), lags_version)
    observed = observations_of(accepted, series)
    windows = revisions.batch_windows(pipeline.spark, observed, lags, series=series, files=files)
    return with_leads(windows, leads, series, of=observed)


def mark_revisions(pipeline: Pipeline, plan: Plan, batch: DataFrame) -> DataFrame:
    """The batch, with late observations whose ds is known already as revisions. `observations` is read only if there
    are late ones."""
    is_late = F.col(PLACE) == LATE
    late = batch.where(is_late)
    if late.isEmpty():
        return batch
    table = pipeline.spark.read.format("delta").load(pipeline.config.table_path("observations"))
    asked = F.broadcast(late.select(*KEYS).distinct())
    # Rows that contradict each other make no ds known: what corrects them is late, and no revision.
    counts = ~F.col("error").eqNullSafe(CONFLICT)
    known = (
        table.where(is_earlier_than(plan) & counts).select(*KEYS).join(asked, on=list(KEYS), how="left_semi").distinct()
    )
    compared = late.join(known.withColumn("_is_known", F.lit(True)), on=list(KEYS), how="left")
    marked = compared.withColumn("error", F.when(F.col("_is_known"), F.lit(REVISION)).otherwise(F.lit(LATE)))
    return batch.where(~is_late).unionByName(marked.drop("_is_known"))


@contextmanager
def persisted(frame: DataFrame) -> Iterator[DataFrame]:
    """Kept, because more than one table comes from it: a Python UDF would run again for each."""
    cached = frame.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        yield cached
    finally:
        cached.unpersist()
