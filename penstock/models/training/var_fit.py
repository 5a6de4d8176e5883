"""Fits a VAR to every series in Spark, by hash bucket."""

import logging
import math
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark import StorageLevel
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from penstock.errors import FitError
from penstock.udfs.var.bucket import BUCKET, IS_EXOGENOUS, PHASES, BucketSettings, bucket_fitter
from penstock.udfs.var.evaluation import Evaluation, evaluation_from_bytes, merge_evaluations
from penstock.udfs.var.fleet_fit import FleetFit, concatenate_fits, fit_from_bytes
from penstock.udfs.var.histories import SERIES_ID
from penstock.udfs.var.kernel import FloatArray, IntArray
from penstock.udfs.var.pooled_fit import pooled_var

#: A bucket is one UDF call: large enough to amortise its overhead, small enough for a worker's memory.
OBSERVATIONS_PER_BUCKET = 200_000
PROGRESS_SECONDS = 10.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FittedFleet:
    """ids, last_ds, conflicts (as in `Histories`): of the series in `fit`, as its positions count them. refused: (id,
    reason) of every refused series, ascending. evaluation: out of sample."""

    fit: FleetFit
    ids: NDArray[Any]
    last_ds: NDArray[np.datetime64]
    conflicts: IntArray
    refused: tuple[tuple[Any, str], ...]
    evaluation: Evaluation
    n_observations: int
    worker_seconds: dict[str, float]

    @property
    def fitted_ids(self) -> NDArray[Any]:
        return self.ids[self.fit.positions]

    @property
    def commonest_reasons(self) -> list[tuple[str, int]]:
        """Kinds of reasons (the text before the colon) and how many series have each, the most frequent first."""
        return Counter(reason.split(":")[0] for _, reason in self.refused).most_common()

    @property
    def scores(self) -> FloatArray:
        """(methods, 4 measures, k), of the hold-out, means over the series that have them; NaN if there is none."""
        return self.evaluation.holdout.means

    @property
    def scored(self) -> int:
        """How many series the hold-out's measures of the model are of."""
        return self.evaluation.holdout.n_series


def fit_series(
    spark: SparkSession, observations: DataFrame, settings: BucketSettings, *, exogenous: pa.Table | None = None
) -> FittedFleet:
    """observations: `FitData.frame`. exogenous: as `read_exogenous` has them; needed if the settings name some.

    Raises FitError if no series could be fitted, or no fallback.
    """
    counted = observations.agg(F.approx_count_distinct(SERIES_ID).alias("series"), F.count("*").alias("rows")).first()
    if counted is None or not counted["rows"]:
        raise FitError("there is no observation to fit on; do the files hold any, and is --until late enough?")
    n_buckets = bucket_count(counted["rows"], counted["series"], cores=spark.sparkContext.defaultParallelism)
    log.info("fitting about %s series, %s observations, in %d buckets", *map(thousands, counted), n_buckets)
    bucket = F.pmod(F.xxhash64(SERIES_ID), F.lit(n_buckets)).cast("int")
    rows, of_all_series = observations, exogenous
    if exogenous is not None and SERIES_ID in exogenous.schema.names:
        rows, of_all_series = with_exogenous_rows(spark, observations, exogenous, settings), None
    packed = rows.withColumn(BUCKET, bucket).repartition(n_buckets, BUCKET).groupBy(BUCKET)
    fitter = bucket_fitter(settings, exogenous=of_all_series)
    fitted = packed.applyInArrow(fitter, settings.result_schema).persist(StorageLevel.DISK_ONLY)
    try:
        with progress(spark, "fitting", of=n_buckets):
            fitted.count()
        # Bucket by bucket: all together may exceed spark.driver.maxResultSize.
        fleet = gather(list(fitted.toLocalIterator()), settings, n_observations=counted["rows"])
    finally:
        fitted.unpersist()
    log.info("%s", outcome(fleet))
    if not len(fleet.fit):
        raise FitError(f"no series could be fitted: {outcome(fleet)}; for example {fleet.refused[0][1]}")
    if settings.fit.fallback == "pooled":
        check_pooled(fleet.fit)
    return fleet


def with_exogenous_rows(
    spark: SparkSession, observations: DataFrame, exogenous: pa.Table, settings: BucketSettings
) -> DataFrame:
    """The observations, and below them the exogenous variables of their series, with IS_EXOGENOUS."""
    known = spark.createDataFrame(exogenous).withColumn(IS_EXOGENOUS, F.lit(True))
    if settings.ids_are_integers:
        own = F.col(SERIES_ID).try_cast("long")
        # as the stream, which compares texts: 007 is no series 7
        known = known.where(own.cast("string") == F.col(SERIES_ID)).withColumn(SERIES_ID, own)
    return observations.withColumn(IS_EXOGENOUS, F.lit(False)).unionByName(known, allowMissingColumns=True)


def check_pooled(fit: FleetFit) -> None:
    """Raises FitError if the fleet can't have a pooled VAR."""
    try:
        pooled_var(fit)
    except ValueError as error:
        raise FitError(f"fit.fallback: {error}") from None


def thousands(number: int) -> str:
    return f"{number:,}"


def bucket_count(n_observations: int, n_series: int, *, cores: int) -> int:
    """One bucket for little data, else enough for every core and small enough for memory."""
    if n_observations <= OBSERVATIONS_PER_BUCKET / 10:
        return 1
    return max(math.ceil(n_observations / OBSERVATIONS_PER_BUCKET), min(cores, n_series))


def gather(rows: Sequence[Row], settings: BucketSettings, *, n_observations: int) -> FittedFleet:
    """One fleet from the buckets' results. Ids ascend within a bucket, not across buckets."""
    kind = np.int64 if settings.ids_are_integers else object
    dates = [np.array(row["last_ds"], dtype="datetime64[us]") for row in rows]
    return FittedFleet(
        fit=concatenate_fits([fit_from_bytes(bytes(row["fit"]), settings.fit) for row in rows]),
        ids=np.concatenate([np.array(row["ids"], dtype=kind) for row in rows]),
        conflicts=np.concatenate([np.array(row["conflicts"], dtype=np.int64) for row in rows]),
        last_ds=np.concatenate(dates).astype("datetime64[ns]"),
        refused=tuple(
            sorted(pair for row in rows for pair in zip(row["refused_ids"], row["refused_reasons"], strict=True))
        ),
        evaluation=merge_evaluations([evaluation_from_bytes(bytes(row["evaluation"])) for row in rows]),
        n_observations=n_observations,
        worker_seconds={phase: sum(row["seconds"][i] for row in rows) for i, phase in enumerate(PHASES)},
    )


def outcome(fleet: FittedFleet) -> str:
    """`1,234 series fitted, 56 refused: too short 50, constant 6; 9 series have 12 holes, which leave out 96 rows`."""
    text = f"{len(fleet.fit):,} series fitted, {len(fleet.refused):,} refused"
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in fleet.commonest_reasons[:5])
    n_holes, n_rows = fleet.fit.n_holes, fleet.fit.rows_left_out
    is_any_left_out = n_holes.any() or n_rows.any()
    causes = "which, with missing exogenous variables," if fleet.fit.settings.exogenous else "which"
    holes = f"; {(n_holes > 0).sum():,} series have {n_holes.sum():,} holes, {causes} leave out {n_rows.sum():,} rows"
    if not n_holes.any():
        holes = f"; missing exogenous variables leave out {n_rows.sum():,} rows of {(n_rows > 0).sum():,} series"
    n_shorter, max_lags = (fleet.fit.lags_tried < fleet.fit.settings.max_lags).sum(), fleet.fit.settings.max_lags
    n_conflicts, n_of = fleet.conflicts.sum(), (fleet.conflicts > 0).sum()
    conflicts = f"; {n_conflicts:,} times of {n_of:,} series left out, for which a file has different values"
    shorter = f"; {n_shorter:,} series are too short for {max_lags} lags and were tried with fewer"
    parts = (
        (f": {reasons}", reasons),
        (holes, is_any_left_out),
        (conflicts, n_conflicts),
        (shorter, n_shorter),
    )
    return text + "".join(part for part, is_there in parts if is_there)


@contextmanager
def progress(spark: SparkSession, what: str, *, of: int) -> Iterator[None]:
    """Log every PROGRESS_SECONDS how many of the `of` tasks of the enclosed jobs are done."""
    context, group, is_over = spark.sparkContext, f"penstock-{uuid.uuid4().hex}", threading.Event()

    def watch() -> None:
        tracker, started = context.statusTracker(), time.monotonic()
        while not is_over.wait(PROGRESS_SECONDS):
            jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
            stages = [tracker.getStageInfo(stage) for job in jobs if job for stage in job.stageIds]
            done = max((stage.numCompletedTasks for stage in stages if stage and stage.numTasks == of), default=0)
            log.info("%s: %d of %d buckets done after %.0f s", what, done, of, time.monotonic() - started)

    context.setJobGroup(group, what)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()
        context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]
        context.setLocalProperty("spark.job.description", None)  # type: ignore[arg-type]
