"""The files of decisions, in `_decisions` beside the tables. Decision n is made by the creation of `<n>.json`; while it
has no `<n>.done` it is not finished, and no other is made. `<n>.moved` says that its alias was set: a champion that is
the old version again was set back by a person, and stays."""

import re
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from penstock.config.sections import FrozenModel
from penstock.errors import LedgerError, PlanError
from penstock.pipeline.decisions.record import MOVING, Decision, DecisionOutcome, Kind, decision_folder
from penstock.storage.files import Storage

Model = TypeVar("Model", bound=FrozenModel)
NAME = re.compile(r"([0-9]+)\.json")


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A decision; outcome: None while it is not finished."""

    decision: Decision
    outcome: DecisionOutcome | None

    @property
    def is_done(self) -> bool:
        """The aliases are as it says, or were when it was finished."""
        return self.outcome is not None and self.outcome.outcome == "done"


@dataclass(frozen=True, kw_only=True)
class History:
    """Decisions of a pipeline, in their order; only the last can be unfinished. next_number: where it has all."""

    decisions: tuple[Decided, ...] = ()

    @property
    def next_number(self) -> int:
        return len(self.decisions)

    @property
    def unfinished(self) -> Decision | None:
        last = self.decisions[-1] if self.decisions else None
        return last.decision if last is not None and last.outcome is None else None

    def about(self, model_name: str) -> "History":
        """Those of one model: a pipeline's model.name may be another one by now."""
        return History(decisions=tuple(one for one in self.decisions if one.decision.model_name == model_name))

    def last_done(self, *kinds: Kind) -> Decided | None:
        """The newest one of these kinds that is done."""
        return next((one for one in reversed(self.decisions) if one.is_done and one.decision.kind in kinds), None)

    def open_proposals(self) -> tuple[Decision, ...]:
        """Proposals that nobody has carried out, and before which no alias was moved, in their order."""
        found: list[Decision] = []
        for one in self.decisions:
            if one.decision.kind == "propose":
                found.append(one.decision)
            elif one.decision.kind in MOVING and one.outcome is not None:
                found.clear()
        return tuple(found)

    def carried_out_by(self, proposal: int) -> Decided | None:
        return next((one for one in self.decisions if one.decision.proposal == proposal), None)


@dataclass(frozen=True, kw_only=True)
class DecisionFiles:
    """root: of the tables. What is finished does not change, and is read once."""

    storage: Storage
    root: str
    _finished: dict[int, Decided] = field(default_factory=dict)

    def history(self) -> History:
        """Raises PlanError or LedgerError for a file that can't be read, or is missing; OSError."""
        names = self.storage.names(decision_folder(self.root))
        numbers = sorted(int(found[1]) for found in map(NAME.fullmatch, names) if found)
        if numbers != list(range(len(numbers))):
            missing = min(set(range(len(numbers))) - set(numbers))
            raise LedgerError(
                f"{decision_folder(self.root)} has decision {numbers[-1]}, and no {missing}.json: restore that file"
            )
        decided = tuple(map(self.read, numbers))
        begun = [one.decision.number for one in decided[:-1] if one.outcome is None]
        if begun:
            raise LedgerError(
                f"{self.done_path(begun[0])} is missing, and there are later decisions: restore that file"
            )
        return History(decisions=decided)

    def read(self, number: int) -> Decided:
        known = self._finished.get(number)
        if known is not None:
            return known
        decision = parsed(self.storage, self.path(number), Decision)
        if decision is None:
            raise PlanError(f"{self.path(number)}: appeared and vanished again; who else writes there?")
        outcome = parsed(self.storage, self.done_path(number), DecisionOutcome)
        found = Decided(decision=decision, outcome=outcome)
        if outcome is not None:
            self._finished[number] = found
        return found

    def make(self, decision: Decision) -> bool:
        """Decide. False where another process has this number already."""
        return self.storage.create(self.path(decision.number), as_bytes(decision))

    def mark_moved(self, number: int) -> None:
        self.storage.create(self.moved_path(number), b"")

    def is_marked_moved(self, number: int) -> bool:
        return self.storage.read(self.moved_path(number)) is not None

    def finish(self, number: int, outcome: DecisionOutcome) -> Decided:
        """As it was finished by whichever process was first."""
        self.storage.create(self.done_path(number), as_bytes(outcome))
        return self.read(number)

    def path(self, number: int) -> str:
        return f"{decision_folder(self.root)}/{number}.json"

    def moved_path(self, number: int) -> str:
        return f"{decision_folder(self.root)}/{number}.moved"

    def done_path(self, number: int) -> str:
        return f"{decision_folder(self.root)}/{number}.done"


def as_bytes(model: FrozenModel) -> bytes:
    return model.model_dump_json(indent=1).encode()


def parsed(storage: Storage, path: str, kind: type[Model]) -> Model | None:
    content = storage.read(path)
    if content is None:
        return None
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        what = ".".join(map(str, first["loc"])) or "it"
        raise PlanError(
            f"{path}: is no decision that this version of Penstock can read: {what}: {first['msg']}; restore it, or "
            "use the version that wrote it"
        ) from None
