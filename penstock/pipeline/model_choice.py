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
from penstock.pipeline.decisions.bake import part_of
from penstock.pipeline.decisions.files import Decided
from penstock.pipeline.decisions.moves import decided_since, newest_moves
from penstock.pipeline.guardrails import guardrail_reason, read_pair_counts
from penstock.pipeline.plan import Plan, PlannedExperiment

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """The versions of a batch. began_at: of the pair's first batch; None if this is it. is_bake: see
    PlannedExperiment; False without a candidate."""

    champion: Selection
    candidate: CandidateChoice = ALONE
    began_at: datetime | None = None
    is_bake: bool = False

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
    moved = newest_moves(pipeline.config, pipeline.storage)
    earlier = without_decided(candidate_of(before), moved, before=before)
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
    part = part_of(pipeline.config, moved, champion.pinned.version, choice.pinned.version)
    if part == "left_over":
        log.warning(
            "candidate %s/%s is not asked: it is the shadow of a bake whose champion was replaced by other means",
            choice.pinned.name,
            choice.pinned.version,
        )
        return alone
    chosen = with_beginning(
        ModelChoice(champion=champion, candidate=choice, is_bake=part == "bake"), moved, before=before
    )
    return within_guardrails(pipeline, chosen, before=before)


def with_beginning(chosen: ModelChoice, moved: tuple[Decided, ...], *, before: Plan | None) -> ModelChoice:
    """The pair as the batch before had it, or as one that begins: also where the same two are together again after a
    decision about them, which no batch has met. moved: see newest_moves."""
    if before is None or before.experiment is None or decided_since(moved, before.resolved_at):
        return chosen
    is_same = before.models == chosen.models and before.experiment.is_bake == chosen.is_bake
    return replace(chosen, began_at=before.experiment.began_at if is_same else None)


def without_decided(earlier: CandidateChoice, moved: tuple[Decided, ...], *, before: Plan | None) -> CandidateChoice:
    """Without refusals that a decision has ended: a version that a person sets again after it is tried again."""
    decided = decided_since(moved, before.resolved_at) if before else ()
    ended = {version for one in decided for version in (one.champion, one.candidate)}
    return replace(earlier, refused={version: why for version, why in earlier.refused.items() if version not in ended})


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
