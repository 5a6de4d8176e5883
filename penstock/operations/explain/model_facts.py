"""What the registry and its runs say of a model version."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion as RegisteredVersion
from mlflow.exceptions import MlflowException

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError, RegistryUnavailableError
from penstock.models.fleet_check import fitted_until
from penstock.models.in_process import LoadedModel, load_in_process
from penstock.models.pinned import PinnedModel
from penstock.models.registered import CONTEXT, GIT_COMMIT, TABLE_VERSION, json_object, place_of
from penstock.models.registry import ModelVersion, Registry, as_version, model_metadata
from penstock.models.trust import artifact_digest
from penstock.operations.explain.report import ModelFacts
from penstock.redaction import without_credentials
from penstock.schemas.contract import Contract

#: Params of runs of Penstock's train jobs that say what a model was fitted on.
DATA_PARAMS = ("data_source", "data_version", "data", "training_rows", "rows", "until")


@dataclass(frozen=True, kw_only=True)
class FoundModel:
    """loaded: None where facts.problem says why not."""

    facts: ModelFacts
    loaded: LoadedModel | None


def find_model(
    config: PipelineConfig,
    contract: Contract,
    *,
    name: str,
    version: str,
    pinned: PinnedModel | None,
    sha256: str | None,
) -> FoundModel:
    """The version, loaded in this process. contract: the columns that its inputs are taken from. pinned: as the plan
    has it, by which its local copy is found while the registry is away. sha256: of its files as the plan has it, None
    where it does not say."""
    registry, facts = Registry.of(config), ModelFacts(name=name, version=version)
    try:
        facts, found = described(registry, facts, pinned)
        folder = registry.local_copy(found)
        facts = replace(
            facts,
            sha256=artifact_digest(folder),
            fitted_until=fitted_until(model_metadata(folder).metadata or {}),
        )
        if sha256 not in (None, facts.sha256):
            raise ModelRefusedError(f"the version's files are others than answered: those had the SHA-256 {sha256}")
        loaded = load_in_process(registry, found, contract, config.the_model)
    except (ModelRefusedError, RegistryUnavailableError, MlflowException, OSError) as error:
        return FoundModel(facts=replace(facts, problem=without_credentials(str(error))), loaded=None)
    return FoundModel(facts=facts, loaded=loaded)


def described(registry: Registry, facts: ModelFacts, pinned: PinnedModel | None) -> tuple[ModelFacts, ModelVersion]:
    """Raises ModelRefusedError for a version that is not there, or not the one that was pinned;
    RegistryUnavailableError where there is no pin either."""
    planned = version_of(pinned) if pinned and pinned.version == facts.version else None
    try:
        registry.version(facts.name, facts.version)
        registered = registry.client.get_model_version(facts.name, facts.version)
    except RegistryUnavailableError:
        if planned is None:
            raise
        return facts, planned
    found = as_version(registered)
    if planned is not None and planned != found:
        raise ModelRefusedError(
            f"the registry's version {facts.version} of {facts.name!r} is another one than answered: it was created "
            f"{moment(found.created_milliseconds)}, that of the plan {moment(planned.created_milliseconds)}"
        )
    return with_run(registry, facts, registered), found


def version_of(pinned: PinnedModel) -> ModelVersion:
    return ModelVersion(
        name=pinned.name,
        version=pinned.version,
        source=pinned.source,
        created_milliseconds=pinned.created_milliseconds,
    )


def with_run(registry: Registry, facts: ModelFacts, registered: RegisteredVersion) -> ModelFacts:
    facts = replace(
        facts,
        aliases=tuple(registered.aliases or ()),
        run_id=registered.run_id or None,
        created_at=moment(registered.creation_timestamp),
    )
    if not facts.run_id:
        return facts
    try:
        run = registry.client.get_run(facts.run_id)
    except (MlflowException, OSError):
        # A run may be deleted, and its model stays.
        return facts
    return replace(facts, git_commit=run.data.tags.get(GIT_COMMIT), trained_on=training_data(run))


def training_data(run: Run) -> tuple[str, ...]:
    """One text for each dataset of the run, and its params about data."""
    inputs = run.inputs.dataset_inputs if run.inputs else []
    datasets = [dataset_text(given.dataset, {tag.key: tag.value for tag in given.tags}) for given in inputs]
    params = [f"{name} {run.data.params[name]}" for name in DATA_PARAMS if name in run.data.params]
    return tuple(without_credentials(text) for text in (*datasets, *params))


def dataset_text(dataset: Any, tags: Mapping[str, str]) -> str:
    source, profile = json_object(dataset.source), json_object(dataset.profile)
    context = tags.get(CONTEXT)
    parts = [
        *([f"{context}:"] if context else []),
        str(place_of(source) or dataset.name),
        *([f"version {source[TABLE_VERSION]}"] if source.get(TABLE_VERSION) is not None else []),
        *([f"({profile['num_rows']:,} rows)"] if isinstance(profile.get("num_rows"), int) else []),
    ]
    return " ".join(parts)


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
