"""Follows the experiment of a pipeline: the newest plan of its stream says which version answers which keys."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from penstock.config.experiment import first_bucket_without
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError, PenstockError, PlanError, StorageError
from penstock.interfaces.rest.canary import Canary, Candidate
from penstock.interfaces.rest.key_buckets import KeyBuckets
from penstock.interfaces.rest.row_predictor import Predictor
from penstock.models.in_process import LoadedModel
from penstock.models.pinned import PinnedModel
from penstock.models.registry import ModelVersion
from penstock.pipeline.plan import Plan, PlannedExperiment, newest_plan
from penstock.storage.files import Storage

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class FollowedExperiment:
    """Of one pipeline. `renew` is called between requests; a request takes what is there.

    load: a version. predictor: of a loaded version; takes some seconds. buckets: of a plan's key. problem: why the
    champion answers alone although a canary runs.
    """

    config: PipelineConfig
    storage: Storage
    load: Callable[[ModelVersion], LoadedModel]
    predictor: Callable[[LoadedModel], Predictor]
    buckets: Callable[[tuple[str, ...]], KeyBuckets | None]
    problem: str = ""
    canary: Canary | None = None
    #: Of the newest plan, where it is loaded.
    candidate: Candidate | None = None
    #: Versions that can't be loaded, with the reason.
    _refused: dict[ModelVersion, str] = field(default_factory=dict)
    _buckets: dict[tuple[str, ...], KeyBuckets | None] = field(default_factory=dict)
    _loading: threading.Thread | None = None

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
        if candidate in self._refused:
            self.alone(self._refused[candidate])
        elif self.candidate is not None and self.candidate.version == candidate and key in self._buckets:
            self.follow(plan, plan.experiment, self.candidate)
        elif self._loading is None or not self._loading.is_alive():
            self.problem, self.canary = f"{candidate.uri} is being loaded", None
            self._loading = threading.Thread(
                target=self.prepare, args=(candidate, key), name="candidate-loader", daemon=True
            )
            self._loading.start()

    def prepare(self, candidate: ModelVersion, key: tuple[str, ...]) -> None:
        """Whatever becomes of it, the champion answers."""
        try:
            loaded = self.load(candidate)
            predictor = self.predictor(loaded)
            self._buckets = {key: self.buckets(key)}
            self.candidate = Candidate(version=candidate, predictor=predictor)
        except ModelRefusedError as error:
            self.refuse(candidate, str(error))
        except PenstockError as error:
            # The registry or a disk is away: the next look tries again.
            self.alone(f"{candidate.uri} can't be loaded now: {error}")
        except BaseException as error:  # noqa: BLE001 - foreign code that is imported and run
            self.refuse(candidate, f"{candidate.uri} can't be loaded: {type(error).__name__}: {error}")

    def refuse(self, candidate: ModelVersion, why: str) -> None:
        self._refused[candidate] = why
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
        if why and why != self.problem:
            log.warning("%s: the champion answers alone: %s", self.config.pipeline, why)
        self.problem, self.canary = why, None


def version_of(pinned: PinnedModel) -> ModelVersion:
    return ModelVersion(
        name=pinned.name,
        version=pinned.version,
        source=pinned.source,
        created_milliseconds=pinned.created_milliseconds,
    )
