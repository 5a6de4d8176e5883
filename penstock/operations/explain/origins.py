"""Where an answer came from: its micro-batch, its plan, and its file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PlanError
from penstock.models.pinned import PinnedModel
from penstock.operations.explain.report import Batch, File, PlanFacts, is_of_candidate
from penstock.operations.explain.tables import rows_of
from penstock.pipeline.plan import Plan, plan_path, read_plan
from penstock.pipeline.replay.plans import REPLAY_QUERY, replay_path
from penstock.pipeline.rescore.plans import RescorePlan, read_rescore, rescore_path
from penstock.schemas.contract import Contract
from penstock.series.exogenous_values import ExogenousSource
from penstock.sources.files import Layout
from penstock.sources.row_search.search import find_rows
from penstock.storage.duckdb_tables import registered
from penstock.storage.files import FileStatus
from penstock.storage.routing import storage_of


@dataclass(frozen=True, kw_only=True)
class LedgerFile:
    """A file as the ledger has it."""

    path: str
    length: int | None
    modification_time: datetime | None

    def is_now(self, status: FileStatus) -> bool:
        return status.length == self.length and status.modification_time == self.modification_time


@dataclass(frozen=True, kw_only=True)
class Origin:
    """files: of the batch, by path. plan: of the batch, None where it is not kept. rescore: the plan of the rescore
    that answered; None where there was none, or it is not kept. facts: of the plan that made the answer."""

    batch: Batch
    files: Mapping[str, LedgerFile]
    facts: PlanFacts
    plan: Plan | None
    rescore: RescorePlan | None = None

    @property
    def pinned(self) -> PinnedModel | None:
        """The version as the plan of the answer has it."""
        if self.batch.rescore_id is not None:
            return self.rescore.model if self.rescore else None
        if self.plan is None:
            return None
        return self.plan.candidate if is_of_candidate(self.batch.role) else self.plan.champion

    @property
    def sha256(self) -> str | None:
        """Of the version's files, which the plan of a rescore says."""
        return self.rescore.sha256 if self.rescore else None


def origin_of(
    connection: duckdb.DuckDBPyConnection, config: PipelineConfig, contract: Contract, row: Mapping[str, Any]
) -> Origin:
    """row: of predictions or forecasts."""
    query_id, batch_id = row["query_id"], row["batch_id"]
    found: list[dict[str, Any]] = []
    if "batches" in registered(connection):
        found = rows_of(
            connection,
            "SELECT started_at, finished_at, files FROM batches WHERE query_id = $query AND batch_id = $batch",
            query=query_id,
            batch=batch_id,
        )
    ledger = found[0] if found else {}
    files = {
        file["path"]: LedgerFile(path=file["path"], length=file["length"], modification_time=file["modification_time"])
        for file in ledger.get("files") or ()
    }
    facts, plan = plan_of(config, contract, query_id, batch_id)
    rescore = None
    if row.get("rescore_id") is not None:
        facts, rescore = rescore_of(config, contract, row["rescore_id"])
    batch = Batch(
        query_id=query_id,
        batch_id=batch_id,
        started_at=ledger.get("started_at"),
        finished_at=ledger.get("finished_at"),
        scored_at=row["scored_at"],
        role=row["role"],
        rescore_id=row.get("rescore_id"),
    )
    return Origin(batch=batch, files=files, facts=facts, plan=plan, rescore=rescore)


def plan_of(config: PipelineConfig, contract: Contract, query_id: str, batch_id: int) -> tuple[PlanFacts, Plan | None]:
    storage = storage_of(config)
    path = replay_path(config, batch_id) if query_id == REPLAY_QUERY else plan_path(config.checkpoint, batch_id)
    try:
        plan = read_plan(storage, path)
    except (PlanError, OSError) as error:
        return PlanFacts(missing=f"{path} can't be read: {error}"), None
    if plan is None:
        return PlanFacts(missing=f"{path} is not kept"), None
    if plan.query_id != query_id:
        return PlanFacts(missing=f"the checkpoint is of another query ({plan.query_id})"), None
    return facts_of(config, contract, plan, path), plan


def rescore_of(config: PipelineConfig, contract: Contract, number: int) -> tuple[PlanFacts, RescorePlan | None]:
    path = rescore_path(config, number)
    try:
        plan = read_rescore(config, storage_of(config), number)
    except (PlanError, OSError) as error:
        return PlanFacts(missing=f"{path} can't be read: {error}"), None
    if plan is None:
        return PlanFacts(missing=f"{path} is not kept"), None
    return facts_of(config, contract, plan, path), plan


def facts_of(config: PipelineConfig, contract: Contract, plan: Plan | RescorePlan, path: str) -> PlanFacts:
    return PlanFacts(
        path=path,
        planned_at=plan.planned_at,
        contract_hash=plan.contract_hash,
        has_same_contract=plan.contract_hash == contract.content_hash,
        config_hash=plan.config_hash,
        has_same_config=plan.config_hash == config.meaning_hash,
        code=plan.penstock or "0.2.0 or earlier",
    )


def exogenous_source(origin: Origin) -> ExogenousSource | None:
    """What the answer's plan names; of a rescore, what its own plan names. None where nothing is kept of it."""
    if origin.batch.rescore_id is None:
        return origin.plan.exogenous if origin.plan else None
    return origin.rescore.exogenous if origin.rescore else None


def file_of(config: PipelineConfig, contract: Contract, origin: Origin, path: str, wanted: Mapping[str, Any]) -> File:
    """wanted: values of the row, by field name."""
    storage, ledger = storage_of(config), origin.files.get(path)
    try:
        status = storage.status(path)
    except OSError as error:
        status, now = None, f"unknown: {error}"
    else:
        now = state_of(ledger, status)
    found = None
    if status is not None:
        found = find_rows(
            storage,
            path,
            wanted,
            length=status.length,
            source=config.source,
            contract=contract,
            layout=layout_of(origin, path, status),
        )
    return File(
        path=path,
        length=ledger.length if ledger else None,
        modified_at=ledger.modification_time if ledger else None,
        now=now,
        found=found,
    )


def state_of(ledger: LedgerFile | None, status: FileStatus | None) -> str:
    if status is None:
        return "gone"
    if ledger is None or ledger.length is None:
        return "there; the ledger does not say how it was"
    if ledger.is_now(status):
        return "unchanged"
    return f"changed: {status.length:,} bytes of {status.modification_time:%Y-%m-%d %H:%M:%S} now"


def layout_of(origin: Origin, path: str, status: FileStatus) -> Layout | None:
    """As planned, of a file that is as it was."""
    planned = [file for file in origin.plan.files if file.path == path] if origin.plan else []
    return planned[0].layout if planned and planned[0].status == status else None
