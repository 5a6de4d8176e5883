"""One run of jobs/replay_quarantine.py: finish what was cut off, then replay what waits."""

import logging

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, LedgerError
from penstock.models.resolved import ModelAtStart
from penstock.operations.doctor.checks import check_at_start
from penstock.operations.doctor.executors import check_executors
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.context import Pipeline
from penstock.pipeline.ledger import check_ledger, read_state
from penstock.pipeline.opening import opened
from penstock.pipeline.plan import LateReplay, Plan, QuarantineReplay, fix_plan
from penstock.pipeline.replay.abort import abort, is_fenced_off, is_given_up
from penstock.pipeline.replay.late_observations import run_late_replay
from penstock.pipeline.replay.planning import plan_late_replay, plan_quarantine_replay
from penstock.pipeline.replay.plans import done_path, replay_path, unfinished_replay
from penstock.pipeline.replay.quarantine import run_quarantine_replay
from penstock.spark.pipeline_settings import settings_of
from penstock.spark.session import build_session

log = logging.getLogger(__name__)


def run_replay(config: PipelineConfig, *, reason: str, late: bool, aborts: bool = False) -> list[BatchRecord]:
    """Replay what waits in the quarantine, or (late) recompute series; returns what was done, a cut-off replay first.

    aborts: a cut-off replay is taken back instead of finished, and none is begun. Raises ConfigError for `late` in a
    pipeline of rows, LedgerError beside an unfinished batch of the stream, and whatever a batch raises.
    """
    if late and config.workload != "series":
        raise ConfigError(f"{config.pipeline} is a pipeline of rows: --late is for series")
    load_contract(config)
    model = ModelAtStart.of(config)
    check_at_start(config, model)
    spark = build_session(f"penstock-{config.pipeline}", settings=settings_of(config))
    with opened(spark, config, model=model, job="replay_quarantine", is_replay=True) as pipeline:
        check_executors(spark, config, model)
        cut_off = unfinished_replay(config, pipeline.storage)
        records = settle(pipeline, cut_off, aborts=aborts) if cut_off else []
        if aborts:
            return records
        check_stream_is_finished(pipeline)
        plan = plan_late_replay(pipeline) if late else plan_quarantine_replay(pipeline, reason=reason)
        if plan is not None:
            plan = fix_plan(pipeline.storage, replay_path(config, plan.batch_id), plan)
            records.append(carry_out(pipeline, plan))
        return records


def settle(pipeline: Pipeline, cut_off: Plan, *, aborts: bool) -> list[BatchRecord]:
    """Nothing is left to do for the cut-off replay: it is finished, taken back, or had written nothing."""
    if aborts or is_given_up(pipeline, cut_off):
        abort(pipeline, cut_off)
    elif is_fenced_off(pipeline, cut_off):
        # What stopped it may stop it for ever: a file that can't be read, another contract since.
        log.info("replay %d was cut off before it wrote anything: planned anew", cut_off.batch_id)
    else:
        log.info("replay %d was cut off: finishing it", cut_off.batch_id)
        return [carry_out(pipeline, cut_off)]
    finish(pipeline, cut_off)
    return []


def carry_out(pipeline: Pipeline, plan: Plan) -> BatchRecord:
    match plan.replay:
        case QuarantineReplay():
            record = run_quarantine_replay(pipeline, plan, plan.replay)
        case LateReplay():
            record = run_late_replay(pipeline, plan, plan.replay)
        case None:
            raise LedgerError(f"{replay_path(pipeline.config, plan.batch_id)}: is not the plan of a replay")
    finish(pipeline, plan)
    return record


def finish(pipeline: Pipeline, plan: Plan) -> None:
    pipeline.storage.create(done_path(pipeline.config, plan.batch_id), b"")


def check_stream_is_finished(pipeline: Pipeline) -> None:
    """A batch that was cut off runs again from the state that its plan names; a replay must not change it first."""
    config = pipeline.config
    state = read_state(config, pipeline.storage)
    check_ledger(state, config, pipeline.storage)
    done = state.done.get(state.query_id, -1) if state.query_id else -1
    if state.planned is not None and state.planned > done:
        raise LedgerError(
            f"batch {state.planned} of the stream has begun and is not finished; run jobs/backfill.py once, which "
            "finishes it, then replay"
        )
