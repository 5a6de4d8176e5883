"""Resolves the version for a request: what an alias means now, or the version before while the new one is refused."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from penstock.config.model import ModelConfig
from penstock.errors import ModelRefusedError, RegistryUnavailableError, StorageError
from penstock.interfaces.rest.errors import NotReadyError, TooOftenError, UnknownNameError
from penstock.interfaces.rest.rate_limit import RateLimit
from penstock.models.in_process import LoadedModel
from penstock.models.registry import ModelVersion, Registry
from penstock.models.resolved import named_version

#: How many aliases or versions beside the configured one stay loaded (least recently used eviction).
MAX_OTHERS = 3
#: How many that are not loaded may be asked for.
MAX_OTHERS_A_MINUTE = 20
#: Errors that say nothing about a version: the registry or a disk is unavailable.
AWAY = (RegistryUnavailableError, StorageError)
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The state of a name (alias or version).

    confirmed_at: when the registry last resolved it, by the monotonic clock. refused: the version that it resolves to
    now if that can't be used, with the reason. trouble: why the registry's last request failed; empty if it succeeded.
    """

    name: ModelConfig
    model: LoadedModel | None = None
    confirmed_at: float = 0.0
    refused: dict[ModelVersion, str] = field(default_factory=dict)
    trouble: str = ""

    @property
    def problem(self) -> str:
        return self.trouble or "; ".join(self.refused.values())


@dataclass(kw_only=True)
class Versions:
    """The loaded versions of one model, by the names under which they are requested.

    `renew` polls the registry; a request waits for the registry only with a name that was not used before.
    """

    registry: Registry
    #: The configured name.
    model: ModelConfig
    load: Callable[[ModelVersion], LoadedModel]
    clock: Callable[[], float] = time.monotonic
    _standings: dict[ModelConfig, Standing] = field(default_factory=dict)
    _others: RateLimit = field(init=False)
    _renewing: threading.Lock = field(default_factory=threading.Lock)
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._others = RateLimit(times=MAX_OTHERS_A_MINUTE, seconds=60.0, clock=self.clock)

    @property
    def default(self) -> Standing:
        with self._changing:
            return self._standings.get(self.model, Standing(name=self.model))

    def all(self) -> list[Standing]:
        with self._changing:
            return list(self._standings.values())

    def choose(self, *, alias: str | None = None, version: str | None = None) -> LoadedModel:
        """The model for a request; neither: the configured one.

        Raises UnknownNameError, ModelRefusedError, NotReadyError, TooOftenError, RegistryUnavailableError.
        """
        name = self.name(alias=alias, version=version)
        standing = self.used(name)
        if standing is None and name != self.model:
            self.check_rate(name)
            standing = self.renew(name)
        if standing is None or standing.model is None:
            if standing is not None and name != self.model:
                raise ModelRefusedError(standing.problem)
            raise NotReadyError(f"{name.described} is not loaded: {self.default.problem or 'it will be in a moment'}")
        self.check_staleness(standing)
        return standing.model

    def used(self, name: ModelConfig) -> Standing | None:
        """The state of the name, if known, which becomes the most recently used one."""
        with self._changing:
            standing = self._standings.pop(name, None)
            if standing is not None:
                self._standings[name] = standing
            return standing

    def name(self, *, alias: str | None, version: str | None) -> ModelConfig:
        if version is not None:
            changes: dict[str, str | None] = {"version": version, "alias": ModelConfig.model_fields["alias"].default}
        elif alias is not None:
            changes = {"version": None, "alias": alias}
        else:
            return self.model
        return self.model.model_copy(update=changes)

    def check_rate(self, name: ModelConfig) -> None:
        """A name that is not loaded costs a request to the registry, and mostly a download. Raises TooOftenError."""
        if wait_seconds := self._others.wait_seconds():
            raise TooOftenError(
                f"{name.described} is not loaded, and {MAX_OTHERS_A_MINUTE} others were asked for within a minute; ask "
                f"again in {wait_seconds:.0f} s, or use the configured {self.model.described}",
                wait_seconds=wait_seconds,
            )

    def check_staleness(self, standing: Standing) -> None:
        age_seconds = self.clock() - standing.confirmed_at
        if standing.trouble and age_seconds > self.model.max_staleness:
            raise RegistryUnavailableError(
                f"{standing.trouble}; {age_seconds:.0f} s ago {standing.name.described} was there, and "
                f"model.max_staleness allows {self.model.max_staleness:.0f} s"
            )

    def renew_all(self) -> None:
        """Resolve every name in use, the configured one first."""
        for name in [self.model, *(standing.name for standing in self.all() if standing.name != self.model)]:
            try:
                self.renew(name)
            except (UnknownNameError, *AWAY) as error:
                log.debug("%s: %s", name.described, error)

    def renew(self, name: ModelConfig) -> Standing:
        """Resolve `name`, and load the version if it is new. Raises UnknownNameError, RegistryUnavailableError."""
        with self._renewing:
            before = next((standing for standing in self.all() if standing.name == name), Standing(name=name))
            try:
                after = self.resolved(before)
            except (UnknownNameError, *AWAY) as error:
                self.after_failure(before, error)
                raise
            self.put(after)
            return after

    def resolved(self, before: Standing) -> Standing:
        try:
            version = named_version(self.registry, before.name)
        except ModelRefusedError as error:
            raise UnknownNameError(str(error)) from None
        same = replace(before, confirmed_at=self.clock(), trouble="")
        if before.model is not None and before.model.version == version:
            return replace(same, refused={})
        if version in before.refused:
            return same
        try:
            return replace(same, model=self.loaded(version), refused={})
        except ModelRefusedError as error:
            log.warning("%s is refused%s: %s", version.uri, ", keeping the version before" * bool(before.model), error)
            return replace(same, refused={version: str(error)})

    def loaded(self, version: ModelVersion) -> LoadedModel:
        """The version, loaded now unless another name has loaded it already."""
        models = [standing.model for standing in self.all() if standing.model is not None]
        return next((model for model in models if model.version == version), None) or self.load(version)

    def after_failure(self, before: Standing, error: Exception) -> None:
        """After a failed request: the configured name keeps its version; another name that is unknown is dropped."""
        is_away = isinstance(error, AWAY)
        if before.name == self.model or (is_away and before.model is not None):
            if before.trouble != str(error):
                log.warning("%s: %s", before.name.described, error)
            self.put(replace(before, trouble=str(error)))
            return
        with self._changing:
            self._standings.pop(before.name, None)

    def put(self, standing: Standing) -> None:
        with self._changing:
            self._standings[standing.name] = standing
            others = [name for name in self._standings if name != self.model]
            for name in others[: max(0, len(others) - MAX_OTHERS)]:
                del self._standings[name]
