"""Late observations and revisions put to use: their series are recomputed from the earliest of them on.

For each touched series the forecasts, the observations' `error` and the lags become what they would be if all its
observations had come in order; of those with the same ds the one from the newest file counts, then by path, and the
others are `superseded`. Rows of a file that contradict each other are `conflict`, and none of them counts, also if one
of them came later, from the quarantine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.config.series import SeriesConfig
from penstock.pipeline.batch import MicroBatch, RejectedRows, StagedWrites
from penstock.pipeline.context import Pipeline
from penstock.pipeline.ledger import ledger_files
from penstock.pipeline.plan import LateReplay
from penstock.pipeline.replay.plans import REPLAY_QUERY
from penstock.pipeline.series_answers import forecasts_of, series_answers
from penstock.pipeline.series_writes import batch_stamp, persisted
from penstock.series.exogenous_leads import Leads, with_leads
from penstock.series.forecasts import observation_rows
from penstock.series.reasons import CONFLICT, LATE, REVISION, SUPERSEDED
from penstock.series.windows import (
    HASH,
    IS_CONFLICT,
    KEYS,
    LAST_NUMBER,
    NEW,
    NUMBER,
    OLD,
    PLACE,
    have_different_values,
    whole_lags,
    windowed,
)
from penstock.spark.merge import Span, replace_once
from penstock.spark.tables import table_at

FROM_DS = "_from_ds"
WINS = "_wins"
#: What an observation keeps of the batch that accepted it, under a name that the replay's own stamp leaves free.
ORIGIN = {"query_id": "_query_id", "batch_id": "_batch_id", "observed_at": "_planned_at"}


def unused_observations(spark: SparkSession, config: PipelineConfig, replay: LateReplay) -> DataFrame:
    return observations_at(spark, config, replay).where(F.col("error").isin(LATE, REVISION))


def observations_at(spark: SparkSession, config: PipelineConfig, replay: LateReplay) -> DataFrame:
    return table_at(spark, config.table_path("observations"), replay.observations_version)


@dataclass(frozen=True)
class LateInput:
    """A recomputation: no row comes in, and what it writes takes the place of what is there."""

    batch: MicroBatch
    late: LateReplay

    def stage(self) -> StagedWrites:
        return StagedWrites(commit=lambda: replace_series(self.batch, self.late))

    def rejected(self, staged: StagedWrites) -> RejectedRows:  # noqa: ARG002 - there are none
        return RejectedRows(None)

    def after_marker(self) -> None: ...


@contextmanager
def late_input(batch: MicroBatch, late: LateReplay) -> Iterator[LateInput]:
    yield LateInput(batch, late)


def replace_series(batch: MicroBatch, late: LateReplay) -> None:
    """Replace forecasts, observations and lags of the touched series. Every step may run again."""
    pipeline, plan, series = batch.pipeline, batch.plan, batch.pipeline.config.the_series
    starts = touched_from(pipeline, late)

    def replace(table: str, rows: DataFrame, *, at: str = "") -> None:
        with batch.timings.measure(table):
            pipeline.lease.check()
            replace_once(rows, batch.table_path(table), batch.transaction, Span(starts, at=at, start=FROM_DS))

    with persisted(ranked(pipeline, late, starts)) as history, persisted(recompute(batch, history)) as answers:
        replace("forecasts", forecasts_of(batch, answers), at="cutoff")
        observed = observation_rows(with_origin(answers), series, has_experiment=plan.experiment is not None)
        replace("observations", observed.unionByName(outvoted(history, series), allowMissingColumns=True), at="ds")
        winners = history.where(WINS).drop("query_id", "batch_id").crossJoin(F.broadcast(batch_stamp(pipeline, plan)))
        replace("lags", whole_lags(winners, series))


def touched_from(pipeline: Pipeline, late: LateReplay) -> DataFrame:
    """Each touched series with the `_from_ds` of its earliest observation to be put to use."""
    unused = unused_observations(pipeline.spark, pipeline.config, late)
    return unused.groupBy("series_id").agg(F.min("ds").alias(FROM_DS))


def windows_again(pipeline: Pipeline, late: LateReplay) -> DataFrame:
    """What the model would be asked about in the recomputation, for a probe."""
    leads = pipeline.exogenous.leads(pipeline.exogenous.pin())
    return winning_windows(pipeline, ranked(pipeline, late, touched_from(pipeline, late)), leads)


def ranked(pipeline: Pipeline, late: LateReplay, starts: DataFrame) -> DataFrame:
    """All observations of the touched series: `_wins` of those with its ds, `_number` and `_place` of the winners."""
    series = pipeline.config.the_series
    observations = observations_at(pipeline.spark, pipeline.config, late)
    both = observations.join(F.broadcast(starts), on="series_id").join(
        F.broadcast(file_times(pipeline)), on="source_file", how="left"
    )
    # What is before the span that is written keeps its error. A path may have been delivered twice, and of a row that
    # was in quarantine another one was accepted: only rows of one batch contradict each other.
    is_contradicted = have_different_values(series, Window.partitionBy(*KEYS, "source_file", "query_id", "batch_id"))
    is_conflict = F.col("error").eqNullSafe(CONFLICT) | ((F.col("ds") >= F.col(FROM_DS)) & is_contradicted)
    newest_first = Window.partitionBy(*KEYS).orderBy(
        IS_CONFLICT,
        F.desc_nulls_last("_modified"),
        F.desc("source_file"),
        F.col("query_id") == REPLAY_QUERY,
        F.desc("observed_at"),
        *map(F.desc, series.variables),
    )
    judged = both.withColumn(IS_CONFLICT, is_conflict)
    numbered = judged.withColumn(WINS, ~F.col(IS_CONFLICT) & (F.row_number().over(newest_first) == 1))
    of_series = Window.partitionBy("series_id").orderBy("ds")
    wins = F.col(WINS).cast("long")
    is_old = (F.col("ds") < F.col(FROM_DS)).cast("long") * wins
    whole = Window.partitionBy("series_id")
    return numbered.select(
        "*",
        F.xxhash64("series_id").alias(HASH),
        F.sum(wins).over(of_series).alias(NUMBER),
        F.sum(is_old).over(whole).alias(LAST_NUMBER),
        F.when(F.col("ds") < F.col(FROM_DS), F.lit(OLD)).otherwise(F.lit(NEW)).alias(PLACE),
    )


def file_times(pipeline: Pipeline) -> DataFrame:
    """The modification time of each source file, from the ledger."""
    files = ledger_files(pipeline.spark, pipeline.config).groupBy(F.col("path").alias("source_file"))
    return files.agg(F.max("modification_time").alias("_modified"))


def recompute(batch: MicroBatch, history: DataFrame) -> DataFrame:
    """The winners from the earliest late one on, with the model's answers and the `error` that they have now."""
    pipeline, plan = batch.pipeline, batch.plan
    windows = winning_windows(pipeline, history, pipeline.exogenous.planned_leads(plan))
    return series_answers(batch, windows.crossJoin(F.broadcast(batch_stamp(pipeline, plan))))


def winning_windows(pipeline: Pipeline, history: DataFrame, leads: Leads | None) -> DataFrame:
    """The windows of the winners from the earliest late one on."""
    series = pipeline.config.the_series
    winners = history.where(WINS).withColumnsRenamed(ORIGIN)
    windows = windowed(winners, series, carried=tuple(ORIGIN.values())).where(F.col(PLACE) == NEW)
    return with_leads(windows, leads, series, of=history)


def with_origin(answers: DataFrame) -> DataFrame:
    """The answers under the query, batch and time that accepted their observations."""
    own = answers.drop("query_id", "batch_id", "planned_at")
    return own.withColumnsRenamed({name: name.removeprefix("_") for name in ORIGIN.values()})


def outvoted(history: DataFrame, series: SeriesConfig) -> DataFrame:
    error = F.when(F.col(IS_CONFLICT), F.lit(CONFLICT)).otherwise(F.lit(SUPERSEDED))
    losers = history.where(~F.col(WINS) & (F.col(PLACE) == NEW)).withColumn("error", error)
    return observation_rows(losers.withColumnRenamed("observed_at", "planned_at"), series)
