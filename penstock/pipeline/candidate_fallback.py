"""The champion answers a batch alone whose candidate ends every run of it, as long as nothing of it is predicted.

A candidate is probed on a batch's first rows alone: one of the others may end its Python worker, or the whole process.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from pyspark.errors import PythonException

from penstock.errors import CandidateRefusedError, CandidateUnavailableError
from penstock.models.candidate import AWAY, ENDED, is_passing, why_unusable
from penstock.models.model_seconds import ModelSeconds
from penstock.models.probe import crash_reason, is_crash
from penstock.pipeline.batch import MicroBatch
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.plan import read_plan, replace_plan
from penstock.spark.causes import has_ended, is_of_the_host
from penstock.spark.errors import SPARK_ERRORS

#: So many failed runs of a plan are the fault of a model.
FAILED_RUNS = 2
log = logging.getLogger(__name__)


def run_with_candidate(batch: MicroBatch, run: Callable[[MicroBatch], BatchRecord]) -> BatchRecord:
    """Run a planned batch; without its candidate, if it has one, after FAILED_RUNS that failed in a Python worker.

    Which of the two models ended the worker is not known: the candidate is taken out first. Where predictions are
    committed, the plan stays as it is: they are by it. Raises as `run`.
    """
    batch, failed_runs = without_unusable_candidate(batch), 0
    while batch.plan.candidate is not None:
        try:
            return run(batch)
        except (CandidateRefusedError, CandidateUnavailableError) as error:
            if batch.has_predicted:
                raise
            reason = f"{AWAY}{error}" if isinstance(error, CandidateUnavailableError) else str(error)
            batch = without_candidate(as_planned_now(batch), reason)
            continue
        except SPARK_ERRORS as error:
            if not is_of_the_model(error) or has_ended(error) or is_of_the_host(error) or batch.has_predicted:
                raise
            reason = crash_reason(error)
        failed_runs += 1
        versions = " and ".join(pinned.version for pinned in batch.plan.models)
        log.warning("%s: a run with the versions %s failed: %s", batch.plan.described, versions, reason)
        batch = as_planned_now(batch)
        if failed_runs >= FAILED_RUNS and batch.plan.candidate is not None:
            batch = without_candidate(batch, f"{ENDED}{FAILED_RUNS} failed with it: {reason}")
    return run(batch)


def as_planned_now(batch: MicroBatch) -> MicroBatch:
    """What a failed run has found out about the files stands in its plan."""
    plan = read_plan(batch.pipeline.storage, batch.plan_path)
    return replace(batch, plan=plan or batch.plan, model_seconds=ModelSeconds())


def without_unusable_candidate(batch: MicroBatch) -> MicroBatch:
    """A batch that runs again may find the files of its candidate gone. Raises, of the champion, as `why_unusable`."""
    candidate = batch.plan.candidate
    if candidate is None:
        return batch
    reason = why_unusable(batch.pipeline.the_selector, batch.plan.champion, candidate)
    return batch if reason is None or batch.has_predicted else without_candidate(batch, reason)


def without_candidate(batch: MicroBatch, reason: str) -> MicroBatch:
    """The batch with its plan amended: the champion answers alone. For a passing reason this batch alone, and the
    experiment is paused."""
    plan, candidate = batch.plan, batch.plan.candidate
    if candidate is None:
        return batch
    amended = plan.model_copy(
        update={
            "models": (plan.champion,),
            "experiment": None,
            "paused_experiment": plan.open_experiment if is_passing(reason) else None,
            "refused_candidates": {**plan.refused_candidates, candidate.version: reason},
        }
    )
    replace_plan(batch.pipeline.storage, batch.plan_path, amended)
    if batch.pipeline.candidates is not None and not is_passing(reason):
        batch.pipeline.candidates.reject(candidate)
    log.warning(
        "candidate %s/%s is refused, version %s answers alone: %s",
        candidate.name,
        candidate.version,
        plan.champion.version,
        reason,
    )
    return replace(batch, plan=amended, model_seconds=ModelSeconds())


def is_of_the_model(error: Exception) -> bool:
    """Whether a failed job failed in a Python worker, which runs nothing but models."""
    return isinstance(error, PythonException) or is_crash(error)
