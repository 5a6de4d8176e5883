"""Reads and moves the aliases of a registered model, and tags its versions.

MLflow has no compare-and-swap: an alias is read, and then set or deleted by a second request. What a person sets
between the two is overwritten, and nobody is notified: the registry keeps no history of an alias.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from mlflow.exceptions import MlflowException

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError
from penstock.models.registry import NOT_THERE, Registry
from penstock.redaction import without_credentials

#: What MLflow answers where its database refuses a row that is there already.
CONFLICT = "BAD_REQUEST"
#: What MLflow's own authentication asks for; to delete an alias or a tag takes more than to set it.
EDIT, DELETE = "EDIT", "MANAGE"


@dataclass(frozen=True, kw_only=True)
class ModelAliases:
    """Of one registered model. All methods raise RegistryUnavailableError, also if the registry refuses this user."""

    registry: Registry
    name: str

    @classmethod
    def of(cls, config: PipelineConfig) -> "ModelAliases":
        return cls(registry=Registry.of(config), name=config.the_model.name)

    def read(self, alias: str) -> str | None:
        """The version that the alias means; None without such an alias, or model."""
        try:
            with self._asked():
                return str(self.registry.client.get_model_version_by_alias(self.name, alias).version)
        except ModelRefusedError:
            return None

    def set(self, alias: str, version: str) -> None:
        """Raises ModelRefusedError if there is no such version."""
        with self._asked(version, right=EDIT):
            repeated(lambda: self.registry.client.set_registered_model_alias(self.name, alias, version))

    def delete(self, alias: str) -> None:
        """No error if there is no such alias. Raises ModelRefusedError if there is no such model."""
        with self._asked(right=DELETE):
            self.registry.client.delete_registered_model_alias(self.name, alias)

    def set_tags(self, version: str, tags: Mapping[str, str]) -> None:
        """Raises ModelRefusedError if there is no such version."""
        with self._asked(version, right=EDIT):
            for key, value in tags.items():
                repeated(partial(self.registry.client.set_model_version_tag, self.name, version, key, value))

    def tags(self, version: str) -> dict[str, str]:
        """Raises ModelRefusedError if there is no such version."""
        with self._asked(version):
            return dict(self.registry.client.get_model_version(self.name, version).tags)

    def delete_tags(self, version: str, keys: Iterable[str]) -> None:
        """No error for a tag that is not there. Raises ModelRefusedError if there is no such version."""
        with self._asked(version, right=DELETE):
            present = self.registry.client.get_model_version(self.name, version).tags
            for key in keys:
                # Over HTTP it is an error to delete a tag that is not there.
                if key in present:
                    self.registry.client.delete_model_version_tag(self.name, version, key)

    @contextmanager
    def _asked(self, version: str | None = None, *, right: str = "READ") -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            if error.error_code not in NOT_THERE:
                raise self.registry.unavailable(error, right=right) from None
            what = f"version {version} of {self.name!r}" if version else f"model {self.name!r}, or no such alias of it"
            raise ModelRefusedError(
                f"the registry {without_credentials(self.registry.tracking_uri)} has no {what}; was it deleted? "
                "penstock models shows what there is"
            ) from None
        except OSError as error:
            raise self.registry.unavailable(error) from None


def repeated(write: Callable[[], object]) -> None:
    """Once more, if another process made the same alias or tag meanwhile, and MLflow's database refused this one."""
    try:
        write()
    except MlflowException as error:
        if error.error_code != CONFLICT:
            raise
        write()
