"""Observations asked for a forecast again: their windows are made of the valid observations as of the plan.

As in a replay of late observations, values that were revised since are used in their newest form. A window is read from
`keep_lags` periods before the first cutoff of a chunk, so that the chunks do not change the answers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.config.series import SeriesConfig
from penstock.models.fleet_check import refused_reasons
from penstock.models.scoring import version_columns
from penstock.pipeline.context import Pipeline
from penstock.pipeline.rescore.plans import Chunk, RescorePlan
from penstock.pipeline.series_writes import persisted
from penstock.schemas.catalog import RESCORE_ID
from penstock.series.calendar import Calendar
from penstock.series.exogenous_leads import Leads, with_leads
from penstock.series.forecasts import answered, forecast_rows
from penstock.series.missing_forecasts import has_forecast
from penstock.series.reasons import FALLBACK, GAP, NOT_LATEST, WARMING_UP
from penstock.series.valid_observations import is_in_use, newest_of_each_ds
from penstock.series.windows import HASH, LAST_NUMBER, NEW, NUMBER, OLD, PLACE, in_series, windowed
from penstock.spark.tables import table_at

ERROR_BEFORE = "_error_before"
#: Whether there was a forecast from an observation, which one that was revised may have from before.
HAD_FORECAST = "_had_forecast"
#: Upper bounds: how far back so many periods can reach. A holiday may lie before a weekend.
DAYS_PER_MONTH, DAYS_PER_BUSINESS_DAY, DAYS_PER_HOLIDAY = 31, 1.4, 3
EARLIEST = datetime.min.replace(tzinfo=UTC)


def observations_at(pipeline: Pipeline, plan: RescorePlan) -> DataFrame:
    return table_at(pipeline.spark, pipeline.config.table_path("observations"), plan.source_version)


def is_between(column: str, begin: datetime, end: datetime) -> Column:
    return (F.col(column) >= F.lit(begin)) & (F.col(column) < F.lit(end))


def is_asked(error: str = "error") -> Column:
    """Whether an observation of a batch is one that its stream has asked the model about, by its `error`: with
    `forecast.at: latest` only the last one of each batch."""
    return ~F.col(error).eqNullSafe(NOT_LATEST)


@dataclass(frozen=True)
class ChunkAnswers:
    """scored: the windows with the model's output. forecasts: the columns of `rescored_forecasts`; observations: of
    `rescored_observations`, and HAD_FORECAST."""

    scored: DataFrame
    forecasts: DataFrame
    observations: DataFrame


@contextmanager
def chunk_answers(pipeline: Pipeline, plan: RescorePlan, chunk: Chunk) -> Iterator[ChunkAnswers]:
    series = series_of(pipeline)
    leads = pipeline.exogenous.leads(plan.exogenous)
    windows = chunk_windows(pipeline, plan, chunk, leads)
    answers = answered(
        windows.withColumn("planned_at", F.lit(plan.planned_at)),
        lambda asked: pipeline.the_selector.scorer(plan.model).answer(asked, pipeline.the_selector.contract),
        series,
        latest_only=False,
        refused_reasons=refused_reasons(pipeline.the_selector.scorer(plan.model).metadata),
    )
    with persisted(answers) as scored:
        judged = with_gaps(pipeline, plan, chunk, scored)
        number = F.lit(plan.number).cast("long").alias(RESCORE_ID.name)
        model = version_columns(plan.model)
        scored_at = F.col("planned_at").alias("scored_at")
        observed = judged.select(
            "query_id", "batch_id", "series_id", "ds", "error", *model, scored_at, number, HAD_FORECAST
        )
        yield ChunkAnswers(
            scored=scored,
            forecasts=forecast_rows(scored, series, model=model).select("*", number),
            observations=observed,
        )


def some_series(pipeline: Pipeline, plan: RescorePlan, chunk: Chunk, rows: int) -> DataFrame:
    """The series_id of that many of the chunk's observations, as they lie in their files; some more than once."""
    asked = observations_at(pipeline, plan).where(is_between("ds", *span_of(chunk)) & is_in_use() & is_asked())
    return asked.select("series_id").limit(rows)


def series_of(pipeline: Pipeline) -> SeriesConfig:
    """Every observation that is asked for counts as new: none of them is answered by what the stream knew before."""
    return pipeline.config.the_series.model_copy(update={"revisions": "first"})


def chunk_windows(
    pipeline: Pipeline, plan: RescorePlan, chunk: Chunk, leads: Leads | None, *, of: DataFrame | None = None
) -> DataFrame:
    """The windows of a chunk's observations, each with the query and batch that accepted it. of: only those of these
    series, a few."""
    series, (begin, end) = series_of(pipeline), span_of(chunk)
    table = observations_at(pipeline, plan).where(is_between("ds", first_read(begin, series), end))
    if of is not None:
        table = table.join(F.broadcast(of), on="series_id", how="left_semi")
    # One shuffle for all windows of the chunk, each within a series.
    valid = newest_of_each_ds(table.repartition("series_id"), **{HAD_FORECAST: F.max(has_forecast())})
    is_old = F.col("ds") < F.lit(begin)
    arranged = valid.withColumnRenamed("error", ERROR_BEFORE).withColumns(
        {HASH: F.xxhash64("series_id"), PLACE: F.when(is_old, F.lit(OLD)).otherwise(F.lit(NEW))}
    )
    numbered = arranged.withColumns(
        {
            NUMBER: F.when(is_old, F.row_number().over(in_series().orderBy("ds"))).cast("long"),
            LAST_NUMBER: F.count_if(is_old).over(in_series()),
        }
    )
    windows = windowed(numbered, series, carried=("query_id", "batch_id", ERROR_BEFORE, HAD_FORECAST))
    asked = windows.where((F.col(PLACE) == NEW) & is_asked(ERROR_BEFORE))
    return with_leads(asked, leads, series, of=numbered)


def span_of(chunk: Chunk) -> tuple[datetime, datetime]:
    return cast("datetime", chunk.begin), cast("datetime", chunk.end)


def first_read(begin: datetime, series: SeriesConfig) -> datetime:
    """A time at or before the period that is keep_lags before `begin`."""
    calendar, periods = Calendar.of_series(series), series.keep_lags
    if calendar.microseconds:
        back = timedelta(microseconds=calendar.microseconds * periods)
    elif calendar.business_days:
        days = calendar.business_days * periods * DAYS_PER_BUSINESS_DAY
        back = timedelta(days=days + 7 + DAYS_PER_HOLIDAY * len(calendar.holidays))
    else:
        back = timedelta(days=DAYS_PER_MONTH * (calendar.months * periods + 1))
    return begin - back if begin - EARLIEST > back else EARLIEST


def with_gaps(pipeline: Pipeline, plan: RescorePlan, chunk: Chunk, scored: DataFrame) -> DataFrame:
    """The answers with `gap` in place of `warming_up` in series that have observations before those that were read."""
    warming_up = (WARMING_UP, f"{FALLBACK}: {WARMING_UP}")
    doubtful = scored.where(F.col("error").isin(*warming_up)).select("series_id").distinct()
    if doubtful.isEmpty():
        return scored
    begin, _ = span_of(chunk)
    is_earlier = (F.col("ds") < F.lit(first_read(begin, series_of(pipeline)))) & is_in_use()
    earlier = observations_at(pipeline, plan).where(is_earlier).select("series_id").distinct()
    interrupted = earlier.join(F.broadcast(doubtful), on="series_id", how="left_semi")
    marked = scored.join(F.broadcast(interrupted.withColumn("_is_longer", F.lit(True))), on="series_id", how="left")
    is_gap = F.col("_is_longer") & F.col("error").isin(*warming_up)
    error = F.when(is_gap, F.regexp_replace("error", WARMING_UP, GAP)).otherwise(F.col("error"))
    return marked.withColumn("error", error)
