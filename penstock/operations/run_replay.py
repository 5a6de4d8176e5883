"""Runs jobs/replay_quarantine.py: finish an interrupted replay, then replay pending rows and files."""

import logging
from functools import partial

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, LedgerError, RescoreError
from penstock.models.resolved import ModelAtStart
from penstock.operations.doctor.checks import check_at_start
from penstock.operations.doctor.executors import check_executors
from penstock.pipeline.attempts import attempts_path, counted_attempt
from penstock.pipeline.batch import MicroBatch
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.candidate_fallback import run_with_candidate
from penstock.pipeline.context import Pipeline
from penstock.pipeline.evaluation.before_replacement import evaluate_before_replacement
from penstock.pipeline.ledger import check_ledger, read_state
from penstock.pipeline.microbatch import commit_marker, run_planned
from penstock.pipeline.opening import opened
from penstock.pipeline.plan import LateReplay, Plan, fix_plan
from penstock.pipeline.replay.abort import abort, fence_off, is_given_up
from penstock.pipeline.replay.expired import (
    can_be_repeated,
    discard_late_replay,
    has_marker,
    with_newest_versions,
)
from penstock.pipeline.replay.lost_plans import roll_back_lost_replay
from penstock.pipeline.replay.planning import plan_late_replay, plan_quarantine_replay
from penstock.pipeline.replay.plans import REPLAY_ATTEMPTS, done_path, replay_folder, replay_path, unfinished_replay
from penstock.pipeline.rescore.plans import refuse_unfinished_replacement
from penstock.spark.pipeline_settings import settings_of
from penstock.spark.session import build_session
from penstock.storage.routing import storage_of

log = logging.getLogger(__name__)


def run_replay(
    config: PipelineConfig, *, reason: str, late: bool, aborts: bool = False, evaluates: bool = True
) -> list[BatchRecord]:
    """Replay pending quarantine entries, or (late) recompute series; returns records, an interrupted replay's first.

    aborts: an interrupted replay is rolled back instead of finished, and none is begun. evaluates: what has come true
    is evaluated before a late replay replaces its forecasts. Raises ConfigError for `late` in a pipeline without series
    or with `revisions: newest`, LedgerError if a batch of the stream is unfinished, EvaluationFailedError, and the
    errors of a batch.
    """
    if late:
        check_late_is_possible(config)
        refuse_unfinished_replacement(config, storage_of(config))
    load_contract(config)
    model = ModelAtStart.if_any(config)
    check_at_start(config, model)
    spark = build_session(f"penstock-{config.pipeline}", settings=settings_of(config))
    check = partial(check_executors, spark, config, model)
    with opened(spark, config, model=model, job="replay_quarantine", before_tables=check, is_replay=True) as pipeline:
        cut_off = unfinished_replay(config, pipeline.storage)
        records = settle(pipeline, cut_off, aborts=aborts) if cut_off else []
        if aborts:
            return records
        check_stream_is_finished(pipeline)
        if late and evaluates:
            evaluate_before_replacement(spark, config, pipeline.storage)
        roll_back_lost_replay(pipeline)
        # Whatever its number: a replay that ends its process before it has written anything is planned under another.
        with counted_attempt(pipeline.storage, attempts_path(replay_folder(config)), REPLAY_ATTEMPTS) as attempt:
            plan = (
                plan_late_replay(pipeline, attempt=attempt)
                if late
                else plan_quarantine_replay(pipeline, reason=reason, attempt=attempt)
            )
            if plan is not None:
                records.append(carry_out(pipeline, fixed(pipeline, plan)))
        attempt.forget()
        return records


def check_late_is_possible(config: PipelineConfig) -> None:
    """Raises ConfigError."""
    if config.workload != "series":
        raise ConfigError(f"{config.pipeline} is a pipeline of {config.workload}: --late is for series")
    if config.the_series.revisions == "newest":
        raise ConfigError(
            f"{config.pipeline}: series.revisions is newest: late observations and revisions have been put to use as "
            "they came. --late is for those that came under `revisions: first`: run it with that, before it is changed"
        )


def settle(pipeline: Pipeline, cut_off: Plan, *, aborts: bool) -> list[BatchRecord]:
    """Complete an interrupted replay: finish it, roll it back, or discard it if it had written nothing."""
    is_late = isinstance(cut_off.replay, LateReplay)
    if is_late:
        check_late_is_possible(pipeline.config)
    if is_late and not can_be_repeated(pipeline, cut_off):
        return plan_late_again(pipeline, cut_off)
    if not aborts and has_marker(pipeline, cut_off) and not can_be_repeated(pipeline, cut_off):
        log.info("replay %d has its marker: its rows are marked", cut_off.batch_id)
        return [carry_out(pipeline, with_newest_versions(pipeline, cut_off))]
    if aborts or is_given_up(pipeline, cut_off):
        abort(pipeline, cut_off)
    elif fence_off(pipeline, cut_off):
        # Discarded, for its cause may be permanent, such as an unreadable file or a changed contract.
        log.info("replay %d was interrupted before it wrote anything: planning it again", cut_off.batch_id)
    elif not is_late and not can_be_repeated(pipeline, cut_off):
        abort(pipeline, cut_off)
    else:
        log.info("replay %d was interrupted: finishing it", cut_off.batch_id)
        return [carry_out(pipeline, cut_off)]
    finish(pipeline, cut_off)
    return []


def plan_late_again(pipeline: Pipeline, cut_off: Plan) -> list[BatchRecord]:
    """In place of one whose versions are gone. The old plan counts as unfinished until the new one is there."""
    discard_late_replay(pipeline, cut_off)
    plan = plan_late_replay(pipeline)
    if plan is None:  # all is computed, and `lags` is rebuilt
        path = replay_path(pipeline.config, cut_off.batch_id)
        record = commit_marker(MicroBatch(pipeline=pipeline, plan=cut_off, plan_path=path))
        finish(pipeline, cut_off)
        return [record]
    plan = fix_plan(pipeline.storage, replay_path(pipeline.config, plan.batch_id), plan)
    finish(pipeline, cut_off)
    return [carry_out(pipeline, plan)]


def fixed(pipeline: Pipeline, plan: Plan) -> Plan:
    """The plan of a new replay, on record. Raises RescoreError where a rescore that replaces forecasts was planned
    since this run began.

    A rescore asks for replays before it replaces anything, and a late replay for rescores after it is on record:
    whichever is planned second sees the other one.
    """
    config, storage, path = pipeline.config, pipeline.storage, replay_path(pipeline.config, plan.batch_id)
    if not isinstance(plan.replay, LateReplay):
        return fix_plan(storage, path, plan)
    refuse_unfinished_replacement(config, storage)
    plan = fix_plan(storage, path, plan)
    try:
        refuse_unfinished_replacement(config, storage)
    except RescoreError:
        # Nothing of it is written. The rescore would take it for one that was carried out.
        pipeline.lease.check()
        storage.delete(path)
        raise
    return plan


def carry_out(pipeline: Pipeline, plan: Plan) -> BatchRecord:
    path = replay_path(pipeline.config, plan.batch_id)
    if plan.replay is None:
        raise LedgerError(f"{path}: is not the plan of a replay")
    record = run_with_candidate(MicroBatch(pipeline=pipeline, plan=plan, plan_path=path), run_planned)
    finish(pipeline, plan)
    return record


def finish(pipeline: Pipeline, plan: Plan) -> None:
    pipeline.storage.create(done_path(pipeline.config, plan.batch_id), b"")


def check_stream_is_finished(pipeline: Pipeline) -> None:
    """Raises LedgerError if a batch is unfinished: a replay would change the state that its plan pins."""
    config = pipeline.config
    state = read_state(config, pipeline.storage)
    check_ledger(state, config, pipeline.storage)
    done = state.done.get(state.query_id, -1) if state.query_id else -1
    if state.planned is not None and state.planned > done:
        raise LedgerError(
            f"batch {state.planned} of the stream has begun and is not finished; run jobs/backfill.py once, which "
            "finishes it, then replay"
        )
