"""Runs jobs/promote.py and jobs/rollback.py: what a person decides about the versions of a model. Without Spark."""

import getpass
import re
from dataclasses import dataclass

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, DecisionError, ModelRefusedError
from penstock.operations.answered_window import answered_window
from penstock.pipeline.decisions.by_person import Promotion, Rollback, check_follows_an_alias
from penstock.pipeline.decisions.decider import Choice, Decider
from penstock.pipeline.decisions.files import Decided
from penstock.pipeline.decisions.text import text_of
from penstock.storage.routing import storage_of

#: For another process that decides; each of its requests to a registry that is away takes 10 s.
WAIT_SECONDS = 15.0
VERSION = re.compile(r"[1-9][0-9]*|@[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class DecisionReport:
    """finished: another decision that was cut off before, and was carried out first; one that was asked for again is
    `decided`. next_step: a command; None if there is
    nothing more to do."""

    decided: Decided
    finished: Decided | None = None
    next_step: str | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "decision": self.decided.decision.model_dump(mode="json"),
            "outcome": self.decided.outcome.model_dump(mode="json") if self.decided.outcome else None,
            "finished": self.finished.decision.number if self.finished else None,
            "next_step": self.next_step,
        }

    def as_text(self) -> str:
        lines = [f"finished first: {text_of(self.finished)}"] if self.finished else []
        lines.append(text_of(self.decided))
        return "\n".join([*lines, self.next_step] if self.next_step else lines)


def promote(
    config: PipelineConfig, *, number: int | None = None, version: str | None = None, by: str | None = None
) -> DecisionReport:
    """number: of a proposal; version: a number or an alias as @candidate; neither: the last open proposal.

    Raises ConfigError, DecisionError, ModelRefusedError where there is no such version, RegistryUnavailableError,
    LeaseError, PlanError, LedgerError, OSError.
    """
    if number is not None and version is not None:
        raise ConfigError("--decision and --version: give one of them, or neither for the last open proposal")
    if version is not None and not VERSION.fullmatch(version):
        raise ConfigError(f"--version {version!r} is no version: expected a number, or an alias as @candidate")
    check_follows_an_alias(config)
    decider = decider_of(config, job="promote", by=by)
    finished = decider.finish()
    promotion = Promotion(config=config, aliases=decider.aliases, number=number, version=version)
    if finished is not None and promotion.was_asked_for(finished.decision):
        return DecisionReport(decided=carried_out(finished))
    return DecisionReport(decided=decided_by(decider, promotion.choose, finished=finished), finished=finished)


def roll_back(config: PipelineConfig, *, by: str | None = None) -> DecisionReport:
    """Raises as `promote`."""
    check_follows_an_alias(config)
    decider = decider_of(config, job="rollback", by=by)
    finished = decider.finish()
    if finished is not None and finished.decision.kind == "rollback":
        return DecisionReport(decided=carried_out(finished), next_step=rescore_text(config, decider, finished))
    choose = Rollback(config=config, aliases=decider.aliases).choose
    decided = decided_by(decider, choose, finished=finished)
    return DecisionReport(decided=decided, finished=finished, next_step=rescore_text(config, decider, decided))


def decider_of(config: PipelineConfig, *, job: str, by: str | None) -> Decider:
    """Raises ConfigError where nobody says who decides."""
    if by is None:
        try:
            by = getpass.getuser()
        except (KeyError, OSError):  # of a container's user without a name
            raise ConfigError("this user has no name; say who decides: --by NAME") from None
    if not by.strip():
        raise ConfigError("--by is empty; say who decides")
    return Decider(config=config, storage=storage_of(config), job=job, by=by, wait_seconds=WAIT_SECONDS)


def decided_by(decider: Decider, choose: Choice, *, finished: Decided | None) -> Decided:
    """finished: first, which an error says, too. Raises DecisionError also where a person moved an alias first."""
    try:
        decided = decider.decide(choose)
    except (DecisionError, ModelRefusedError) as error:
        if finished is None:
            raise
        raise DecisionError(f"finished first: {text_of(finished)}; then: {error}") from error
    if decided is None:
        raise DecisionError("nothing was decided; run it again")
    return carried_out(decided)


def carried_out(decided: Decided) -> Decided:
    """Raises DecisionError where a person moved an alias first."""
    if decided.outcome is None:
        raise DecisionError("nothing was decided; run it again")
    if decided.outcome.outcome == "superseded":
        raise DecisionError(f"{text_of(decided)}; what stands there now stays")
    return decided


def rescore_text(config: PipelineConfig, decider: Decider, decided: Decided) -> str:
    """How the answers of the version that was rolled back are replaced."""
    rolled_back, back = decided.decision.champion, decided.decision.candidate
    promotion = decider.files.history().about(decided.decision.model_name).last_done("promote")
    window = answered_window(config, rolled_back, since=promotion.decision.decided_at if promotion else None)
    if window is None:
        return f"version {rolled_back} has given no answer that would be replaced"
    begin, end = window
    return (
        f"the answers that version {rolled_back} gave stay; to replace them, after the running batch: penstock rescore "
        f"--from {begin:%Y-%m-%dT%H:%M:%SZ} --to {end:%Y-%m-%dT%H:%M:%SZ} --version {back} --as replace (with the "
        "--conf of this pipeline)"
    )
