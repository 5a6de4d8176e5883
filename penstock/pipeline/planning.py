"""Obtains the plan of a micro-batch: the one that exists, or a new one, fixed before anything is written."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.config.pipeline import MAX_FILE_AGE_SECONDS
from penstock.errors import PlanError
from penstock.models.selection import Selection
from penstock.pipeline.context import Pipeline
from penstock.pipeline.ledger import ledger_files
from penstock.pipeline.plan import LateReplay, Plan, QuarantineReplay, fix_plan, plan_path, read_plan
from penstock.pipeline.replay.plans import REPLAY_QUERY, replay_numbers
from penstock.pipeline.workload import workload_of
from penstock.sources.admission import admit_files
from penstock.sources.checkpoint import Arrival, arrivals
from penstock.sources.files import PlannedFile
from penstock.sources.listing import is_input
from penstock.sources.reading import accepted_rows, checked_rows
from penstock.sources.verification import without_damage
from penstock.spark.errors import SPARK_ERRORS

log = logging.getLogger(__name__)


def obtain_plan(pipeline: Pipeline, *, query_id: str, batch_id: int) -> Plan:
    """The batch's plan. Raises PlanError, ModelRefusedError, RegistryUnavailableError."""
    config, storage = pipeline.config, pipeline.storage
    path = plan_path(config.checkpoint, batch_id)
    plan = read_plan(storage, path)
    if plan is None:
        plan = fix_plan(storage, path, make_plan(pipeline, query_id=query_id, batch_id=batch_id))
    else:
        log.info(
            "batch %d: runs again from its plan of %s",
            batch_id,
            plan.planned_at.isoformat(timespec="seconds"),
        )
    if plan.query_id != query_id:
        raise PlanError(
            f"{path}: is a plan of query {plan.query_id}, and the checkpoint is of query {query_id}: was it emptied in "
            "part only? Start with --resume-from-ledger and a checkpoint folder that does not exist"
        )
    return plan


def make_plan(pipeline: Pipeline, *, query_id: str, batch_id: int) -> Plan:
    config = pipeline.config
    listed = arrivals(pipeline.storage, config.checkpoint, batch_id)
    files = admit_arrivals(pipeline, [arrival for arrival in listed if is_input(arrival.path, config.source.path)])
    try:
        choice = choose_model(pipeline, files, batch_id=batch_id)
    except SPARK_ERRORS:
        undamaged = without_damage(files, storage=pipeline.storage, contract=pipeline.contract)
        if undamaged is None:
            raise
        files = undamaged
        choice = choose_model(pipeline, files, batch_id=batch_id)
    return new_plan(pipeline, query_id=query_id, batch_id=batch_id, files=files, choice=choice)


def new_plan(
    pipeline: Pipeline,
    *,
    query_id: str,
    batch_id: int,
    files: Sequence[PlannedFile],
    choice: Selection,
    replay: QuarantineReplay | LateReplay | None = None,
) -> Plan:
    """A plan over what config, contract and tables are now."""
    config = pipeline.config
    return Plan(
        query_id=query_id,
        batch_id=batch_id,
        planned_at=datetime.now(UTC),
        contract_hash=pipeline.contract_hash,
        config_hash=config.meaning_hash,
        files=tuple(files),
        models=(choice.pinned,),
        lags_version=workload_of(config).lags_version(pipeline.spark, config),
        refused_versions=choice.refused,
        resolved_at=choice.resolved_at,
        probed=choice.probed,
        replay=replay,
    )


def admit_arrivals(pipeline: Pipeline, arrived: list[Arrival]) -> list[PlannedFile]:
    """A verdict for each file; those that the ledger has from an earlier query, or a replay, are done."""
    done = files_in_ledger(pipeline, arrived) if others_may_have(pipeline) else {}
    fresh = [arrival for arrival in arrived if arrival not in done]
    admitted = admit_files(fresh, storage=pipeline.storage, source=pipeline.config.source, contract=pipeline.contract)
    already = [
        PlannedFile(path=arrival.path, verdict="done", modified_milliseconds=arrival.modified_milliseconds)
        for arrival in done
    ]
    return already + admitted


def others_may_have(pipeline: Pipeline) -> bool:
    """Whether a file that is new to the stream may be done: after a resume, or where the stream forgets files, one of
    which a replay has taken."""
    config = pipeline.config
    forgets = config.source.max_file_age < MAX_FILE_AGE_SECONDS
    return bool(pipeline.old_queries) or (forgets and bool(replay_numbers(config, pipeline.storage)))


def files_in_ledger(pipeline: Pipeline, arrived: list[Arrival]) -> dict[Arrival, bool]:
    """The arrivals that an earlier query, or a replay, has in `batches.files` with the same modification time."""
    earlier = F.col("query_id").isin(*pipeline.old_queries, REPLAY_QUERY)
    file = ledger_files(pipeline.spark, pipeline.config).where(earlier)
    known = {
        (row["path"], row["milliseconds"])
        for row in file.select("path", F.unix_millis("modification_time").alias("milliseconds"))
        .where(F.col("path").isin([arrival.path for arrival in arrived]))
        .collect()
    }
    return {arrival: True for arrival in arrived if (arrival.path, arrival.modified_milliseconds) in known}


def choose_model(pipeline: Pipeline, files: list[PlannedFile], *, batch_id: int) -> Selection:
    """The version for this batch. What the batch before used and refused stands in its plan."""
    config = pipeline.config
    before = read_plan(pipeline.storage, plan_path(config.checkpoint, batch_id - 1))

    def probe_rows() -> DataFrame | None:
        accepted = [file for file in files if file.verdict == "accepted"]
        rows = checked_rows(pipeline.spark, accepted, contract=pipeline.contract, source=config.source)
        if rows is None:
            return None
        return workload_of(config).model_rows(pipeline, accepted_rows(rows, pipeline.contract), accepted)

    return pipeline.selector.choose(before=selection_of(before), probe_rows=probe_rows)


def selection_of(plan: Plan | None) -> Selection | None:
    """What a batch used and refused, for the one after it."""
    if plan is None:
        return None
    return Selection(
        pinned=plan.champion, refused=plan.refused_versions, resolved_at=plan.resolved_at, probed=plan.probed
    )
