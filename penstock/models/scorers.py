"""The scorers of a process: built once for each version, and only the last ones kept."""

import threading
from collections import deque
from dataclasses import dataclass, field

from pyspark.sql import SparkSession

from penstock.config.model import ModelConfig
from penstock.models.registry import ModelVersion, Registry
from penstock.models.scoring import Scorer, build_scorer
from penstock.schemas.contract import Contract

#: Champion and candidate in use, the champion before, and the ones that are tried in both roles.
KEPT = 5
#: How many archives of earlier versions a new version has the executors remove; one that misses a few keeps those.
MAX_OBSOLETE = 20


@dataclass(kw_only=True)
class Scorers:
    spark: SparkSession
    registry: Registry
    model: ModelConfig
    #: What the model's inputs are taken from: names and types.
    contract: Contract
    _built: dict[ModelVersion, Scorer] = field(default_factory=dict)
    _obsolete: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_OBSOLETE))
    #: A batch may begin while the next version is being made ready.
    _building: threading.Lock = field(default_factory=threading.Lock)

    def get(self, version: ModelVersion) -> Scorer:
        """Raises as `build_scorer`."""
        with self._building:
            scorer = self._built.pop(version, None) or self._build(version)
            # The last one is the one used last.
            self._built[version] = scorer
            while len(self._built) > KEPT:
                self._forget(next(iter(self._built)))
            return scorer

    def has(self, version: ModelVersion) -> bool:
        return version in self._built

    def _build(self, version: ModelVersion) -> Scorer:
        return build_scorer(
            self.spark, self.registry, version, self.contract, self.model, obsolete=tuple(self._obsolete)
        )

    def _forget(self, version: ModelVersion) -> None:
        copies = self._built.pop(version).copies
        copies.remove(self.spark)
        if copies.archive:
            self._obsolete.append(copies.archive)
