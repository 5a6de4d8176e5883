"""Chooses the model version of a micro-batch: what the alias means now, if it proves fit, else the one before."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pyspark.sql import SparkSession

from penstock.config.model import ModelConfig
from penstock.errors import ModelRefusedError, RegistryUnavailableError
from penstock.models.pair_scoring import PairScorer
from penstock.models.pinned import PinnedModel
from penstock.models.probe import NO_ROWS, Outcome, ProbeResult, ProbeRows, probe, refused_because
from penstock.models.refusal import refused_if_it_fails
from penstock.models.registry import ModelVersion, Registry
from penstock.models.resolved import named_version
from penstock.models.scorers import KEPT, PairScorers, Scorers
from penstock.models.scoring import Scorer
from penstock.schemas.contract import Contract
from penstock.spark.time_limit import time_limit

ROLE = "champion"
#: How long a version is prepared for: a larger one is loaded by its first batch.
WARM_UP_SECONDS = 120.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The pinned version, and the versions that were refused and that the alias still points to, with reasons.

    resolved_at: when the registry last said what the alias means. probed: the pinned version has met rows; False where
    it was the first, and there were none.
    """

    pinned: PinnedModel
    refused: dict[str, str]
    resolved_at: datetime
    probed: bool = True


@dataclass(kw_only=True)
class ModelSelector:
    """The models of a running pipeline."""

    spark: SparkSession
    registry: Registry
    model: ModelConfig
    #: What the model's inputs are taken from: names and types.
    contract: Contract
    #: Why a version's outputs have no place in the tables; None if they have.
    incompatibility: Callable[[Scorer], str | None]
    #: How many versions have their scorers at once.
    kept_scorers: int = KEPT
    _scorers: Scorers = field(init=False)
    _pairs: PairScorers = field(init=False)
    _proven: set[PinnedModel] = field(default_factory=set)
    #: Versions that this process has judged: what an earlier one refused, the config may allow now.
    _judged: set[PinnedModel] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._scorers = Scorers(
            spark=self.spark,
            registry=self.registry,
            model=self.model,
            contract=self.contract,
            kept=self.kept_scorers,
        )
        self._pairs = PairScorers(spark=self.spark, registry=self.registry, model=self.model, contract=self.contract)

    def choose(self, *, before: Selection | None, probe_rows: ProbeRows, blamed: str | None = None) -> Selection:
        """Resolve the alias and probe a version not used before; keep the one before while the registry is away, or
        there are no rows to probe with.

        before: of the batch before. probe_rows: accepted rows of this batch, for the probe. blamed: why a version that
        no batch has used is refused without a probe, if there is one before it. Raises ModelRefusedError if the version
        is unfit and there is none before it, RegistryUnavailableError.
        """
        now = datetime.now(UTC)
        if before and before.pinned.name != self.model.name:
            before = None
        try:
            version = named_version(self.registry, self.model)
            return self.judge(version, before=before, probe_rows=probe_rows, blamed=blamed, now=now)
        except RegistryUnavailableError as error:
            return self.without_registry(error, before=before, now=now)

    def judge(
        self,
        version: ModelVersion,
        *,
        before: Selection | None,
        probe_rows: ProbeRows,
        blamed: str | None,
        now: datetime,
    ) -> Selection:
        pinned = pinned_model(version)
        is_in_use = before is not None and before.pinned == pinned and before.probed
        if (is_in_use or pinned in self._proven) and self.is_usable(pinned):
            return Selection(pinned=pinned, refused={}, resolved_at=now)
        # A version that was chosen without rows to probe it has scored none: it is no version to fall back on.
        before = before if before and before.probed and not is_in_use else None
        refused = before.refused if before else {}
        known = refused.get(pinned.version) if pinned in self._judged else None
        # A version that is blamed has not been probed: the next batch does that.
        is_blamed = known is None and blamed is not None and before is not None
        known = blamed if is_blamed else known
        result = refused_because(known) if known else self.test(version, probe_rows)
        if result.outcome is Outcome.NO_ROWS:
            return self.untried(version, before=before, now=now)
        if not is_blamed:
            self._judged.add(pinned)
        if result.outcome is Outcome.FIT:
            self._proven.add(pinned)
            return Selection(pinned=pinned, refused={}, resolved_at=now)
        if before is None:
            raise ModelRefusedError(
                f"model {version.uri} is refused, and no version was used before it: {result.reason}"
            )
        if not self.is_usable(before.pinned):
            raise ModelRefusedError(
                f"model {version.uri} is refused, and version {before.pinned.version}, used before it, can't be used "
                f"any more: {result.reason}"
            )
        if pinned.version not in refused:
            log.warning(
                "model %s is refused, version %s is kept: %s", version.uri, before.pinned.version, result.reason
            )
        return replace(before, refused={pinned.version: result.reason}, resolved_at=now)

    def without_registry(
        self, error: RegistryUnavailableError, *, before: Selection | None, now: datetime
    ) -> Selection:
        """The choice before, for `model.max_staleness`; then the error."""
        if before is None or not before.probed or self.model.version not in (None, before.pinned.version):
            raise error
        age_seconds = (now - before.resolved_at).total_seconds()
        if age_seconds > self.model.max_staleness:
            raise RegistryUnavailableError(
                f"{error}; {age_seconds:.0f} s ago it said that {self.model.name}@{self.model.alias} is version "
                f"{before.pinned.version}, and model.max_staleness allows {self.model.max_staleness:.0f} s"
            )
        log.warning("version %s is kept, as %.0f s ago: %s", before.pinned.version, age_seconds, error)
        return before

    def untried(self, version: ModelVersion, *, before: Selection | None, now: datetime) -> Selection:
        """The choice without rows to probe a version with: the one before, and a batch with rows will judge."""
        if before is None or not self.is_usable(before.pinned):
            return Selection(pinned=pinned_model(version), refused={}, resolved_at=now, probed=False)
        log.info("model %s waits for rows to be probed with, version %s is kept", version.uri, before.pinned.version)
        still_refused = {number: reason for number, reason in before.refused.items() if number == version.version}
        return replace(before, refused=still_refused, resolved_at=now)

    def is_usable(self, pinned: PinnedModel) -> bool:
        """Whether a version used before can be used still: a batch that pins one that can't would never be finished."""
        try:
            self.scorer(pinned)
        except ModelRefusedError:
            return False
        return True

    def test(self, version: ModelVersion, probe_rows: ProbeRows) -> ProbeResult:
        """Trust, signature and outputs of a version, then what it makes of rows."""
        try:
            scorer = self.scorer_of(version)
            with refused_if_it_fails(version, self.registry):
                incompatibility = self.incompatibility(scorer)
        except ModelRefusedError as error:
            return refused_because(str(error))
        if incompatibility is not None:
            return refused_because(incompatibility)
        rows = probe_rows()
        return probe(scorer, rows, contract=self.contract, model=self.model) if rows is not None else NO_ROWS

    def reject(self, pinned: PinnedModel) -> None:
        """Not to be used by later batches of this process, which have the reason from the plan of the one before."""
        self._proven.discard(pinned)
        self._judged.add(pinned)

    def scorer(self, pinned: PinnedModel) -> Scorer:
        """The scorer of a pinned version. Raises ModelRefusedError, RegistryUnavailableError."""
        return self.scorer_of(version_of(pinned))

    def pair_scorer(self, champion: PinnedModel, candidate: PinnedModel) -> PairScorer:
        """The scorer of both. Raises as `build_pair_scorer`."""
        return self._pairs.get((version_of(champion), version_of(candidate)))

    def scorer_of(self, version: ModelVersion) -> Scorer:
        return self._scorers.get(version)

    def has_scorer(self, version: ModelVersion) -> bool:
        return self._scorers.has(version)

    def has_pair(self, champion: ModelVersion, candidate: ModelVersion) -> bool:
        return self._pairs.has((champion, candidate))

    def warm_up(self, version: ModelVersion, *, candidate: ModelVersion | None = None) -> None:
        """Build the scorer of the version, or of it and a candidate, and let every Python worker load what it has, by a
        row without values.

        Raises ModelRefusedError, CandidateRefusedError, RegistryUnavailableError, StorageError, and one of
        SPARK_ERRORS, also where it takes longer than WARM_UP_SECONDS.
        """
        scorer: Scorer | PairScorer
        scorer = self.scorer_of(version) if candidate is None else self._pairs.get((version, candidate))
        workers = self.spark.sparkContext.defaultParallelism
        with time_limit(self.spark, min(self.model.probe_timeout, WARM_UP_SECONDS)):
            self.spark.range(0, workers, 1, workers).select(scorer.of_nothing()).collect()


def version_of(pinned: PinnedModel) -> ModelVersion:
    return ModelVersion(
        name=pinned.name,
        version=pinned.version,
        source=pinned.source,
        created_milliseconds=pinned.created_milliseconds,
    )


def pinned_model(version: ModelVersion, *, role: str = ROLE) -> PinnedModel:
    return PinnedModel(
        name=version.name,
        version=version.version,
        role=role,
        source=version.source,
        created_milliseconds=version.created_milliseconds,
    )
