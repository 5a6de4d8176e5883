"""The model store of a pipeline at a glance: `penstock models`, and `GET /models/{name}/versions`."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from penstock.config.evaluation_defaults import loss_of, steps_of
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, ModelRefusedError, PenstockError, RegistryUnavailableError
from penstock.models.registered import RegisteredVersion, TrainingRun, registered_versions
from penstock.models.registry import Registry
from penstock.operations.model_store import ledger, live
from penstock.operations.model_store.decided import VersionDecision, about_version, read_decisions
from penstock.operations.model_store.ledger import Use
from penstock.operations.model_store.measures import Live, Sums, live_of
from penstock.operations.model_store.table_rows import read_columns
from penstock.redaction import without_credentials

WITH_MODEL = ("rows", "series")


class Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Data(Part):
    """source: a table's or file's location. version: of a Delta table. digest: of data that has no location."""

    name: str
    source: str | None
    version: int | None
    digest: str | None
    context: str


class Training(Part):
    """The MLflow run that made a version. rows: that it was fitted on (series: observations). until: the last time of
    them, where the fit was given one. holdout: the run's metrics of data that the model has not seen."""

    run_id: str
    run_name: str
    git_commit: str | None
    data: tuple[Data, ...]
    rows: int | None
    until: str | None
    holdout: dict[str, float]


class Used(Part):
    """The micro-batches that this version answered. accepted: their rows or observations."""

    batches: int
    accepted: int
    first_at: datetime
    last_at: datetime


class VersionFacts(Part):
    """created_at, aliases: of the registry; null and empty where it does not have the version, or did not answer.
    training: null without a run. used: null if it never answered. is_answering: it is the version of the newest batch.
    refused: why the stream refused it, and the version before stayed in use. live: null until some of its answers were
    evaluated."""

    version: str
    aliases: tuple[str, ...]
    created_at: datetime | None
    training: Training | None
    is_answering: bool
    used: Used | None
    refused: str | None
    live: Live | None
    #: Of its answers beside a champion's; of series its loss is in units of the champion's interval.
    as_candidate: Live | None = None
    decisions: tuple[VersionDecision, ...] = ()


class ModelVersions(Part):
    """The versions of a pipeline's model, the newest first. answering: the version of the newest batch. loss: what
    `live` measures (evaluate.loss); sums of another one are left out. problem: why there is nothing of the registry."""

    name: str
    pipeline: str
    workload: str
    answering: str | None
    loss: str
    problem: str | None
    versions: tuple[VersionFacts, ...]


def read_model_versions(config: PipelineConfig, *, needs_registry: bool = False) -> ModelVersions:
    """Without Spark. needs_registry: raise RegistryUnavailableError instead of showing what the tables know alone.

    Raises ConfigError for a pipeline of labels, RegistryUnavailableError or ModelRefusedError if neither the registry
    nor the tables know a version, EnvironmentCheckError if a table or a decision can't be read, OSError.
    """
    if config.workload not in WITH_MODEL:
        raise ConfigError(
            f"workload: {config.pipeline} is a pipeline of {config.workload}, which has no model; name the pipeline "
            "whose answers they are for"
        )
    registered, problem = ask_registry(config)
    if isinstance(problem, RegistryUnavailableError) and needs_registry:
        raise problem
    with read_columns(config, {"batches": ledger.COLUMNS, "evaluations": live.COLUMNS}) as tables:
        used = ledger.uses(tables)
        refused = ledger.refusals(tables, used)
        sums = live.read_sums(tables, loss=loss_of(config))
        of_candidates = live.read_candidate_sums(tables, loss=loss_of(config))
    decisions = read_decisions(config)
    numbers = {*registered, *used, *refused, *(one.version for one in [*sums, *of_candidates])}
    if problem and not numbers:
        raise problem
    now, steps = ledger.answering(config, used), steps_of(config)
    return ModelVersions(
        name=config.the_model.name,
        pipeline=config.pipeline,
        workload=config.workload,
        answering=now,
        loss=loss_of(config),
        problem=str(problem) if problem else None,
        versions=tuple(
            VersionFacts(
                version=number,
                aliases=registered[number].aliases if number in registered else (),
                created_at=registered[number].created_at if number in registered else None,
                training=training(registered.get(number)),
                is_answering=number == now,
                used=used_of(used.get(number)),
                refused=refused.get(number),
                live=live_or_none([one for one in sums if one.version == number], steps),
                as_candidate=live_or_none([one for one in of_candidates if one.version == number], steps),
                decisions=about_version(decisions, number),
            )
            for number in newest_first(numbers)
        ),
    )


def ask_registry(config: PipelineConfig) -> tuple[dict[str, RegisteredVersion], PenstockError | None]:
    """The registered versions by number, and why there are none: it did not answer, or has no such model."""
    registry = Registry.of(config)
    try:
        found = registered_versions(registry, config.the_model.name)
        if found is None:
            raise ModelRefusedError(
                f"the registry {without_credentials(registry.tracking_uri)} has no model {config.the_model.name!r}; "
                "register a version (train jobs do), or correct model.name and mlflow.tracking_uri"
            )
    except (RegistryUnavailableError, ModelRefusedError) as error:
        return {}, error
    return {one.version: one for one in found}, None


def newest_first(versions: Iterable[str]) -> list[str]:
    """MLflow's versions are numbers; others, of tables that another program wrote, come last."""
    return sorted(versions, key=lambda text: (text.isdigit(), int(text) if text.isdigit() else 0, text), reverse=True)


def live_or_none(sums: list[Sums], steps: tuple[int, ...]) -> Live | None:
    return live_of(sums, steps) if sums else None


def used_of(use: Use | None) -> Used | None:
    if use is None:
        return None
    return Used(batches=use.batches, accepted=use.accepted, first_at=use.first_at, last_at=use.last_at)


def training(version: RegisteredVersion | None) -> Training | None:
    run: TrainingRun | None = version.run if version else None
    if run is None:
        return None
    return Training(
        run_id=run.run_id,
        run_name=run.name,
        git_commit=run.git_commit,
        data=tuple(
            Data(
                name=one.name,
                source=without_credentials(one.source) if one.source else None,
                version=one.version,
                digest=one.digest,
                context=one.context,
            )
            for one in run.data
        ),
        rows=run.rows,
        until=run.until,
        holdout=run.holdout,
    )
