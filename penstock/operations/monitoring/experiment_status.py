"""How the experiment of a pipeline stands: from the newest plan, what has come true of its pair, and the decisions."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.decisions.evidence import KnownSums
from penstock.pipeline.decisions.files import DecisionFiles, History
from penstock.pipeline.decisions.record import Decision, Standing
from penstock.pipeline.decisions.standing import standing_with_sums
from penstock.pipeline.decisions.text import proposal_text
from penstock.pipeline.plan import Plan, newest_plan
from penstock.storage.files import Storage


class RunningExperiment(BaseModel):
    """Of the newest plan. mode: shadow or canary. fraction: the share of the keys that the candidate answers. is_bake:
    the candidate is the champion that was before, after a promotion."""

    model_config = ConfigDict(frozen=True)
    mode: str
    fraction: float
    is_bake: bool
    champion: str
    candidate: str
    began_at: datetime


class ExperimentStatus(BaseModel):
    """running: null where the champion answers alone. standing: of the running experiment. refused: candidates that are
    out of the plans while the alias means them, with the reason. proposals: decisions that wait for a person.
    unfinished: a decision that is made and not carried out."""

    model_config = ConfigDict(frozen=True)
    alias: str | None
    running: RunningExperiment | None
    standing: Standing | None
    refused: dict[str, str]
    proposals: tuple[Decision, ...]
    unfinished: Decision | None


def read_experiment(config: PipelineConfig, storage: Storage, *, now: datetime) -> ExperimentStatus | None:
    """None without the section `experiment`, unless a decision waits for somebody.

    Raises PlanError, LedgerError, OSError.
    """
    if config.model is None:
        return None
    history = DecisionFiles(storage=storage, root=config.tables.root).history()
    return experiment_status(config, storage, history, now=now)


def experiment_status(
    config: PipelineConfig, storage: Storage, history: History, *, now: datetime, known: KnownSums | None = None
) -> ExperimentStatus | None:
    """history: the pipeline's decisions. known: what was read before of `evaluations`. As `read_experiment`."""
    of_model = history.about(config.the_model.name)
    proposals, unfinished = of_model.open_proposals(), history.unfinished
    if config.experiment is None and not proposals and unfinished is None:
        return None
    plan = newest_plan(storage, config.checkpoint)
    running = running_in(plan) if plan is not None and config.experiment is not None else None
    found = standing_with_sums(config, storage, plan=plan, at=now, known=known) if running is not None else None
    return ExperimentStatus(
        alias=config.experiment.alias if config.experiment else None,
        running=running,
        standing=found[0] if found is not None else None,
        refused=dict(plan.refused_candidates) if plan is not None and config.experiment is not None else {},
        proposals=proposals,
        unfinished=unfinished,
    )


def running_in(plan: Plan) -> RunningExperiment | None:
    experiment, candidate = plan.experiment, plan.candidate
    if experiment is None or candidate is None:
        return None
    return RunningExperiment(
        mode=experiment.mode,
        fraction=experiment.fraction,
        is_bake=experiment.is_bake,
        champion=plan.champion.version,
        candidate=candidate.version,
        began_at=experiment.began_at,
    )


def experiment_text(status: ExperimentStatus) -> str:
    """One line, and another one for each version that is out."""
    if status.alias is None:
        return "none: the config has no such section"
    running = status.running
    if running is None:
        lines = [f"none in the newest plan: no batch has met {status.alias}, or it means the champion"]
    else:
        lines = [f"{running_text(running)}: {standing_text(status.standing)}"]
    if status.refused and running is None:
        lines = ["the champion answers alone"]
    return "; ".join([*lines, *[f"version {version} is out: {why}" for version, why in status.refused.items()]])


def running_text(running: RunningExperiment) -> str:
    what = "bake" if running.is_bake else running.mode
    share = "" if running.fraction == 1.0 else f" of {running.fraction:.4g} of the keys"
    since = f"{running.began_at:%Y-%m-%d %H:%M:%S} UTC"
    return f"{what}{share}, version {running.candidate} beside champion {running.champion} since {since}"


def standing_text(standing: Standing | None) -> str:
    if standing is None or standing.ratio is None:
        return "nothing of both has come true yet"
    band = ""
    if standing.ratio_lower is not None and standing.ratio_upper is not None:
        band = f" ({standing.ratio_lower:.4g} to {standing.ratio_upper:.4g})"
    return (
        f"loss {standing.ratio:.4g}{band} times the champion's, {standing.units:,} units of {standing.pairs:,} pairs, "
        f"{standing.verdict}: {standing.reason}"
    )


def decision_texts(status: ExperimentStatus) -> list[str]:
    """What waits: a decision that is begun, and proposals."""
    texts = []
    if status.unfinished is not None:
        made = status.unfinished
        at = f"{made.decided_at:%Y-%m-%d %H:%M:%S} UTC"
        texts.append(
            f"decision {made.number} is not finished since {at}: {made.summary}; the stream, penstock evaluate or "
            "penstock promote finishes it"
        )
    return [*texts, *map(proposal_text, status.proposals)]
