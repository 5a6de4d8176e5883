"""Follows the experiment of a pipeline: the newest plan of its stream says which version answers which keys."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mlflow.types import DataType as MlflowType

from penstock.config.experiment import first_bucket_without
from penstock.config.model import ModelConfig
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError, PenstockError, PlanError, RegistryUnavailableError, StorageError
from penstock.interfaces.rest.canary import Canary, Candidate
from penstock.interfaces.rest.key_buckets import KeyBuckets
from penstock.interfaces.rest.row_predictor import Predictor
from penstock.models.in_process import LoadedModel
from penstock.models.pinned import PinnedModel
from penstock.models.registry import ModelVersion, Registry
from penstock.models.resolved import named_version
from penstock.pipeline.plan import Plan, PlannedExperiment, newest_plan
from penstock.storage.files import Storage

#: How long a candidate may take to be fetched, opened, and made ready.
MAX_LOAD_SECONDS = 600.0
BEING_LOADED = "is being loaded"
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Loading:
    """Of a candidate, in a thread of its own. began_at: of the monotonic clock. trouble: why the load before it failed,
    of the same version."""

    version: ModelVersion
    began_at: float
    trouble: str
    thread: threading.Thread | None = None


@dataclass(kw_only=True)
class FollowedExperiment:
    """Of one pipeline. `renew` is called between requests; a request takes what is there.

    alias: of the candidate. load: a version. predictor: of a loaded version; takes some seconds. buckets: of a plan's
    key. problem: why the champion answers alone although a canary runs.
    """

    config: PipelineConfig
    storage: Storage
    alias: ModelConfig
    registry: Registry
    load: Callable[[ModelVersion], LoadedModel]
    predictor: Callable[[LoadedModel], Predictor]
    buckets: Callable[[tuple[str, ...]], KeyBuckets | None]
    clock: Callable[[], float] = time.monotonic
    problem: str = ""
    canary: Canary | None = None
    #: Of the newest plan, where it is loaded.
    candidate: Candidate | None = None
    #: Versions that can't be loaded, with the reason.
    _refused: dict[ModelVersion, str] = field(default_factory=dict)
    _buckets: dict[tuple[str, ...], KeyBuckets | None] = field(default_factory=dict)
    _loading: Loading | None = None

    @property
    def standing_problem(self) -> str:
        return self.problem or (self.candidate.problem if self.canary and self.candidate else "")

    def of(self, champion: ModelVersion) -> Canary | None:
        """The canary in which this version is the champion."""
        canary = self.canary
        return canary if canary is not None and canary.champion == champion else None

    def renew(self) -> None:
        """Take over what the newest plan says. A version that is new is loaded in a thread of its own, since foreign
        code may never come back."""
        try:
            plan = newest_plan(self.storage, self.config.checkpoint)
        except (PlanError, StorageError, OSError) as error:
            self.alone(f"the newest plan can't be read: {error}")
            return
        if plan is None or plan.experiment is None or plan.candidate is None or plan.experiment.mode != "canary":
            self.candidate = None
            self.alone("")
            return
        candidate, key = version_of(plan.candidate), plan.experiment.key
        if self.is_withdrawn(candidate):
            self.alone("")
        elif candidate in self._refused:
            self.alone(self._refused[candidate])
        elif self.candidate is not None and self.candidate.version == candidate and key in self._buckets:
            self.follow(plan, plan.experiment, self.candidate)
        else:
            self.be_loading(candidate, key)

    def is_withdrawn(self, candidate: ModelVersion) -> bool:
        """Whether the alias has left the plan's candidate, as after a verdict; the stream's next plan will say so. As
        long as the registry is away, nothing has changed."""
        try:
            return named_version(self.registry, self.alias) != candidate
        except ModelRefusedError:
            return True
        except RegistryUnavailableError:
            return False

    def be_loading(self, candidate: ModelVersion, key: tuple[str, ...]) -> None:
        """See to it that the version is being loaded; one that takes too long is refused, and another one does not wait
        for it."""
        before = self._loading if self._loading is not None and self._loading.version == candidate else None
        if before is None or before.thread is None or not before.thread.is_alive():
            trouble = before.trouble if before else ""
            loading = self._loading = Loading(version=candidate, began_at=self.clock(), trouble=trouble)
            self.alone(trouble or f"{candidate.uri} {BEING_LOADED}")
            loading.thread = threading.Thread(
                target=self.prepare, args=(loading, key), name="candidate-loader", daemon=True
            )
            loading.thread.start()
        elif self.clock() - before.began_at > MAX_LOAD_SECONDS:
            self.refuse(before, f"{candidate.uri} can't be loaded: no result within {MAX_LOAD_SECONDS:g} s")

    def prepare(self, loading: Loading, key: tuple[str, ...]) -> None:
        """Whatever becomes of it, the champion answers."""
        candidate = loading.version
        try:
            loaded = self.load(candidate)
            predictor = self.predictor(loaded)
            buckets = {key: self.buckets(key)}
        except ModelRefusedError as error:
            self.refuse(loading, str(error))
        except PenstockError as error:
            # The registry or a disk is away: the next look tries again.
            loading.trouble = f"{candidate.uri} can't be loaded now: {error}"
            self.alone_because_of(loading, loading.trouble)
        except BaseException as error:  # noqa: BLE001 - foreign code that is imported and run
            self.refuse(loading, f"{candidate.uri} can't be loaded: {type(error).__name__}: {error}")
        else:
            if loading is self._loading and candidate not in self._refused:
                self._buckets = buckets
                self.candidate = Candidate(
                    version=candidate,
                    predictor=predictor,
                    are_numbers=tuple(column.type != MlflowType.string for column in loaded.outputs),
                )

    def refuse(self, loading: Loading, why: str) -> None:
        self._refused[loading.version] = why
        self.alone_because_of(loading, why)

    def alone_because_of(self, loading: Loading, why: str) -> None:
        """Unless another version is being loaded by now."""
        if loading is self._loading:
            self.alone(why)

    def follow(self, plan: Plan, experiment: PlannedExperiment, candidate: Candidate) -> None:
        """candidate: of the plan, loaded."""
        buckets = self._buckets[experiment.key]
        if buckets is None:
            self.alone(f"the plan samples by {', '.join(experiment.key)}, which the contract does not have")
            return
        self.problem = ""
        self.canary = Canary(
            champion=version_of(plan.champion),
            candidate=candidate,
            buckets=buckets,
            salt=experiment.salt,
            limit=first_bucket_without(experiment.fraction),
            whole_keys=self.config.workload == "series",
        )

    def alone(self, why: str) -> None:
        """The champion answers alone. why: empty where that is as it should be."""
        if why and why != self.problem and not why.endswith(BEING_LOADED):
            log.warning("%s: the champion answers alone: %s", self.config.pipeline, why)
        self.problem, self.canary = why, None


def version_of(pinned: PinnedModel) -> ModelVersion:
    return ModelVersion(
        name=pinned.name,
        version=pinned.version,
        source=pinned.source,
        created_milliseconds=pinned.created_milliseconds,
    )
