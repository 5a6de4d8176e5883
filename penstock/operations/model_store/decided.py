"""What was decided about the versions of a model, from the files of its decisions."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError, LedgerError, PlanError
from penstock.pipeline.decisions.files import Decided, DecisionFiles
from penstock.storage.routing import storage_of


class VersionDecision(BaseModel):
    """One that concerns a version, as champion or as candidate. outcome: null while it is not carried out. ratio: of
    the losses, candidate over champion, that it rests on; null without evidence."""

    model_config = ConfigDict(frozen=True)
    number: int
    kind: str
    outcome: str | None
    champion: str
    candidate: str | None
    summary: str
    by: str
    decided_at: datetime
    done_at: datetime | None
    reason: str
    ratio: float | None


def read_decisions(config: PipelineConfig) -> list[VersionDecision]:
    """About the pipeline's model, in their order. Raises EnvironmentCheckError if a file can't be read, OSError."""
    files = DecisionFiles(storage=storage_of(config), root=config.tables.root)
    try:
        decided = files.history().about(config.the_model.name).decisions
    except (PlanError, LedgerError) as error:
        raise EnvironmentCheckError(str(error)) from None
    return [decision_of(one) for one in decided]


def decision_of(one: Decided) -> VersionDecision:
    decision, outcome = one.decision, one.outcome
    return VersionDecision(
        number=decision.number,
        kind=decision.kind,
        outcome=outcome.outcome if outcome else None,
        champion=decision.champion,
        candidate=decision.candidate,
        summary=decision.summary,
        by=decision.by,
        decided_at=decision.decided_at,
        done_at=outcome.done_at if outcome else None,
        reason=decision.reason,
        ratio=decision.evidence.ratio if decision.evidence else None,
    )


def about_version(decisions: Iterable[VersionDecision], version: str) -> tuple[VersionDecision, ...]:
    return tuple(one for one in decisions if version in (one.champion, one.candidate))


def decision_line(one: VersionDecision) -> str:
    state = {"done": "", "superseded": " (superseded)", None: " (not carried out yet)"}[one.outcome]
    return f"decision {one.number}, {one.decided_at:%Y-%m-%d %H:%M} by {one.by}: {one.kind}, {one.summary}{state}"
