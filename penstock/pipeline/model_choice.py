"""Chooses champion and candidate of a micro-batch, and fixes the experiment of the two in its plan."""

import json
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
from penstock.pipeline.end_of_fits import end_of_fits
from penstock.pipeline.guardrails import guardrail_reason, read_pair_counts
from penstock.pipeline.plan import PausedExperiment, Plan, PlannedExperiment

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """The versions of a batch. began_at: of the pair's first batch; None if this is it. is_bake, fitted_until: see
    PlannedExperiment; False and None without a candidate. earlier: the pair's experiment before this batch, whose ramp
    continues if its settings are still the same. paused: see Plan."""

    champion: Selection
    candidate: CandidateChoice = ALONE
    began_at: datetime | None = None
    is_bake: bool = False
    earlier: PlannedExperiment | None = None
    fitted_until: datetime | None = None
    paused: PausedExperiment | None = None

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
    resumed: Plan | None = None,
) -> ModelChoice | None:
    """The versions for a batch after `before`; None in a pipeline without a model. blamed: why a version that no batch
    has used is refused without a probe. is_alone: no candidate is asked for. resumed: the last plan of the query
    before, whose experiment is resumed where there is no batch before.

    Raises as ModelSelector.choose; nothing of a candidate is raised.
    """
    if pipeline.selector is None:
        return None
    champion = pipeline.selector.choose(before=selection_of(before), probe_rows=probe_rows, blamed=blamed)
    alone = ModelChoice(champion=champion)
    if pipeline.candidates is None or is_alone:
        return alone
    is_registry_away = before is not None and champion.resolved_at == before.resolved_at
    before = before or resumed
    moved = readable_moves(pipeline)
    earlier = without_decided(candidate_of(before), moved or (), before=before)
    if is_registry_away:
        # The registry was asked long enough.
        error = TimeoutError("the registry did not answer for the champion either")
        choice = pipeline.candidates.kept(earlier, champion=champion.pinned, error=error)
    else:
        choice = pipeline.candidates.choose(
            champion=champion.pinned, before=earlier, probe_rows=probe_rows, blamed=blamed
        )
    if choice.pinned is None:
        paused = paused_experiment(pipeline.config, champion, choice.waiting, moved, before=before)
        return replace(alone, candidate=choice, paused=paused)
    chosen = paired(pipeline.config, champion, choice, moved, before=before)
    if chosen.candidate.pinned is not None:
        chosen = replace(chosen, fitted_until=end_of_fits(pipeline, chosen.models))
    return within_guardrails(pipeline, chosen, before=before)


def readable_moves(pipeline: Pipeline) -> tuple[Decided, ...] | None:
    """See newest_moves; None while the decisions can't be read, which holds up no batch."""
    try:
        return newest_moves(pipeline.config, pipeline.storage)
    except OSError as error:
        log.warning("%s: the decisions can't be read, the experiment is as before: %s", pipeline.config.pipeline, error)
        return None


def paired(
    config: PipelineConfig,
    champion: Selection,
    choice: CandidateChoice,
    moved: tuple[Decided, ...] | None,
    *,
    before: Plan | None,
) -> ModelChoice:
    """Champion and candidate, or the champion alone where that one is not to answer. moved: see readable_moves."""
    alone, chosen = ModelChoice(champion=champion), ModelChoice(champion=champion, candidate=choice)
    [of_champion, of_candidate] = chosen.models
    if moved is None:
        known = open_experiment_of(chosen, before)
        # A pair that would begin waits: it may be a bake, whose candidate answers nobody.
        return with_beginning(replace(chosen, is_bake=known.is_bake), (), before=before) if known else alone
    part = part_of(config, moved, of_champion.version, of_candidate.version)
    if part == "left_over":
        log.warning(
            "candidate %s/%s is not asked: it is the shadow of a bake whose champion was replaced by other means",
            of_candidate.name,
            of_candidate.version,
        )
        return alone
    return with_beginning(replace(chosen, is_bake=part == "bake"), moved, before=before)


def with_beginning(chosen: ModelChoice, moved: tuple[Decided, ...], *, before: Plan | None) -> ModelChoice:
    """The pair as the batch before had it, or as one that begins: also where the same two are together again after a
    decision about them, which no batch has met. moved: see newest_moves."""
    known = open_experiment_of(chosen, before)
    is_over = before is not None and bool(decided_since(moved, before.resolved_at))
    if known is None or is_over or known.is_bake != chosen.is_bake:
        return chosen
    return replace(chosen, began_at=known.began_at, earlier=known)


def open_experiment_of(chosen: ModelChoice, before: Plan | None) -> PlannedExperiment | None:
    """What the batch before says of the same two versions, running or paused."""
    known = before.open_experiment if before else None
    if before is None or known is None or (before.champion, known.candidate) != chosen.models:
        return None
    return known.experiment


def paused_experiment(
    config: PipelineConfig,
    champion: Selection,
    waiting: PinnedModel | None,
    moved: tuple[Decided, ...] | None,
    *,
    before: Plan | None,
) -> PausedExperiment | None:
    """The experiment of the batch before, where its candidate is out for a passing reason; None where it is ended."""
    if waiting is None or before is None:
        return None
    is_open = paired(config, champion, CandidateChoice(pinned=waiting), moved, before=before).began_at is not None
    return before.open_experiment if is_open else None


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
    try:
        counts = read_pair_counts(pipeline.config, pipeline.storage, query_id=before.query_id, began_at=chosen.began_at)
    except OSError as error:
        log.warning("no guardrail is looked at before this batch: the last batches can't be read (%s)", error)
        return chosen
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
    began_at, ramp, earlier = choice.began_at or planned_at, ramp_of(experiment), choice.earlier
    ramp_began_at = (earlier.ramp_began_at if earlier and earlier.ramp == ramp else None) or planned_at
    return PlannedExperiment(
        mode="shadow" if choice.is_bake else experiment.mode,
        fraction=1.0 if choice.is_bake else fraction_at(experiment, began_at=ramp_began_at, now=planned_at),
        key=("series_id",) if config.workload == "series" else experiment.key,
        salt=salt_of(pinned),
        began_at=began_at,
        is_bake=choice.is_bake,
        ramp=ramp,
        ramp_began_at=ramp_began_at,
        fitted_until=choice.fitted_until,
    )


def ramp_of(experiment: ExperimentConfig) -> str:
    """What makes another ramp if it is changed: as it is, a shadow of a week says nothing of what a canary may begin
    with."""
    return json.dumps([experiment.mode, experiment.fraction, experiment.step_every, experiment.key])


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
    paused = plan.paused_experiment
    return CandidateChoice(
        pinned=plan.candidate, refused=plan.refused_candidates, waiting=paused.candidate if paused else None
    )
