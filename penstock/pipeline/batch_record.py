"""Row counts of a micro-batch, read back from its commits and reconciled with its input."""

import posixpath
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from pyspark.sql import DataFrame, SparkSession

from penstock.errors import AccountingError
from penstock.models.fleet_check import fitted_until
from penstock.pipeline.batch import MicroBatch
from penstock.pipeline.code_version import code_version
from penstock.pipeline.plan import LateReplay, Plan
from penstock.pipeline.shadow_counts import CHAMPION_FAILED, ShadowCount, count_shadow
from penstock.pipeline.workload import workload_of
from penstock.schemas.tables import BATCHES
from penstock.series.reasons import kind_of
from penstock.sources.files import PlannedFile
from penstock.sources.listing import is_overlooked
from penstock.spark.commit_log import Groups, committed_groups
from penstock.spark.local_frames import local_frame
from penstock.spark.series_counts import SeriesCount, committed_observations


@dataclass(frozen=True, kw_only=True)
class FileCount:
    """Rows of one file: accepted (of them failed: the model gave an error) and quarantined."""

    accepted: int = 0
    failed: int = 0
    quarantined: int = 0

    @property
    def rows(self) -> int:
        return self.accepted + self.quarantined


@dataclass(frozen=True, kw_only=True)
class ForecastCount:
    """Of a batch of series. without_forecast: accepted observations that have none of a VAR, by the kind of their
    reason, those on which the model failed too. series: see SeriesCount."""

    without_forecast: dict[str, int]
    series: SeriesCount

    @property
    def observations_without(self) -> int:
        return sum(self.without_forecast.values())


@dataclass(frozen=True, kw_only=True)
class BatchRecord:
    """A finished micro-batch, as its row in `batches` has it. forecasts: None without series, and for a recomputation,
    into which no row comes. outcomes: accepted rows by the kind of their `error`, but for failures of the model.
    fitted_until: the newest observation that the model was fitted on, None where nobody knows it. shadow: None without
    a candidate, and for a recomputation. model_seconds: in Python workers, by
    role; None where they were not measured.
    """

    plan: Plan
    pipeline: str
    counts: dict[str, FileCount]
    forecasts: ForecastCount | None = None
    outcomes: dict[str, int] = field(default_factory=dict)
    started_at: datetime
    finished_at: datetime
    seconds: dict[str, float]
    fitted_until: datetime | None = None
    shadow: ShadowCount | None = None
    model_seconds: dict[str, float] | None = None

    @classmethod
    def of(cls, batch: MicroBatch, counted: "RowCounts") -> Self:
        """The record of a batch that is finished now."""
        return cls(
            plan=batch.plan,
            pipeline=batch.pipeline.config.pipeline,
            counts=counted.files,
            forecasts=counted.forecasts,
            outcomes=counted.outcomes,
            started_at=batch.started_at,
            finished_at=datetime.now(UTC),
            seconds=dict(batch.timings.seconds),
            fitted_until=end_of_fit(batch, counted),
            shadow=counted.shadow,
            model_seconds=batch.model_seconds.by_role(),
        )

    @property
    def accepted(self) -> int:
        return sum(count.accepted for count in self.counts.values())

    @property
    def failed(self) -> int:
        return sum(count.failed for count in self.counts.values())

    @property
    def quarantined(self) -> int:
        return sum(count.quarantined for count in self.counts.values())

    @property
    def with_forecast(self) -> int | None:
        """Accepted observations that have a forecast of a VAR; None where none are made of rows."""
        return self.accepted - self.forecasts.observations_without if self.forecasts else None

    @property
    def rows_in(self) -> int:
        return self.accepted + self.quarantined

    @property
    def files_refused(self) -> int:
        return len(self.plan.files_with("refused"))

    def as_frame(self, spark: SparkSession) -> DataFrame:
        """One row with the columns of `batches`, without query_id and batch_id."""
        plan, forecasts = self.plan, self.forecasts
        row = (
            self.pipeline,
            self.started_at,
            self.finished_at,
            [self.file_row(file) for file in plan.files],
            self.files_refused,
            self.rows_in,
            self.accepted,
            self.quarantined,
            self.failed,
            [(model.role, model.version) for model in plan.models],
            list(plan.refused_versions.items()),
            list(self.seconds.items()),
            plan.resolved_at if plan.models else None,
            sorted(forecasts.without_forecast.items()) if forecasts else None,
            forecasts.series.series if forecasts else None,
            forecasts.series.without_forecast if forecasts else None,
            self.fitted_until,
            *self.experiment_values,
        )
        schema = type(BATCHES.schema)(BATCHES.schema.fields[2:])
        return local_frame(spark, [row], schema)

    @property
    def experiment_values(self) -> tuple[dict[str, str] | None, int | None, int | None, dict[str, float] | None, str]:
        """The values of EXPERIMENT_OF_BATCHES."""
        experiment, shadow = self.plan.experiment, self.shadow
        # Beside the pair's settings: how often its champion failed, of the rows that both were asked for.
        counted = {CHAMPION_FAILED: str(shadow.champion_failed)} if shadow else {}
        return (
            {**experiment.as_texts, **counted} if experiment else None,
            shadow.rows if shadow else None,
            shadow.failed if shadow else None,
            self.model_seconds,
            code_version(),
        )

    def file_row(self, file: PlannedFile) -> tuple[str, int | None, datetime | None, int | None]:
        status = file.status
        is_read = file.verdict in ("accepted", "replayed")
        rows = self.counts.get(file.path, FileCount()).rows if is_read else None
        return file.path, file.length, status.modification_time if status else None, rows


@dataclass(frozen=True, kw_only=True)
class RowCounts:
    """Rows of a batch by file, what became of its observations (None for rows and labels), accepted rows by the kind of
    their `error`, but for failures of the model, and what its candidate did (None without one)."""

    files: dict[str, FileCount]
    forecasts: ForecastCount | None = None
    outcomes: dict[str, int] = field(default_factory=dict)
    shadow: ShadowCount | None = None


def end_of_fit(batch: MicroBatch, counted: RowCounts) -> datetime | None:
    """The newest observation that the model was fitted on; None without series, and for a batch that has not asked it,
    whose model may not be there any more."""
    plan, pipeline = batch.plan, batch.pipeline
    is_recomputation = isinstance(plan.replay, LateReplay)
    if pipeline.config.series is None or not (is_recomputation or any(f.accepted for f in counted.files.values())):
        return None
    return fitted_until(pipeline.the_selector.scorer(plan.champion).metadata)


def count_rows(batch: MicroBatch) -> RowCounts:
    """Read back from the batch's commits; nothing for a recomputation, into which no row comes.

    Raises AccountingError if a file whose rows were counted at admission has another number of them.
    """
    if isinstance(batch.plan.replay, LateReplay):
        return RowCounts(files={})
    counts = committed_counts(batch)
    for file in batch.plan.files_with("accepted"):
        found = counts.files.get(file.path, FileCount()).rows
        # A plan of an earlier version may have a summary (`_metadata`), whose footer counts the rows of other files.
        is_summary = found == 0 and is_overlooked(posixpath.basename(file.path))
        if file.rows is not None and file.rows != found and not is_summary:
            raise AccountingError(
                f"batch {batch.plan.batch_id}: {file.path} has {file.rows} rows in its footer, but {found} came out "
                "(scored and quarantined); the batch is not marked as done. Please report this with the file"
            )
    return counts


def committed_counts(batch: MicroBatch) -> RowCounts:
    """The counts over the accepted rows' table and the quarantine's rows."""
    workload = workload_of(batch.pipeline.config)
    accepted, failed, quarantined, outcomes = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    rows, forecasts = accepted_groups(batch)
    for (path, error), number in rows.items():
        accepted[path] += number
        if error is not None:
            is_failure = workload.is_failure(error)
            failed[path] += number if is_failure else 0
            outcomes[kind_of(error)] += number if not is_failure else 0
    for (path, stage), number in groups(batch, "quarantine", column="stage").items():
        quarantined[path] += number if stage != "file" else 0
    files = {
        path: FileCount(accepted=accepted[path], failed=failed[path], quarantined=quarantined[path])
        for path in accepted | quarantined
    }
    return RowCounts(files=files, forecasts=forecasts, outcomes=dict(+outcomes), shadow=count_shadow(batch))


def accepted_groups(batch: MicroBatch) -> tuple[Groups, ForecastCount | None]:
    """The accepted rows by source file and error."""
    pipeline, table = batch.pipeline, workload_of(batch.pipeline.config).rows_table
    if pipeline.config.series is None:
        return groups(batch, table, column="error"), None
    rows, series = committed_observations(pipeline.spark, pipeline.storage, batch.table_path(table), batch.transaction)
    without = Counter[str]()
    for (_, error), number in rows.items():
        if error is not None:
            without[kind_of(error)] += number
    return rows, ForecastCount(without_forecast=dict(without), series=series)


def groups(batch: MicroBatch, table: str, *, column: str) -> Groups:
    pipeline = batch.pipeline
    return committed_groups(pipeline.spark, pipeline.storage, batch.table_path(table), batch.transaction, column=column)
