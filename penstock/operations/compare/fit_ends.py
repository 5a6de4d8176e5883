"""Until when the versions' training data goes: answers about that time are in sample, and say nothing of the next
ones."""

from datetime import UTC, datetime

from mlflow.exceptions import MlflowException

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError
from penstock.models.fleet_check import fitted_until
from penstock.models.registry import Registry, model_metadata

UNTIL = "until"


def fit_ends(config: PipelineConfig, versions: tuple[str, ...]) -> dict[str, datetime | None]:
    """By version, None where neither the model nor its run says it.

    Raises ModelRefusedError for a version that is not in the registry, RegistryUnavailableError.
    """
    registry = Registry.of(config)
    return {version: fit_end(registry, config.the_model.name, version) for version in versions}


def fit_end(registry: Registry, name: str, version: str) -> datetime | None:
    found = registry.version(name, version)
    try:
        said = fitted_until(model_metadata(registry.local_copy(found)).metadata or {})
    except ModelRefusedError:
        said = None
    return said or until_of_run(registry, name, version)


def until_of_run(registry: Registry, name: str, version: str) -> datetime | None:
    """The param `until` of its run, which is `all` or an ISO time."""
    try:
        run_id = registry.client.get_model_version(name, version).run_id
        until = registry.client.get_run(run_id).data.params.get(UNTIL) if run_id else None
        time = datetime.fromisoformat(until) if until else None
    except (MlflowException, OSError, ValueError):
        return None
    return time.replace(tzinfo=time.tzinfo or UTC) if time else None
