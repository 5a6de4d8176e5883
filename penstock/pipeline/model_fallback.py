"""The version before takes over a batch whose own one ends every run of it, as long as it has predicted nothing of it.

A version is probed on a batch's first rows alone: one of the others may end its Python worker, or the whole process.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from penstock.errors import ModelRefusedError
from penstock.models.candidate import ENDED
from penstock.models.pinned import PinnedModel
from penstock.models.probe import crash_reason
from penstock.pipeline.attempts import MAX_UNEXPLAINED, UNEXPLAINED, Attempt
from penstock.pipeline.batch import MicroBatch
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.candidate_fallback import (
    FAILED_RUNS,
    as_planned_now,
    is_of_the_model,
    run_with_candidate,
    without_candidate,
)
from penstock.pipeline.plan import Plan, plan_path, planned_batches, read_plan, replace_plan
from penstock.spark.causes import is_of_the_host
from penstock.spark.errors import SPARK_ERRORS

log = logging.getLogger(__name__)


def run_with_fallback(batch: MicroBatch, run: Callable[[MicroBatch], BatchRecord], *, attempt: Attempt) -> BatchRecord:
    """Run a planned batch of the stream; if it has a model, with the version before after FAILED_RUNS that failed in
    the model, or where runs ended their process though its files were read alone since. A candidate is suspected
    before the champion is.

    Raises as `run`, and ModelRefusedError if there is no version before.
    """
    if not batch.plan.models:
        return run(batch)
    if may_be_the_model(batch, attempt):
        if batch.plan.candidate is not None:
            batch = without_candidate(batch, f"{ENDED}{UNEXPLAINED}")
        elif (before := version_before(batch)) is not None:
            batch = with_version(batch, before, reason=UNEXPLAINED)
    failed_runs, begun = 0, batch.plan
    while True:
        try:
            return run_with_candidate(batch, run)
        except SPARK_ERRORS as error:
            if not is_of_the_model(error) or is_of_the_host(error) or batch.has_predicted:
                raise
            reason, cause = crash_reason(error), error
        failed_runs += 1
        version = batch.plan.champion.version
        log.warning("%s: a run failed in version %s: %s", batch.plan.described, version, reason)
        batch = as_planned_now(batch)
        if failed_runs >= FAILED_RUNS:
            batch, failed_runs = after_failed_runs(with_candidate_acquitted(batch, begun), reason, cause), 0


def may_be_the_model(batch: MicroBatch, attempt: Attempt) -> bool:
    """Whether runs that ended without a message may have ended in the version: one with it had begun, with nothing
    predicted, and each version that was refused for this has had its own."""
    blamed = sum(reason == UNEXPLAINED for reason in batch.plan.refused_versions.values())
    unexplained = attempt.record.began - MAX_UNEXPLAINED
    return attempt.is_unexplained and batch.is_again and unexplained > blamed and not batch.has_predicted


def with_candidate_acquitted(batch: MicroBatch, begun: Plan) -> MicroBatch:
    """A batch that fails without its candidate as it did with it: the next one asks it again.

    begun: the plan that had it. Written before the champion is blamed, which may end the process.
    """
    if batch.plan.refused_candidates == begun.refused_candidates:
        return batch
    update = {"refused_candidates": begun.refused_candidates, "paused_experiment": begun.open_experiment}
    plan = batch.plan.model_copy(update=update)
    replace_plan(batch.pipeline.storage, batch.plan_path, plan)
    return replace(batch, plan=plan)


def after_failed_runs(batch: MicroBatch, reason: str, cause: Exception) -> MicroBatch:
    pinned, before = batch.plan.champion, version_before(batch)
    if before is None:
        raise ModelRefusedError(
            f"model {pinned.name}/{pinned.version} failed in {FAILED_RUNS} runs of {batch.plan.described}, and no "
            f"other version was used before it: {reason}"
        ) from cause
    batch.pipeline.the_selector.reject(pinned)
    return with_version(batch, before, reason=f"{FAILED_RUNS} runs of a batch failed in it: {reason}")


def version_before(batch: MicroBatch) -> PinnedModel | None:
    """The last other version that an earlier batch has used and that can be used still; None if there is none, or the
    batch has predictions already."""
    refused = {batch.plan.champion.version, *batch.plan.refused_versions}
    if batch.has_predicted:
        return None
    candidates = (
        pinned for pinned in earlier_versions(batch) if pinned.version not in refused and is_usable(batch, pinned)
    )
    return next(candidates, None)


def is_usable(batch: MicroBatch, pinned: PinnedModel) -> bool:
    return pinned.name == batch.plan.champion.name and batch.pipeline.the_selector.is_usable(pinned)


def earlier_versions(batch: MicroBatch) -> Iterator[PinnedModel]:
    """The versions of the batches before, the newest first, as far back as there are plans."""
    storage, checkpoint = batch.pipeline.storage, batch.pipeline.config.checkpoint
    for batch_id in reversed(planned_batches(storage, checkpoint)):
        if batch_id < batch.plan.batch_id:
            plan = read_plan(storage, plan_path(checkpoint, batch_id))
            if plan is not None and plan.models and plan.probed:
                yield plan.champion


def with_version(batch: MicroBatch, before: PinnedModel, *, reason: str) -> MicroBatch:
    """The batch with its plan amended: scored by another version."""
    plan = batch.plan
    refused = {**plan.refused_versions, plan.champion.version: reason}
    amended = plan.model_copy(
        update={
            "models": (before,),
            "experiment": None,
            "paused_experiment": None,
            "refused_versions": refused,
            "probed": True,
        }
    )
    replace_plan(batch.pipeline.storage, batch.plan_path, amended)
    version = f"{before.name}/{plan.champion.version}"
    log.warning("model %s is refused, version %s is used in its place: %s", version, before.version, reason)
    return replace(batch, plan=amended)
