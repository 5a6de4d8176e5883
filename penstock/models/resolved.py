"""The model version that the config means, resolved once for all that a start asks of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from mlflow.models import ModelSignature

from penstock.config.model import ModelConfig
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError
from penstock.models.refusal import refused_if_it_fails
from penstock.models.registry import ModelVersion, Registry, model_metadata

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class ResolvedModel:
    """A version with its files on this machine, and what its MLmodel file says. Nothing of it was loaded."""

    version: ModelVersion
    folder: Path
    signature: ModelSignature | None
    metadata: Mapping[str, Any]
    flavors: dict[str, Any]


class Once(Generic[Found]):
    """A question asked at most once: its answer, or the refusal that it raised, each time. Trouble is no answer."""

    def __init__(self, ask: Callable[[], Found]) -> None:
        self._ask = ask
        self._answers: list[Found] = []
        self._error: ModelRefusedError | None = None

    def get(self) -> Found:
        if self._error is not None:
            raise self._error.with_traceback(None)
        if not self._answers:
            try:
                self._answers.append(self._ask())
            except ModelRefusedError as error:
                self._error = error
                raise
        return self._answers[0]


@dataclass(frozen=True, kw_only=True)
class ModelAtStart:
    """What the config's version or alias means when a job starts. The registry is asked until it answers; micro-batches
    ask it themselves, each again."""

    registry: Registry
    model: ModelConfig
    _version: Once[ModelVersion] = field(init=False, repr=False, compare=False)
    _resolved: Once[ResolvedModel] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_version", Once(lambda: named_version(self.registry, self.model)))
        object.__setattr__(self, "_resolved", Once(lambda: resolve(self.registry, self.version())))

    @classmethod
    def of(cls, config: PipelineConfig) -> "ModelAtStart":
        return cls(registry=Registry.of(config), model=config.the_model)

    @classmethod
    def if_any(cls, config: PipelineConfig) -> "ModelAtStart | None":
        """None for a pipeline without a model."""
        return cls.of(config) if config.model else None

    def version(self) -> ModelVersion:
        """Raises RegistryUnavailableError, or ModelRefusedError if there is no such version or alias."""
        return self._version.get()

    def resolved(self) -> ResolvedModel:
        """Raises RegistryUnavailableError, ModelRefusedError if its files can't be had or read, StorageError."""
        return self._resolved.get()


def named_version(registry: Registry, model: ModelConfig) -> ModelVersion:
    """The version that the config names, or that its alias means now.

    Raises RegistryUnavailableError, or ModelRefusedError if there is no such version or alias.
    """
    if model.version is not None:
        return registry.version(model.name, model.version)
    return registry.version_of_alias(model.name, model.alias)


def resolve(registry: Registry, version: ModelVersion) -> ResolvedModel:
    """Fetch a version's files and read its MLmodel file. Raises as `ModelAtStart.resolved`."""
    with refused_if_it_fails(version, registry):
        folder = registry.local_copy(version)
        found = model_metadata(folder)
    return ResolvedModel(
        version=version,
        folder=folder,
        signature=found.signature,
        metadata=found.metadata or {},
        flavors=found.flavors,
    )
