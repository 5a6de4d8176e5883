"""Chooses the candidate of a micro-batch: what experiment.alias means now, if it proves fit, else none.

Nothing of a candidate ends a batch: it is refused with a reason, and the champion answers alone.
"""

import logging
from dataclasses import dataclass, field

from pyspark.sql import DataFrame

from penstock.config.experiment import GUARDRAIL, ExperimentConfig
from penstock.errors import (
    CandidateRefusedError,
    CandidateUnavailableError,
    ModelRefusedError,
    PenstockError,
    RegistryUnavailableError,
)
from penstock.models.pinned import PinnedModel
from penstock.models.probe import Outcome, ProbeResult, ProbeRows, probe_seconds, refused_because
from penstock.models.registry import ModelVersion
from penstock.models.scoring import Scorer
from penstock.models.selection import ModelSelector, pinned_model
from penstock.spark.causes import has_ended
from penstock.spark.errors import SPARK_ERRORS, said

ROLE = "candidate"
#: A probe that takes less says nothing about speed: most of it is the start of a query and of Python workers.
MIN_SLOW_SECONDS = 5.0
#: How the reason begins of a candidate that was refused for what it did in batches, and not in its probe; so does that
#: of GUARDRAIL.
ENDED = "it ended runs of a batch: "
#: How they begin where nothing is known against the version: a registry, store or disk is away.
AWAY = "it can't be had now, and the next batch tries again: "
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CandidateChoice:
    """pinned: None where the champion answers alone. refused: the version that experiment.alias points to, with the
    reason, if it is refused. waiting: that version, where the champion answers alone for a passing reason: nothing of
    it can be had now, or there are no rows to probe it with; of the batch before, only if an earlier one had it."""

    pinned: PinnedModel | None = None
    refused: dict[str, str] = field(default_factory=dict)
    waiting: PinnedModel | None = None


ALONE = CandidateChoice()


def is_lasting(reason: str) -> bool:
    """Whether a refusal outlives the process that made it: a probe may be repeated at no risk, a batch may not. It ends
    when a batch finds the alias removed, or at another version."""
    return reason.startswith((GUARDRAIL, ENDED))


def is_passing(reason: str) -> bool:
    """Whether it says nothing about the version: no process remembers it."""
    return reason.startswith(AWAY)


@dataclass(kw_only=True)
class CandidateSelector:
    """The candidates of a running pipeline; their scorers are those of `models`."""

    models: ModelSelector
    experiment: ExperimentConfig
    _proven: set[PinnedModel] = field(default_factory=set)
    #: Versions that this process has judged: what an earlier one refused, the config may allow now.
    _judged: set[PinnedModel] = field(default_factory=set)

    def choose(
        self, *, champion: PinnedModel, before: CandidateChoice, probe_rows: ProbeRows, blamed: str | None = None
    ) -> CandidateChoice:
        """Resolve the alias and probe a version not used before.

        None is chosen where the alias is not there or means the champion, where the version is refused, and where there
        are no rows to probe a new one with. While the registry is away the one before is kept. champion: of this batch.
        before: of the batch before. probe_rows: accepted rows of this batch. blamed: why a version that no batch has
        used is refused without a probe.

        Raises one of SPARK_ERRORS, or ConnectionError, where the JVM is gone; nothing else.
        """
        try:
            version = self.alias_version()
        except RegistryUnavailableError as error:
            return self.kept(before, champion=champion, error=error)
        if version is None or version.version == champion.version:
            return ALONE
        pinned = pinned_model(version, role=ROLE)
        known = before.refused.get(pinned.version)
        is_judged = known is not None and pinned in self._judged and not is_passing(known)
        if known is not None and (is_lasting(known) or is_judged):
            return CandidateChoice(refused={pinned.version: known})
        reason = None
        if pinned in (before.pinned, before.waiting) or pinned in self._proven:
            reason = self.why_out(champion, pinned)
            if reason is None:
                return CandidateChoice(pinned=pinned)
        if reason is not None and is_passing(reason):
            result = refused_because(reason)
        else:
            result = refused_because(f"{ENDED}{blamed}") if blamed else self.judged(version, champion, probe_rows)
        if result.outcome is Outcome.NO_ROWS:
            log.info("candidate %s waits for rows to be probed with", version.uri)
            return CandidateChoice(refused={pinned.version: known} if known is not None else {}, waiting=pinned)
        if result.outcome is Outcome.FIT:
            self._proven.add(pinned)
            return CandidateChoice(pinned=pinned)
        return refusal(pinned, result.reason, champion=champion, known=known)

    def alias_version(self) -> ModelVersion | None:
        """What the alias means now; None without it. Raises RegistryUnavailableError."""
        return candidate_version(self.models, self.experiment)

    def kept(self, before: CandidateChoice, *, champion: PinnedModel, error: Exception) -> CandidateChoice:
        """The choice before, where the registry can't say what the alias means now."""
        pinned = before.pinned or before.waiting
        if pinned is None:
            return before
        if (pinned.name, pinned.version) == (champion.name, champion.version):
            return ALONE
        reason = self.why_out(champion, pinned)
        if reason is not None:
            return refusal(pinned, reason, champion=champion, known=before.refused.get(pinned.version))
        log.warning("candidate %s/%s is kept: %s", pinned.name, pinned.version, error)
        return CandidateChoice(pinned=pinned)

    def why_out(self, champion: PinnedModel, pinned: PinnedModel) -> str | None:
        """As `why_unusable`; what is the champion's is raised where the champion is used, and passes here."""
        try:
            return why_unusable(self.models, champion, pinned)
        except PenstockError as error:
            return f"{AWAY}{error}"

    def judged(self, version: ModelVersion, champion: PinnedModel, probe_rows: ProbeRows) -> ProbeResult:
        """The probe's result. What says nothing about the version (a registry, disk or store that is away, rows that
        can't be read) is not remembered: the next batch tries again."""
        try:
            result = self.test(version, champion, probe_rows)
        except SPARK_ERRORS as error:
            if has_ended(error):
                raise
            log.info("candidate %s could not be probed: %s", version.uri, said(error))
            return ProbeResult(outcome=Outcome.NO_ROWS)
        except ConnectionError:
            raise
        except CandidateRefusedError as error:
            return refused_because(str(error))
        except (PenstockError, OSError) as error:
            return refused_because(f"{AWAY}{error}")
        if result.outcome is not Outcome.NO_ROWS:
            self._judged.add(pinned_model(version, role=ROLE))
        return result

    def test(self, version: ModelVersion, champion: PinnedModel, probe_rows: ProbeRows) -> ProbeResult:
        """As ModelSelector.test; then whether it goes with the champion in one UDF, and how long it takes beside it."""
        result = self.models.test(version, probe_rows)
        if result.outcome is Outcome.FIT:
            self.models.pair_scorer(champion, pinned_model(version, role=ROLE))
        rows = probe_rows() if result.outcome is Outcome.FIT and result.seconds > MIN_SLOW_SECONDS else None
        reason = self.slowness(version, champion, rows) if rows is not None else None
        return refused_because(reason) if reason else result

    def slowness(self, version: ModelVersion, champion: PinnedModel, rows: DataFrame) -> str | None:
        """Why a version is too slow beside the champion, by the seconds of both for the same probe rows; None if it is
        not.

        The seconds of the first probe are not compared: they include reading the model's files and importing its
        packages. Nor are those of tiny probes, of which MIN_SLOW_SECONDS and less say more about Spark than about
        either model; what such a version costs shows in its batches (see the guardrails there).
        """
        allowed = self.experiment.guardrails.slowdown
        seconds = self.seconds(self.models.scorer_of(version), rows)
        if seconds <= MIN_SLOW_SECONDS:
            return None
        of_champion = self.seconds(self.models.scorer(champion), rows)
        if seconds <= allowed * of_champion:
            return None
        return (
            f"its probe took {seconds:.1f} s, {seconds / of_champion:.1f} times the champion's "
            f"(experiment.guardrails.slowdown is {allowed:g})"
        )

    def seconds(self, scorer: Scorer, rows: DataFrame) -> float:
        return probe_seconds(scorer, rows, contract=self.models.contract, model=self.models.model)

    def reject(self, pinned: PinnedModel) -> None:
        """Not to be used by later batches of this process, which have the reason from the plan of the one before."""
        self._proven.discard(pinned)
        self._judged.add(pinned)


def refusal(pinned: PinnedModel, reason: str, *, champion: PinnedModel, known: str | None) -> CandidateChoice:
    """The champion alone. known: the reason of the batch before; the same kind of reason is not logged again."""
    if known is None or is_passing(known) != is_passing(reason):
        log.warning(
            "candidate models:/%s/%s is refused, version %s answers alone: %s",
            pinned.name,
            pinned.version,
            champion.version,
            reason,
        )
    return CandidateChoice(refused={pinned.version: reason}, waiting=pinned if is_passing(reason) else None)


def why_unusable(models: ModelSelector, champion: PinnedModel, pinned: PinnedModel) -> str | None:
    """Why the scorer of champion and candidate is not there and can't be built now; None if it is there.

    Raises, of the champion, ModelRefusedError, RegistryUnavailableError, StorageError; and one of SPARK_ERRORS, or
    ConnectionError, where the JVM is gone.
    """
    try:
        models.pair_scorer(champion, pinned)
    except CandidateRefusedError as error:
        return str(error)
    except CandidateUnavailableError as error:
        return f"{AWAY}{error}"
    except SPARK_ERRORS as error:
        if has_ended(error):
            raise
        return f"{AWAY}{said(error)}"
    except (PenstockError, ConnectionError):
        raise
    except OSError as error:
        return f"{AWAY}{error}"
    return None


def candidate_version(models: ModelSelector, experiment: ExperimentConfig) -> ModelVersion | None:
    """What experiment.alias means now; None without it. Raises RegistryUnavailableError."""
    try:
        return models.registry.version_of_alias(models.model.name, experiment.alias)
    except ModelRefusedError:
        return None
