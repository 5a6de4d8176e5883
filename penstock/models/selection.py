"""Chooses the model version of a micro-batch: what the alias means now, if it proves fit, else the one before."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum, auto

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import ModelConfig
from penstock.errors import ModelRefusedError, RegistryUnavailableError
from penstock.models.pinned import PinnedModel
from penstock.models.registry import ModelVersion, Registry
from penstock.models.resolved import named_version
from penstock.models.scoring import Scorer, beyond_datetime, build_scorer
from penstock.models.trust import load_failure
from penstock.schemas.contract import Contract
from penstock.spark.errors import SPARK_ERRORS
from penstock.udfs.scoring.outputs import ERROR, SCORED

PROBE_ROWS = 1000
ROLE = "champion"
log = logging.getLogger(__name__)


class Outcome(Enum):
    FIT = auto()
    REFUSED = auto()
    #: It takes rows to tell, and there are none.
    NO_ROWS = auto()


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """Whether a version can be used. reason: why not, if it is refused."""

    outcome: Outcome
    reason: str = ""


FIT = ProbeResult(outcome=Outcome.FIT)
NO_ROWS = ProbeResult(outcome=Outcome.NO_ROWS)


def refused_because(reason: str) -> ProbeResult:
    return ProbeResult(outcome=Outcome.REFUSED, reason=reason)


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
    """The models of a running pipeline. Scorers are built once for each version and kept."""

    spark: SparkSession
    registry: Registry
    model: ModelConfig
    #: What the model's inputs are taken from: names and types.
    contract: Contract
    #: Why a version's outputs have no place in the tables; None if they have.
    incompatibility: Callable[[Scorer], str | None]
    _scorers: dict[ModelVersion, Scorer] = field(default_factory=dict)
    _proven: set[PinnedModel] = field(default_factory=set)
    #: Versions that this process has judged: what an earlier one refused, the config may allow now.
    _judged: set[PinnedModel] = field(default_factory=set)
    #: A batch may begin while the next version is being made ready.
    _building: threading.Lock = field(default_factory=threading.Lock)

    def choose(self, *, before: Selection | None, probe_rows: Callable[[], DataFrame | None]) -> Selection:
        """Resolve the alias and probe a version not used before; keep the one before while the registry is away, or
        there are no rows to probe with.

        before: of the batch before. probe_rows: accepted rows of this batch, for the probe. Raises ModelRefusedError
        if the version is unfit and there is none before it, RegistryUnavailableError.
        """
        now = datetime.now(UTC)
        if before and before.pinned.name != self.model.name:
            before = None
        try:
            version = named_version(self.registry, self.model)
            return self.judge(version, before=before, probe_rows=probe_rows, now=now)
        except RegistryUnavailableError as error:
            return self.without_registry(error, before=before, now=now)

    def judge(
        self,
        version: ModelVersion,
        *,
        before: Selection | None,
        probe_rows: Callable[[], DataFrame | None],
        now: datetime,
    ) -> Selection:
        pinned = pinned_model(version)
        is_in_use = before is not None and before.pinned == pinned and before.probed
        if (is_in_use or pinned in self._proven) and self.is_usable(pinned):
            return Selection(pinned=pinned, refused={}, resolved_at=now)
        # A version that was chosen without rows to probe it has scored none: it is no version to fall back on.
        before = before if before and before.probed and not is_in_use else None
        refused = before.refused if before else {}
        remembered = refused.get(pinned.version) if pinned in self._judged else None
        result = refused_because(remembered) if remembered else self.test(version, probe_rows)
        if result.outcome is Outcome.NO_ROWS:
            return self.untried(version, before=before, now=now)
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

    def test(self, version: ModelVersion, probe_rows: Callable[[], DataFrame | None]) -> ProbeResult:
        """Trust, signature and outputs of a version, then what it makes of rows."""
        try:
            scorer = self.scorer_of(version)
        except ModelRefusedError as error:
            return refused_because(str(error))
        incompatibility = self.incompatibility(scorer)
        if incompatibility is not None:
            return refused_because(incompatibility)
        rows = probe_rows()
        return self.probe(scorer, rows) if rows is not None else NO_ROWS

    def probe(self, scorer: Scorer, rows: DataFrame) -> ProbeResult:
        """Score up to PROBE_ROWS rows; with too many failures the version is refused."""
        error = F.nullif(F.col(f"{SCORED}.{ERROR}"), F.lit(""))
        problem = beyond_datetime(scorer.inputs, self.contract)
        # These rows fail whatever the model is.
        rows = rows if problem is None else rows.where(problem.isNull())
        errors = scorer.answer(rows.limit(PROBE_ROWS), self.contract).select(error.alias("error"))
        try:
            answer = errors.agg(F.count("*"), F.count("error"), F.first("error", ignorenulls=True)).first()
        except SPARK_ERRORS as error:
            reason = load_failure(error)
            if reason is None:
                raise
            return refused_because(reason)
        total, failed, example = answer if answer is not None else (0, 0, None)
        if not total:
            return NO_ROWS
        if failed / total > self.model.max_failed_fraction:
            return refused_because(
                f"it failed on {failed} of {total} probe rows "
                f"(model.max_failed_fraction is {self.model.max_failed_fraction:g}); the first says: {example}"
            )
        return FIT

    def scorer(self, pinned: PinnedModel) -> Scorer:
        """The scorer of a pinned version. Raises ModelRefusedError, RegistryUnavailableError."""
        return self.scorer_of(
            ModelVersion(
                name=pinned.name,
                version=pinned.version,
                source=pinned.source,
                created_milliseconds=pinned.created_milliseconds,
            )
        )

    def scorer_of(self, version: ModelVersion) -> Scorer:
        with self._building:
            if version not in self._scorers:
                self._scorers[version] = build_scorer(self.spark, self.registry, version, self.contract, self.model)
            return self._scorers[version]

    def has_scorer(self, version: ModelVersion) -> bool:
        return version in self._scorers

    def warm_up(self, version: ModelVersion) -> None:
        """Build the version's scorer, and let every Python worker load the model, by a row without values.

        Raises ModelRefusedError, RegistryUnavailableError.
        """
        scorer = self.scorer_of(version)
        workers = self.spark.sparkContext.defaultParallelism
        self.spark.range(0, workers, 1, workers).select(scorer.of_nothing()).collect()


def pinned_model(version: ModelVersion) -> PinnedModel:
    return PinnedModel(
        name=version.name,
        version=version.version,
        role=ROLE,
        source=version.source,
        created_milliseconds=version.created_milliseconds,
    )
