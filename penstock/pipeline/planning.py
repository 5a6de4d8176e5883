"""Obtains the plan of a micro-batch: the one that exists, or a new one, fixed before anything is written."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from pyspark.sql import DataFrame

from penstock.errors import PlanError
from penstock.pipeline.attempts import UNEXPLAINED, Attempt
from penstock.pipeline.code_version import discard_plan_of_other_code, own_version
from penstock.pipeline.context import Pipeline
from penstock.pipeline.inbox_place import finished_at_former_places
from penstock.pipeline.ledger import plan_before_resume
from penstock.pipeline.model_choice import ModelChoice, choose_models, planned_experiment
from penstock.pipeline.plan import (
    SCORING_VERSION,
    LateReplay,
    Plan,
    QuarantineReplay,
    changed_files,
    fix_plan,
    plan_path,
    read_plan,
    replace_plan,
)
from penstock.pipeline.workload import workload_of
from penstock.sources.admission import admit_files
from penstock.sources.checkpoint import Arrival, arrivals
from penstock.sources.culprits import Trial, tried_alone, without_unreadable
from penstock.sources.deadly_files import admit_alone
from penstock.sources.file_times import has_age_limit, warn_of_future_times
from penstock.sources.files import PlannedFile
from penstock.sources.listing import is_input, walk_inbox
from penstock.sources.reading import accepted_rows, checked_rows
from penstock.spark.errors import SPARK_ERRORS
from penstock.storage.delta_transactions import has_written

log = logging.getLogger(__name__)


def obtain_plan(pipeline: Pipeline, *, query_id: str, batch_id: int, attempt: Attempt) -> Plan:
    """The batch's plan. Raises PlanError, ModelRefusedError, RegistryUnavailableError, StorageError."""
    config, storage = pipeline.config, pipeline.storage
    path = plan_path(config.checkpoint, batch_id)
    plan = read_plan(storage, path)
    if plan is None or discard_plan_of_other_code(pipeline, plan, path):
        plan = fix_plan(storage, path, make_plan(pipeline, query_id=query_id, batch_id=batch_id, attempt=attempt))
        is_new = True
    else:
        log.info(
            "batch %d: runs again from its plan of %s",
            batch_id,
            plan.planned_at.isoformat(timespec="seconds"),
        )
        is_new = False
    if plan.query_id != query_id:
        raise PlanError(
            f"{path}: is a plan of query {plan.query_id}, and the checkpoint is of query {query_id}: was it emptied in "
            "part only? Start with --resume-from-ledger and a checkpoint folder that does not exist"
        )
    return plan if is_new else revised(pipeline, plan, attempt)


def revised(pipeline: Pipeline, plan: Plan, attempt: Attempt) -> Plan:
    """The plan of an earlier run. As long as nothing is written by it, it is made again where its files are others now
    or its exogenous values are gone, and amended where one of them ends the process that reads it."""
    config, storage = pipeline.config, pipeline.storage
    changed, is_lost = changed_files(plan, storage), pipeline.exogenous.are_lost(plan)
    if not (changed or is_lost or attempt.is_suspicious) or has_written(config, plan.transaction(config.pipeline)):
        return plan
    if changed and next(walk_inbox(storage, config.source), None) is None:
        raise PlanError(
            f"{plan.described}: {changed[0]} was planned and is gone, and {config.source.path} has no file at all: is "
            "it mounted? If its files were removed on purpose, deliver another one and start again: the batch is then "
            "planned without those that are gone"
        )
    if changed:
        log.warning(
            "%s: files changed or vanished before anything of it was written, and it is planned again: %s",
            plan.described,
            ", ".join(changed),
        )
    if changed or is_lost:
        plan = make_plan(pipeline, query_id=plan.query_id, batch_id=plan.batch_id, attempt=attempt)
    else:
        plan = plan.model_copy(update={"files": tuple(tried_files(pipeline, plan.files, attempt))})
    replace_plan(storage, plan_path(config.checkpoint, plan.batch_id), plan)
    return plan


def make_plan(pipeline: Pipeline, *, query_id: str, batch_id: int, attempt: Attempt) -> Plan:
    config = pipeline.config
    listed = arrivals(pipeline.storage, config.checkpoint, batch_id)
    inputs = [arrival for arrival in listed if is_input(arrival.path, config.source.path)]
    files = admit_arrivals(pipeline, inputs, attempt)
    if attempt.is_suspicious:
        files = tried_files(pipeline, files, attempt)
    try:
        choice = choose_model(pipeline, files, batch_id=batch_id, attempt=attempt)
    except SPARK_ERRORS:
        readable = readable_files(pipeline, files)
        if readable is None:
            raise
        files = readable
        choice = choose_model(pipeline, files, batch_id=batch_id, attempt=attempt)
    return new_plan(pipeline, query_id=query_id, batch_id=batch_id, files=files, choice=choice)


def new_plan(
    pipeline: Pipeline,
    *,
    query_id: str,
    batch_id: int,
    files: Sequence[PlannedFile],
    choice: ModelChoice | None,
    replay: QuarantineReplay | LateReplay | None = None,
) -> Plan:
    """A plan over what config, contract and tables are now. choice: None in a pipeline without a model."""
    config, now = pipeline.config, datetime.now(UTC)
    return Plan(
        query_id=query_id,
        batch_id=batch_id,
        planned_at=now,
        contract_hash=pipeline.contract_hash,
        config_hash=config.meaning_hash,
        files=tuple(files),
        models=choice.models if choice else (),
        lags_version=workload_of(config).lags_version(pipeline.spark, config),
        refused_versions=choice.champion.refused if choice else {},
        resolved_at=choice.champion.resolved_at if choice else now,
        probed=choice.champion.probed if choice else True,
        replay=replay,
        penstock=own_version(),
        scoring_version=SCORING_VERSION,
        exogenous=pipeline.exogenous.pin(),
        experiment=planned_experiment(config, choice, planned_at=now) if choice else None,
        paused_experiment=choice.paused if choice else None,
        refused_candidates=choice.candidate.refused if choice else {},
    )


def admit_arrivals(pipeline: Pipeline, arrived: list[Arrival], attempt: Attempt) -> list[PlannedFile]:
    """A verdict for each file; those that the ledger has from an earlier query, or a replay, are done."""
    warn_of_future_times(arrived, pipeline.config.source)
    done = files_in_ledger(pipeline, arrived) if others_may_have(pipeline) else {}
    fresh = [arrival for arrival in arrived if arrival not in done]
    admitted = admitted_files(pipeline, fresh, attempt)
    already = [
        PlannedFile(path=arrival.path, verdict="done", modified_milliseconds=arrival.modified_milliseconds)
        for arrival in done
    ]
    moved = finished_at_former_places(pipeline, admitted)
    return already + [as_done(file) if file.path in moved else file for file in admitted]


def admitted_files(pipeline: Pipeline, arrived: Sequence[Arrival], attempt: Attempt) -> list[PlannedFile]:
    """A verdict for each; one by one where the process has ended before, which to open one of them may have done."""
    storage, source, contract = pipeline.storage, pipeline.config.source, pipeline.contract
    if not attempt.is_suspicious:
        return admit_files(arrived, storage=storage, source=source, contract=contract)
    files = admit_alone(
        arrived, storage=storage, source=source, contract=contract, deaths=attempt.deaths, mark=attempt.mark
    )
    attempt.mark(None)
    return files


def as_done(file: PlannedFile) -> PlannedFile:
    return PlannedFile(path=file.path, verdict="done", modified_milliseconds=file.modified_milliseconds)


def others_may_have(pipeline: Pipeline) -> bool:
    """Whether a file that is new to the stream may be done: after a resume, or where the stream forgets files, one of
    which a replay may have taken."""
    return bool(pipeline.old_queries) or has_age_limit(pipeline.config.source)


def readable_files(pipeline: Pipeline, files: Sequence[PlannedFile]) -> list[PlannedFile] | None:
    """See `without_unreadable`."""
    return without_unreadable(
        files,
        spark=pipeline.spark,
        storage=pipeline.storage,
        contract=pipeline.contract,
        source=pipeline.config.source,
    )


def tried_files(pipeline: Pipeline, files: Sequence[PlannedFile], attempt: Attempt) -> list[PlannedFile]:
    """The files after each was read alone; see `tried_alone`."""
    trial = Trial(
        spark=pipeline.spark,
        storage=pipeline.storage,
        contract=pipeline.contract,
        source=pipeline.config.source,
    )
    tried = tried_alone(files, trial, deaths=attempt.deaths, mark=attempt.mark)
    attempt.mark(None)
    return tried


def files_in_ledger(pipeline: Pipeline, arrived: list[Arrival]) -> dict[Arrival, bool]:
    """The arrivals that an earlier query, or a replay, has in `batches.files` with the same modification time."""
    return dict.fromkeys(pipeline.done_files.among(arrived), True)


def choose_model(
    pipeline: Pipeline, files: list[PlannedFile], *, batch_id: int, attempt: Attempt
) -> ModelChoice | None:
    """The versions for this batch; None in a pipeline without a model. What the batch before used and refused stands in
    its plan."""
    config = pipeline.config
    if pipeline.selector is None:
        return None
    before = read_plan(pipeline.storage, plan_path(config.checkpoint, batch_id - 1))
    resumed = plan_before_resume(config, pipeline.storage, pipeline.old_queries) if batch_id == 0 else None

    def probe_rows() -> DataFrame | None:
        accepted = [file for file in files if file.verdict == "accepted"]
        rows = checked_rows(pipeline.spark, accepted, contract=pipeline.contract, source=config.source)
        if rows is None:
            return None
        return workload_of(config).model_rows(pipeline, accepted_rows(rows, pipeline.contract), accepted)

    blamed = UNEXPLAINED if attempt.is_unexplained else None
    return choose_models(pipeline, before=before, probe_rows=probe_rows, blamed=blamed, resumed=resumed)
