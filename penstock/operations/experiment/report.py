"""`penstock experiment`: how a pipeline's experiment stands, and what it lacks. Without Spark."""

from datetime import UTC, datetime

import pyarrow as pa

from penstock.config.evaluation_defaults import loss_of, steps_of
from penstock.config.pipeline import PipelineConfig
from penstock.config.sections import FrozenModel
from penstock.errors import ConfigError
from penstock.operations.experiment.measures import PairMeasures, measures_of
from penstock.operations.experiment.missing import Missing, missing_for_experiment, missing_for_verdict
from penstock.pipeline.decisions.by_rule import kind_of
from penstock.pipeline.decisions.files import Decided, DecisionFiles
from penstock.pipeline.decisions.record import Kind, Standing
from penstock.pipeline.decisions.standing import end_of, standing_with_sums
from penstock.pipeline.decisions.text import text_of
from penstock.pipeline.plan import newest_plan
from penstock.storage.files import Storage
from penstock.storage.routing import storage_of

#: Decisions that are shown, the newest ones.
SHOWN = 5


class ExperimentReport(FrozenModel):
    """standing: None where no experiment runs; missing then says why not. would_do: the kind of decision that the rule
    would make now, None for none. ends_at: of the experiment, or of the bake. measures: of the pair by variable and
    step. decisions: about the pair (without an experiment about the model), the newest first, one line each. missing:
    what an experiment, or a verdict, lacks."""

    pipeline: str
    model_name: str
    loss: str
    act: str
    alpha: float
    standing: Standing | None
    would_do: Kind | None = None
    ends_at: datetime | None = None
    measures: tuple[PairMeasures, ...] = ()
    decisions: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()


def read_experiment(config: PipelineConfig) -> ExperimentReport:
    """Raises ConfigError for a pipeline without a model, PlanError, LedgerError for what can't be read, OSError."""
    if config.model is None:
        raise ConfigError(
            f"workload: {config.pipeline} is a pipeline of {config.workload}, which has no model; "
            "name the pipeline whose answers they are for"
        )
    storage = storage_of(config)
    plan = newest_plan(storage, config.checkpoint)
    standing, sums = standing_with_sums(config, storage, plan=plan, at=datetime.now(UTC)) or (None, None)
    report = ExperimentReport(
        pipeline=config.pipeline,
        model_name=config.the_model.name,
        loss=loss_of(config),
        act=config.verdict.act,
        alpha=config.verdict.alpha,
        standing=standing,
        decisions=last_decisions(config, storage, standing),
        missing=missing(config, storage, standing),
    )
    return report.model_copy(update=of_pair(config, standing, sums)) if standing else report


def of_pair(config: PipelineConfig, standing: Standing, sums: pa.Table) -> dict[str, object]:
    return {
        "would_do": kind_of(standing, config.verdict),
        "ends_at": end_of(config, standing.began_at, is_bake=standing.is_bake),
        "measures": measures_of(sums, steps_of(config)),
    }


def last_decisions(config: PipelineConfig, storage: Storage, standing: Standing | None) -> tuple[str, ...]:
    history = DecisionFiles(storage=storage, root=config.tables.root).history().about(config.the_model.name)
    pair = {standing.champion, standing.candidate} if standing else None

    def is_shown(one: Decided) -> bool:
        return pair is None or {one.decision.champion, one.decision.candidate} == pair

    shown = [one for one in reversed(history.decisions) if is_shown(one)]
    return tuple(f"{one.decision.decided_at:%Y-%m-%d %H:%M} {text_of(one)}" for one in shown[:SHOWN])


def missing(config: PipelineConfig, storage: Storage, standing: Standing | None) -> tuple[Missing, ...]:
    """A running experiment needs no registry."""
    if standing is None:
        return tuple(missing_for_experiment(config, storage))
    return tuple(missing_for_verdict(config, storage, standing))
