"""The scorers of a process: built once for each version or pair of versions, and only the last ones kept."""

import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from pyspark.sql import SparkSession

from penstock.config.model import ModelConfig
from penstock.models.driver_copies import DriverCopies
from penstock.models.pair_scoring import PairScorer, build_pair_scorer
from penstock.models.registry import ModelVersion, Registry
from penstock.models.scoring import Scorer, build_scorer
from penstock.schemas.contract import Contract
from penstock.udfs.scoring.pair import CandidateLimits

#: The version in use, the one before, and one that is tried.
KEPT = 3
#: The same of a champion and a candidate; both have the one before in the champion's.
KEPT_WITH_CANDIDATES = 5
#: How many archives of earlier versions a new version has the executors remove; one that misses a few keeps those.
MAX_OBSOLETE = 20
#: Champion and candidate.
Pair = tuple[ModelVersion, ModelVersion]


class HasCopies(Protocol):
    @property
    def copies(self) -> DriverCopies: ...


Key = TypeVar("Key")
Built = TypeVar("Built", bound=HasCopies)


@dataclass(kw_only=True)
class LastBuilt(Generic[Key, Built]):
    """What was built and used last; what the driver and the executors hold of others is removed."""

    spark: SparkSession
    registry: Registry
    model: ModelConfig
    #: What the model's inputs are taken from: names and types.
    contract: Contract
    kept: int = KEPT
    _built: dict[Key, Built] = field(default_factory=dict)
    _obsolete: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_OBSOLETE))
    #: Of each key that was ever asked for. A batch may begin while the next version is being made ready: it waits for
    #: no other key than its own, whose files may be on their way for long.
    _building: defaultdict[Key, threading.Lock] = field(default_factory=lambda: defaultdict(threading.Lock))
    #: Of all the others; held for no longer than it takes to look.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Key) -> Built:
        """Raises as `build`."""
        with self._lock:
            building = self._building[key]
        with building:
            with self._lock:
                scorer, obsolete = self._built.get(key), tuple(self._obsolete)
            return self._used(key, scorer or self.build(key, obsolete=obsolete))

    def _used(self, key: Key, scorer: Built) -> Built:
        with self._lock:
            # The last one is the one used last.
            self._built.pop(key, None)
            self._built[key] = scorer
            while len(self._built) > self.kept:
                self._forget(next(iter(self._built)))
        return scorer

    def has(self, key: Key) -> bool:
        return key in self._built

    def build(self, key: Key, *, obsolete: Sequence[str]) -> Built:
        raise NotImplementedError

    def _forget(self, key: Key) -> None:
        copies = self._built.pop(key).copies
        copies.remove(self.spark)
        if copies.archive:
            self._obsolete.append(copies.archive)


@dataclass(kw_only=True)
class Scorers(LastBuilt[ModelVersion, Scorer]):
    def build(self, key: ModelVersion, *, obsolete: Sequence[str]) -> Scorer:
        """Raises as `build_scorer`."""
        return build_scorer(self.spark, self.registry, key, self.contract, self.model, obsolete=obsolete)


@dataclass(kw_only=True)
class PairScorers(LastBuilt[Pair, PairScorer]):
    #: The pair in use, and the one that comes after it.
    kept: int = 2
    limits: CandidateLimits = field(default_factory=CandidateLimits)

    def build(self, key: Pair, *, obsolete: Sequence[str]) -> PairScorer:
        """Raises as `build_pair_scorer`."""
        return build_pair_scorer(
            self.spark, self.registry, key, self.contract, self.model, obsolete=obsolete, limits=self.limits
        )
