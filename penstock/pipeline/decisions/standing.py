"""How the experiment of the newest plan stands, from what has come true of its pair; read without Spark."""

import math
from datetime import datetime, timedelta

import pyarrow as pa

from penstock.config.evaluation_defaults import loss_of, steps_of
from penstock.config.experiment import ExperimentConfig
from penstock.config.pipeline import PipelineConfig
from penstock.models.verdict.rule import Circumstances, Judgement, Rule, Units, judge
from penstock.pipeline.decisions.evidence import KnownSums, of_steps, out_of_sample, pair_sums, total, units_of
from penstock.pipeline.decisions.moves import decided_since, newest_moves
from penstock.pipeline.decisions.record import Standing
from penstock.pipeline.plan import Plan, PlannedExperiment, newest_plan
from penstock.storage.files import Storage


def standing_of(config: PipelineConfig, storage: Storage, *, at: datetime) -> Standing | None:
    """Of the pair of the newest plan, by the evaluations made since it began; None where the newest plan has no
    experiment, or the config has none (any more), or another model, or where something was decided since: what a person
    sets after that begins with the next batch.

    In a bake the candidate is the champion that was before, the time is verdict.bake, and `promote` means to go back to
    it. Of series, units are left out that lie within what a version was fitted on. at: what the time is, with a time
    zone.

    Raises PlanError, LedgerError if `evaluations` can't be read, OSError.
    """
    found = standing_with_sums(config, storage, plan=newest_plan(storage, config.checkpoint), at=at)
    return found[0] if found else None


def standing_with_sums(
    config: PipelineConfig, storage: Storage, *, plan: Plan | None, at: datetime, known: KnownSums | None = None
) -> tuple[Standing, pa.Table] | None:
    """`standing_of`, and the `pair_sums` of all steps, out of sample. plan: the newest one. known: see `pair_sums`."""
    if config.experiment is None or plan is None or plan.experiment is None or plan.candidate is None:
        return None
    if plan.champion.name != config.the_model.name:
        return None
    if decided_since(newest_moves(config, storage), plan.resolved_at):
        return None
    sums = pair_sums(
        config,
        champion=plan.champion.version,
        candidate=plan.candidate.version,
        since=plan.experiment.began_at,
        loss=loss_of(config),
        known=known,
    )
    counted, steps = out_of_sample(sums, plan.experiment.fitted_until), steps_of(config)
    in_sample = total(of_steps(sums, steps), "pairs") - total(of_steps(counted, steps), "pairs")
    standing = standing_by(config, plan, plan.experiment, of_steps(counted, steps), at=at)
    return standing.model_copy(update={"in_sample_pairs": int(in_sample)}), counted


def standing_by(
    config: PipelineConfig, plan: Plan, running: PlannedExperiment, sums: pa.Table, *, at: datetime
) -> Standing:
    """sums: of the steps that decide."""
    assert config.experiment is not None
    verdict, units = config.verdict, units_of(sums)
    ends_at = end_of(config, running.began_at, is_bake=running.is_bake)
    circumstances = Circumstances(
        pairs=int(total(sums, "pairs")),
        champion_failures=int(total(sums, "champion_failed")),
        candidate_failures=int(total(sums, "candidate_failed")),
        lasted_seconds=(at - running.began_at).total_seconds(),
        is_last_step=is_last_step(config.experiment, running),
        is_over=at >= ends_at,
    )
    rule = Rule(
        alpha=verdict.alpha,
        margin=verdict.margin,
        tolerance=verdict.tolerance,
        min_units=verdict.min_units,
        min_duration_seconds=verdict.min_duration,
        failed=config.experiment.guardrails.failed,
    )
    judged = judge(units, rule, circumstances)
    ratio, lower, upper = ratios(units, judged)
    return Standing(
        model_name=plan.models[0].name,
        champion=plan.models[0].version,
        candidate=plan.models[1].version,
        mode=running.mode,
        fraction=running.fraction,
        is_last_step=circumstances.is_last_step,
        is_bake=running.is_bake,
        began_at=running.began_at,
        looked_at=at,
        pairs=int(units.pairs.sum()),
        units=len(units),
        blocks=judged.bounds.blocks if judged.bounds else 0,
        block_units=judged.bounds.block_units if judged.bounds else 0,
        champion_loss=units.mean_champion_loss if len(units) else None,
        candidate_loss=units.mean_candidate_loss if len(units) else None,
        ratio=ratio,
        ratio_lower=lower,
        ratio_upper=upper,
        champion_failed=circumstances.champion_failed,
        candidate_failed=circumstances.candidate_failed,
        fitted_until=running.fitted_until,
        verdict=judged.verdict,
        reason=judged.reason,
        earliest=earliest(units, rule, judged, began_at=running.began_at, at=at, ends_at=ends_at),
    )


def end_of(config: PipelineConfig, began_at: datetime, *, is_bake: bool) -> datetime:
    """When the time of the experiment, or of the bake, is over."""
    return began_at + timedelta(seconds=config.verdict.bake if is_bake else config.verdict.max_duration)


def is_last_step(experiment: ExperimentConfig, running: PlannedExperiment) -> bool:
    """Of the ramp, in the newest plan; a bake has none."""
    return running.is_bake or running.fraction >= experiment.fraction[-1]


def ratios(units: Units, judged: Judgement) -> tuple[float | None, float | None, float | None]:
    """Candidate over champion, and its bounds: 1 + those of the mean difference over the champion's mean loss. None
    without a loss to divide by."""
    if not len(units) or units.mean_champion_loss <= 0.0:
        return None, None, None
    champion = units.mean_champion_loss
    ratio = units.mean_candidate_loss / champion
    if judged.bounds is None:
        return ratio, None, None
    return ratio, 1.0 + judged.bounds.lower / champion, 1.0 + judged.bounds.upper / champion


def earliest(
    units: Units, rule: Rule, judged: Judgement, *, began_at: datetime, at: datetime, ends_at: datetime
) -> datetime | None:
    """When min_units will have come and min_duration will have passed, for the experiment and within its units, if they
    come as they did since it began; or its end, if that is sooner: before, the rule can say nothing. None where no unit
    has come, so that the pace is not known, where all is there, so that it may speak with each next one, and where it
    has spoken."""
    if judged.verdict != "continue" or not len(units) or at <= began_at:
        return None
    elapsed = (at - began_at).total_seconds()
    seconds = max(elapsed / len(units) * (units_needed(units, rule) - len(units)), rule.min_duration_seconds - elapsed)
    if seconds <= 0.0:
        return None
    return at + timedelta(seconds=min(seconds, (ends_at - at).total_seconds()))


def units_needed(units: Units, rule: Rule) -> int:
    """Until there are min_units and they span min_duration, if they remain as far apart as they are."""
    if units.span_seconds <= 0.0:
        return rule.min_units
    apart = units.span_seconds / (len(units) - 1)
    return max(rule.min_units, math.ceil(rule.min_duration_seconds / apart) + 1)
