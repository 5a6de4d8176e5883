"""Removes obsolete small files: plans of finished batches, copies of exogenous values, and temporary files of dead
processes."""

import re
import time
from datetime import UTC, datetime, timedelta

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PlanError
from penstock.pipeline.evaluation.plans import evaluation_done_path, evaluation_path
from penstock.pipeline.evaluation.record import evaluation_folder
from penstock.pipeline.evaluation.records import finished_numbers
from penstock.pipeline.exogenous_pins import copies_folder
from penstock.pipeline.lease import lease_path, maintenance_lease_path
from penstock.pipeline.plan import Plan, plan_folder, plan_numbers, plan_path, planned_batches, read_plan
from penstock.pipeline.replay.expired import pinned_versions
from penstock.pipeline.replay.plans import unfinished_replay
from penstock.pipeline.rescore.plans import (
    RescorePlan,
    answer_tables,
    replaced_tables,
    rescore_folder,
    rescore_lease_path,
    source_table,
    unfinished_rescore,
)
from penstock.sources.checkpoint import query_id_of
from penstock.storage.files import Storage

#: A temporary file is renamed within moments; an older one was left by a dead process.
DEAD_AFTER_SECONDS = 86400.0
#: A batch unfinished for this long was interrupted. Well below the floor of maintenance.time_travel.
STUCK_AFTER_SECONDS = 86400.0
#: Temporary names of penstock.storage.files: `.<name>.<32 hex digits>`, beside the target.
DEAD_NAMES = re.compile(r"\..+\.[0-9a-f]{32}")


def trim_plans(storage: Storage, config: PipelineConfig, done: dict[str, int]) -> int:
    """Remove the plans of batches with a commit marker, except the newest ones; returns how many.

    done: the last batch of the checkpoint's query with a marker, by its id. The next batch reads the model from the
    plan of the one before.
    """
    last = last_finished(storage, config, done)
    finished = [batch_id for batch_id in planned_batches(storage, config.checkpoint) if batch_id <= last]
    trimmed = finished[: -config.maintenance.keep_plans]
    for batch_id in trimmed:
        storage.delete(plan_path(config.checkpoint, batch_id))
    return len(trimmed)


def trim_evaluations(storage: Storage, config: PipelineConfig) -> int:
    """Remove plans and records of finished evaluations, except the newest ones; returns of how many.

    The next evaluation needs only the last one.
    """
    folder, root = evaluation_folder(config.tables.root), config.tables.root
    done = finished_numbers(storage, root)
    if not done:
        return 0
    first_kept = done[-config.maintenance.keep_plans :][0]
    # A plan without a record, of a run that was cut off between the two deletions, too.
    old = {number for number in (*done, *plan_numbers(storage, folder)) if number < first_kept}
    for number in sorted(old):
        storage.delete(evaluation_done_path(config, number))
        storage.delete(evaluation_path(config, number))
    return len(old)


def remove_unused_values(storage: Storage, config: PipelineConfig) -> int:
    """Remove copies of exogenous values that no plan names, but for young ones and the newest; returns how many.

    A young one may be of a batch that is being planned. Removes none where a plan can't be read.
    """
    folder = copies_folder(config)
    found = {path: storage.status(path) for path in (f"{folder}/{name}" for name in storage.names(folder))}
    ages = {path: status.modified_milliseconds for path, status in found.items() if status is not None}
    if len(ages) < 2:
        return 0
    try:
        plans = [
            *[read_plan(storage, plan_path(config.checkpoint, n)) for n in planned_batches(storage, config.checkpoint)],
            unfinished_replay(config, storage),
            unfinished_rescore(config, storage),
        ]
    except PlanError:
        return 0
    named = {plan.exogenous.path for plan in plans if plan is not None and plan.exogenous is not None}
    youngest_of_old = (time.time() - config.maintenance.time_travel) * 1000
    newest = max(ages, key=lambda path: ages[path])
    unused = [path for path, age in ages.items() if path not in named | {newest} and age < youngest_of_old]
    for path in unused:
        storage.delete(path)
    return len(unused)


def last_finished(storage: Storage, config: PipelineConfig, done: dict[str, int]) -> int:
    """The last batch with a marker of the checkpoint's query; -1 if there is none."""
    query_id = query_id_of(storage, config.checkpoint)
    return done.get(query_id, -1) if query_id else -1


def is_stuck(plan: Plan | RescorePlan) -> bool:
    """Whether what is unfinished was planned long ago."""
    return plan.planned_at < datetime.now(UTC) - timedelta(seconds=STUCK_AFTER_SECONDS)


def stuck_plan(storage: Storage, config: PipelineConfig, done: dict[str, int]) -> str | None:
    """Why `lags` must not be maintained: an old unfinished batch, whose replay reads `lags` at its pinned version.

    None if there is no such batch.
    """
    last = last_finished(storage, config, done)
    for batch_id in planned_batches(storage, config.checkpoint):
        if batch_id <= last:
            continue
        try:
            plan = read_plan(storage, plan_path(config.checkpoint, batch_id))
        except PlanError as error:
            return str(error)
        if plan and is_stuck(plan):
            return (
                f"batch {batch_id} was planned on {plan.planned_at:%Y-%m-%d} and is not finished; its replay reads "
                "lags as they were: start the stream or a backfill first"
            )
    return None


def stuck_replay(storage: Storage, config: PipelineConfig, table: str) -> str:
    """Why a table must not be maintained: an old unfinished replay, which reads it at the version in its plan.

    Empty if there is no such replay.
    """
    try:
        plan = unfinished_replay(config, storage)
    except PlanError as error:
        return str(error)
    if plan is None or not is_stuck(plan) or table not in dict(pinned_versions(plan)):
        return ""
    return (
        f"{plan.described} was planned on {plan.planned_at:%Y-%m-%d} and is not finished; it reads {table} as it was: "
        "run jobs/replay_quarantine.py first"
    )


def stuck_rescore(storage: Storage, config: PipelineConfig, table: str) -> str:
    """Why a table must not be maintained: an old unfinished rescore, which reads it at the version in its plan, or has
    its own answers there.

    Empty if there is no such rescore.
    """
    try:
        plan = unfinished_rescore(config, storage)
    except PlanError as error:
        return str(error)
    needed = {source_table(config), *replaced_tables(config), *answer_tables(config)}
    if plan is None or not is_stuck(plan) or table not in needed:
        return ""
    return (
        f"{plan.described} was planned on {plan.planned_at:%Y-%m-%d} and is not finished; it reads {table}: finish it, "
        "or give it up, first"
    )


def remove_dead_files(storage: Storage, config: PipelineConfig) -> int:
    """Remove temporary files of processes that died before renaming them; returns how many."""
    removed = 0
    root, checkpoint = config.tables.root, config.checkpoint
    leases = (lease_path(root), maintenance_lease_path(root), rescore_lease_path(root))
    plans = (f"{root}/_replays", rescore_folder(config), evaluation_folder(root), plan_folder(checkpoint))
    for folder in (root, *leases, *plans, copies_folder(config), checkpoint):
        for name in filter(DEAD_NAMES.fullmatch, storage.names(folder)):
            status = storage.status(f"{folder}/{name}")
            if status and time.time() - status.modified_milliseconds / 1000 > DEAD_AFTER_SECONDS:
                storage.delete(f"{folder}/{name}")
                removed += 1
    return removed
