"""What an experiment, or a verdict on it, still lacks, and what a person can do about it."""

from penstock.config.evaluation_defaults import loss_of
from penstock.config.pipeline import PipelineConfig
from penstock.config.sections import FrozenModel
from penstock.errors import ModelRefusedError, PenstockError, RegistryUnavailableError
from penstock.models.registry import Registry
from penstock.pipeline.decisions.record import Standing
from penstock.pipeline.evaluation.records import last_record
from penstock.pipeline.plan import Plan, newest_plan
from penstock.storage.files import Storage


class Missing(FrozenModel):
    """what: is missing. next_step: what a person can do."""

    what: str
    next_step: str


def missing_for_experiment(config: PipelineConfig, storage: Storage) -> list[Missing]:
    """Why the newest plan has no experiment. Raises PlanError, OSError."""
    experiment = config.experiment
    if experiment is None:
        return [
            Missing(
                what="the config has no section experiment",
                next_step="add experiment: {alias: candidate, mode: shadow} to it; a running stream takes it at its "
                "next start",
            )
        ]
    plan = newest_plan(storage, config.checkpoint)
    found = missing_candidate(config, plan)
    if plan is None:
        found.append(
            Missing(what="no batch has been planned yet", next_step="run penstock stream or penstock backfill")
        )
    return found + ([] if found else [not_taken_yet(plan)])


def missing_candidate(config: PipelineConfig, plan: Plan | None) -> list[Missing]:
    """What the alias lacks by the registry, and what the newest plan says of the version that it means."""
    assert config.experiment is not None
    alias, name, registry = config.experiment.alias, config.the_model.name, Registry.of(config)
    try:
        version = registry.version_of_alias(name, alias).version
        champion = registry.version_of_alias(name, config.the_model.alias).version
    except ModelRefusedError as error:
        return [Missing(what=str(error), next_step=f"set the alias {alias} of {name} to the version to be tried")]
    except RegistryUnavailableError as error:
        return [Missing(what=f"what the alias {alias} means is not known", next_step=str(error))]
    if version == champion:
        return [
            Missing(
                what=f"the alias {alias} means version {version}, which is the champion",
                next_step="set it to the version to be tried, or register one; the champion answers alone until then",
            )
        ]
    reason = plan.refused_candidates.get(version) if plan else None
    if reason:
        return [
            Missing(
                what=f"version {version} was refused: {reason}",
                next_step=f"register a better version and set the alias {alias} to it",
            )
        ]
    return []


def not_taken_yet(plan: Plan | None) -> Missing:
    batch = f"batch {plan.batch_id} was planned {plan.planned_at:%Y-%m-%d %H:%M}" if plan else "no batch was planned"
    return Missing(
        what=f"{batch}, before the candidate, or under a config without it",
        next_step="the next batch takes it: let files come, and see that the stream runs with this config "
        "(penstock status)",
    )


def missing_for_verdict(config: PipelineConfig, storage: Storage, standing: Standing) -> list[Missing]:
    """Why nothing of the pair has come true, as far as it is known. Raises OSError."""
    if standing.units:
        return []
    if config.workload == "rows" and config.labels is None:
        return [
            Missing(
                what="no labels say what came true",
                next_step="add the section labels (docs/labels.md); until then a person decides: penstock promote",
            )
        ]
    found = []
    if config.evaluate is None or config.evaluate.every is None:
        found.append(
            Missing(
                what="the stream does not evaluate (evaluate.every)",
                next_step="add evaluate: {every: 1 hour}, or run penstock evaluate, by hand or from cron",
            )
        )
    came = "labels of its rows" if config.workload == "rows" else "actuals of its forecasts"
    try:
        last = last_record(storage, config.tables.root)
    except PenstockError as error:
        return [*found, Missing(what=f"the last evaluation is not known: {error}", next_step="run penstock evaluate")]
    if last is None:
        found.append(Missing(what="nothing was evaluated yet", next_step="run penstock evaluate"))
    elif standing.pairs == 0:
        found.append(
            Missing(
                what=f"the last evaluation ({last.evaluated_at:%Y-%m-%d %H:%M}) has no pair of both versions since the "
                f"experiment began, with a loss of both ({loss_of(config)})",
                next_step=f"wait for the {came}, and the next evaluation",
            )
        )
    return found
