"""Chooses champion and candidate of a micro-batch, and fixes the experiment of the two in its plan."""

import logging
import math
from dataclasses import dataclass, replace
from datetime import datetime

from penstock.config.experiment import ExperimentConfig
from penstock.config.pipeline import PipelineConfig
from penstock.models.assignment import salt_of
from penstock.models.candidate import ALONE, CandidateChoice
from penstock.models.pinned import PinnedModel
from penstock.models.probe import ProbeRows
from penstock.models.selection import Selection
from penstock.pipeline.context import Pipeline
from penstock.pipeline.decisions.bake import is_bake
from penstock.pipeline.end_of_fits import end_of_fits
from penstock.pipeline.guardrails import guardrail_reason, read_pair_counts
from penstock.pipeline.plan import Plan, PlannedExperiment

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """The versions of a batch. began_at: of the pair's first batch; None if this is it. is_bake,
    fitted_until: see PlannedExperiment; False and None without a candidate."""

    champion: Selection
    candidate: CandidateChoice = ALONE
    began_at: datetime | None = None
    is_bake: bool = False
    fitted_until: datetime | None = None

    @property
    def models(self) -> tuple[PinnedModel, ...]:
        """As in a plan."""
        pinned = self.candidate.pinned
        return (self.champion.pinned, *([pinned] if pinned else []))


def choose_models(
    pipeline: Pipeline,
    *,
    before: Plan | None,
    probe_rows: ProbeRows,
    blamed: str | None = None,
    is_alone: bool = False,
) -> ModelChoice | None:
    """The versions for a batch after `before`; None in a pipeline without a model. blamed: why a version that no batch
    has used is refused without a probe. is_alone: no candidate is asked for.

    Raises as ModelSelector.choose; nothing of a candidate is raised.
    """
    if pipeline.selector is None:
        return None
    champion = pipeline.selector.choose(before=selection_of(before), probe_rows=probe_rows, blamed=blamed)
    alone = ModelChoice(champion=champion)
    if pipeline.candidates is None or is_alone:
        return alone
    earlier = candidate_of(before)
    if before is not None and champion.resolved_at == before.resolved_at:
        # The registry is away, and was asked long enough.
        error = TimeoutError("the registry did not answer for the champion either")
        choice = pipeline.candidates.kept(earlier, champion=champion.pinned, error=error)
    else:
        choice = pipeline.candidates.choose(
            champion=champion.pinned, before=earlier, probe_rows=probe_rows, blamed=blamed
        )
    if choice.pinned is None:
        return replace(alone, candidate=choice)
    chosen = with_beginning(pipeline, champion, choice, before=before)
    chosen = replace(chosen, fitted_until=end_of_fits(pipeline, chosen.models))
    return within_guardrails(pipeline, chosen, before=before)


def with_beginning(
    pipeline: Pipeline, champion: Selection, choice: CandidateChoice, *, before: Plan | None
) -> ModelChoice:
    """The pair as the batch before had it, or as one that begins."""
    chosen = ModelChoice(champion=champion, candidate=choice)
    [of_champion, of_candidate] = chosen.models
    bakes = is_bake(pipeline.config, pipeline.storage, of_champion.version, of_candidate.version)
    earlier = before.experiment if before else None
    is_same = earlier is not None and before is not None and before.models == chosen.models and earlier.is_bake == bakes
    return replace(chosen, is_bake=bakes, began_at=earlier.began_at if earlier and is_same else None)


def within_guardrails(pipeline: Pipeline, chosen: ModelChoice, *, before: Plan | None) -> ModelChoice:
    """The choice without its candidate, if its batches say so."""
    experiment, pinned = pipeline.config.experiment, chosen.candidate.pinned
    if experiment is None or pinned is None or chosen.began_at is None or before is None:
        return chosen
    counts = read_pair_counts(pipeline.config, pipeline.storage, query_id=before.query_id, began_at=chosen.began_at)
    reason = guardrail_reason(counts, experiment.guardrails)
    if reason is None:
        return chosen
    log.warning(
        "candidate %s/%s is refused, version %s answers alone: %s",
        pinned.name,
        pinned.version,
        chosen.champion.pinned.version,
        reason,
    )
    return ModelChoice(champion=chosen.champion, candidate=CandidateChoice(refused={pinned.version: reason}))


def planned_experiment(
    config: PipelineConfig, choice: ModelChoice, *, planned_at: datetime
) -> PlannedExperiment | None:
    """What a plan says of the candidate; None where the champion answers alone."""
    experiment, pinned = config.experiment, choice.candidate.pinned
    if experiment is None or pinned is None:
        return None
    began_at = choice.began_at or planned_at
    return PlannedExperiment(
        mode="shadow" if choice.is_bake else experiment.mode,
        fraction=1.0 if choice.is_bake else fraction_at(experiment, began_at=began_at, now=planned_at),
        key=("series_id",) if config.workload == "series" else experiment.key,
        salt=salt_of(pinned),
        began_at=began_at,
        is_bake=choice.is_bake,
        fitted_until=choice.fitted_until,
    )


def fraction_at(experiment: ExperimentConfig, *, began_at: datetime, now: datetime) -> float:
    """The step of the ramp: one every `step_every` from began_at on, and the last one ever after."""
    steps = math.floor((now - began_at).total_seconds() / experiment.step_every)
    return experiment.fraction[min(max(steps, 0), len(experiment.fraction) - 1)]


def selection_of(plan: Plan | None) -> Selection | None:
    """What a batch used and refused, for the one after it."""
    if plan is None or not plan.models:
        return None
    return Selection(
        pinned=plan.champion, refused=plan.refused_versions, resolved_at=plan.resolved_at, probed=plan.probed
    )


def candidate_of(plan: Plan | None) -> CandidateChoice:
    """The same of its candidate."""
    if plan is None:
        return ALONE
    return CandidateChoice(pinned=plan.candidate, refused=plan.refused_candidates)
