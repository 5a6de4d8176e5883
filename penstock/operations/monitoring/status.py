"""A pipeline's status, read from its lease, inbox and tables without Spark."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from penstock.config.experiment import Mode
from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError
from penstock.operations.monitoring.experiment_status import ExperimentStatus, read_experiment
from penstock.operations.monitoring.ledger_summary import read_summary
from penstock.pipeline.evaluation.record import EvaluationRecord
from penstock.pipeline.evaluation.records import last_record
from penstock.pipeline.plan import Plan, newest_plan
from penstock.pipeline.stop_file import running_writer
from penstock.schemas.table_types import Workload
from penstock.sources.listing import walk_inbox
from penstock.storage.delta_reader import reason_of
from penstock.storage.duckdb_tables import QUERY_ERRORS, connect_tables, registered
from penstock.storage.files import Storage
from penstock.storage.key_set import KeySet
from penstock.storage.routing import storage_of

QUARANTINE_WINDOW = timedelta(hours=24)

LAST_BATCH = """
SELECT batch_id, started_at, finished_at, rows_in, accepted, quarantined, failed, files_refused,
       versions['champion'] AS version, refused_versions, without_forecast, series, series_without_forecast
FROM batches ORDER BY finished_at DESC LIMIT 1
"""
#: The first batch after the last one that had another version.
VERSION_SINCE = """
SELECT min(started_at) FROM batches
WHERE started_at > coalesce((SELECT max(started_at) FROM batches WHERE versions['champion'] <> $version),
                            TIMESTAMPTZ '1970-01-01')
"""
#: Values within a reason are masked, so that equal causes are counted together.
QUARANTINE = """
SELECT stage, regexp_replace(reason, '''.*''', '''...''') AS reason, count(*) AS entries
FROM (SELECT stage, unnest(reasons) AS reason FROM quarantine WHERE quarantined_at >= $since AND replayed_in IS NULL)
GROUP BY ALL ORDER BY entries DESC, reason
"""


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class LastBatch(Part):
    """The batch that finished last. rows_per_second: over its whole duration; null if that is 0.

    without_forecast: accepted observations that have none, by the kind of their reason. series: how many the batch has
    observations of, and how many of them it made no forecast for. Null for rows, and where the batch did not count
    them.
    """

    batch_id: int
    finished_at: datetime
    age_seconds: float
    seconds: float
    rows_in: int
    rows_per_second: float | None
    accepted: int
    quarantined: int
    failed: int
    files_refused: int
    without_forecast: dict[str, int] | None = None
    series: int | None = None
    series_without_forecast: int | None = None

    @property
    def with_forecast(self) -> int | None:
        return None if self.without_forecast is None else self.accepted - sum(self.without_forecast.values())


class ModelInUse(Part):
    """The version of the last batch. since: when its first batch began. refused: newer versions, with reasons."""

    name: str
    version: str
    since: datetime
    refused: dict[str, str]


class CandidateInUse(Part):
    """The second version of the newest plan. key: the columns that decide which rows it answers; empty: all of them.
    is_bake: it was the champion before."""

    version: str
    mode: Mode
    fraction: float
    key: tuple[str, ...]
    began_at: datetime
    is_bake: bool


class Reason(Part):
    """entries: quarantined rows or refused files with this reason."""

    stage: str
    reason: str
    entries: int


class Status(Part):
    """running: the process that holds the lease, null if none. backlog_files: files in the inbox and in no batch yet.
    last_evaluation: null before the first one; final ones are left out.

    model: null also in a pipeline of labels. quarantine: of the last 24 hours, without replayed entries, the most
    frequent reason first. candidate: null where the champion answers alone. refused_candidates: the version that
    experiment.alias points to, with the reason, if it is refused. experiment: how it stands, and which decisions wait;
    null without one.
    """

    pipeline: str
    workload: Workload
    running: str | None
    last_batch: LastBatch | None
    backlog_files: int
    model: ModelInUse | None
    quarantine: tuple[Reason, ...]
    last_evaluation: EvaluationRecord | None = None
    candidate: CandidateInUse | None = None
    refused_candidates: dict[str, str] = Field(default_factory=dict)
    experiment: ExperimentStatus | None = None


def read_status(config: PipelineConfig) -> Status:
    """Raises EnvironmentCheckError if the inbox is not a folder or a table can't be read, LeaseError, LedgerError or
    PlanError if a record of an evaluation, a decision or the newest plan is damaged, OSError."""
    try:
        return status_now(config)
    except QUERY_ERRORS as error:
        root, reason = config.tables.root, reason_of(error)
        raise EnvironmentCheckError(
            f"the tables in {root} can't be read: {reason}; look for missing or damaged files there"
        ) from None


def status_now(config: PipelineConfig) -> Status:
    storage = storage_of(config)
    plan = newest_plan(storage, config.checkpoint) if config.experiment else None
    holder = running_writer(config, storage)
    tables = connect_tables(config, ("quarantine",))
    is_quarantine_there = "quarantine" in registered(tables)
    now = datetime.fromtimestamp(time.time(), tz=UTC)
    ledger = read_summary(config)
    if ledger is not None:
        tables.register("batches", ledger.batches)
    row = first(tables, LAST_BATCH) if ledger is not None else None
    return Status(
        pipeline=config.pipeline,
        workload=config.workload,
        running=str(holder) if holder else None,
        last_batch=last_batch(row, now=now) if row else None,
        backlog_files=backlog(storage, config, ledger.paths if ledger else KeySet()),
        model=model_in_use(tables, config, row) if row else None,
        quarantine=quarantine(tables, since=now - QUARANTINE_WINDOW) if is_quarantine_there else (),
        last_evaluation=last_record(storage, config.tables.root),
        candidate=candidate_in_use(plan) if plan else None,
        refused_candidates=plan.refused_candidates if plan else {},
        experiment=read_experiment(config, storage, now=now),
    )


def first(tables: duckdb.DuckDBPyConnection, sql: str, **parameters: Any) -> dict[str, Any] | None:
    """The first row by column name."""
    found = tables.execute(sql, parameters)
    names = [column[0] for column in found.description or ()]
    row = found.fetchone()
    return dict(zip(names, row, strict=True)) if row else None


def last_batch(row: dict[str, Any], *, now: datetime) -> LastBatch:
    seconds = (row["finished_at"] - row["started_at"]).total_seconds()
    return LastBatch(
        **{name: row[name] for name in LastBatch.model_fields if name in row},
        age_seconds=round((now - row["finished_at"]).total_seconds(), 1),
        seconds=round(seconds, 1),
        rows_per_second=round(row["rows_in"] / seconds, 1) if seconds > 0 else None,
    )


def model_in_use(tables: duckdb.DuckDBPyConnection, config: PipelineConfig, row: dict[str, Any]) -> ModelInUse | None:
    if config.model is None or row["version"] is None:
        return None
    [(since,)] = tables.execute(VERSION_SINCE, {"version": row["version"]}).fetchall()
    refused = dict(row["refused_versions"] or {})
    return ModelInUse(name=config.the_model.name, version=row["version"], since=since, refused=refused)


def candidate_in_use(plan: Plan) -> CandidateInUse | None:
    candidate, experiment = plan.candidate, plan.experiment
    if candidate is None or experiment is None:
        return None
    return CandidateInUse(version=candidate.version, **experiment.model_dump(exclude={"salt"}))


def backlog(storage: Storage, config: PipelineConfig, done: KeySet) -> int:
    try:
        waiting = KeySet(path for path, _ in walk_inbox(storage, config.source))
    except EnvironmentCheckError:
        if len(done):
            raise
        return 0  # the pipeline never ran, and its inbox does not exist yet
    waiting.subtract(done)
    return len(waiting)


def quarantine(tables: duckdb.DuckDBPyConnection, *, since: datetime) -> tuple[Reason, ...]:
    rows = tables.execute(QUARANTINE, {"since": since}).fetchall()
    return tuple(Reason(stage=stage, reason=reason, entries=entries) for stage, reason, entries in rows)
