"""Carries out a decision: the aliases are moved and the versions tagged, in steps of which each may be repeated.

A person who moves an alias by other means wins. MLflow has no compare-and-swap, so that this is kept to as follows. The
champion is read immediately before it is set: a version that is neither the old nor the new champion stays, and the
decision is superseded. It is read again after it was set, and once more at the end: whatever stands there then stays,
and the decision says so. What remains is the time of one request: a move that reaches the registry between the
reading and the setting is overwritten, as if it had come just before the decision, and no record of it is left. The
same holds for the candidate, between reading it and setting or deleting it.

After a crash a champion that is still the old version is set to the new one, unless the decision is marked as moved:
then a person has set it back. The mark is made after the alias is set: where a process is killed between the two, what
was set back after it is set once more.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from penstock.errors import ModelRefusedError
from penstock.models.aliases import ModelAliases
from penstock.pipeline.decisions.bake import open_bake
from penstock.pipeline.decisions.files import DecisionFiles
from penstock.pipeline.decisions.record import Decision, DecisionOutcome

#: Tags of versions. The value of each is the number of the decision; of PIPELINE, whose decision it is.
PROMOTED, REJECTED, EXPIRED = "penstock.promoted", "penstock.rejected", "penstock.expired"
#: The newest decision about a version, of whatever kind.
DECISION, PIPELINE = "penstock.decision", "penstock.pipeline"

log = logging.getLogger(__name__)


class Superseded(Exception):  # noqa: N818 - it ends the steps, it is not an error
    """A person was faster; the message is the outcome's."""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """check: raises where another controller may be at work by now; called before each write."""

    decision: Decision
    pipeline: str
    aliases: ModelAliases
    files: DecisionFiles
    check: Callable[[], None]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def run(self) -> DecisionOutcome:
        """Raises RegistryUnavailableError: the decision then waits, and is finished by whichever process comes next.

        Raises what `check` raises, OSError.
        """
        try:
            self._move()
        except Superseded as why:
            return self._outcome("superseded", str(why))
        except ModelRefusedError as error:
            return self._outcome("superseded", f"{error}; nothing more is done about it")
        return self._checked_outcome()

    def _move(self) -> None:
        decision = self.decision
        match decision.kind:
            case "promote" | "rollback":
                self._set_champion(str(decision.candidate))
                self._replace_candidate()
                self._tag()
            case "reject" | "expire" | "end_bake":
                # Who bakes may be the champion again, and is its own shadow no more.
                if decision.kind != "end_bake":
                    self._refuse_champion()
                found = self._delete_candidate(decision.candidate)
                self._tag()
                if found not in (decision.candidate, None):
                    raise Superseded(f"{decision.candidate_alias} means {named(found)}, which stays")
            case "propose" | "external":
                pass

    def _set_champion(self, new: str) -> None:
        alias, old = self.decision.champion_alias, self.decision.champion
        was_moved = self.files.is_marked_moved(self.decision.number)
        found = self.aliases.read(alias)
        if found not in (old, new):
            raise Superseded(f"{alias} means {named(found)}, which was set by other means before it was set to {new}")
        if found == old and was_moved:
            raise Superseded(f"{alias} means {named(old)} again: it was set back by other means")
        if found == old:
            self.check()
            self.aliases.set(alias, new)
            found = self.aliases.read(alias)
            if found != new:
                raise Superseded(
                    f"{alias} means {named(found)}, which was set by other means after it was set to {new}"
                )
        self.files.mark_moved(self.decision.number)

    def _replace_candidate(self) -> None:
        """Of a promotion, the old champion takes the place of the new one, or of one that bakes since the promotion
        before; or nothing does. Of a rollback neither of the two remains there. Another candidate is left alone."""
        decision = self.decision
        if decision.candidate_alias is None:
            return
        baking = self._baking() if decision.kind == "promote" else None
        if decision.kind == "promote" and decision.bakes:
            found = self.aliases.read(decision.candidate_alias)
            if found is None or found not in (decision.candidate, baking):
                return
            self.check()
            try:
                self.aliases.set(decision.candidate_alias, decision.champion)
                return
            except ModelRefusedError as error:
                log.warning("decision %d: the old champion can't bake: %s", decision.number, error)
        rolled_back = decision.champion if decision.kind == "rollback" else None
        self._delete_candidate(decision.candidate, baking, rolled_back)

    def _baking(self) -> str | None:
        """The version that the promotion before has left as the candidate."""
        history = self.files.history().about(self.decision.model_name)
        bake = open_bake(reversed(history.decisions))
        is_here = bake is not None and bake.decision.candidate_alias == self.decision.candidate_alias
        return bake.decision.champion if bake is not None and is_here else None

    def _delete_candidate(self, *versions: str | None) -> str | None:
        """Returns what the alias meant before."""
        alias = self.decision.candidate_alias
        found = self.aliases.read(alias) if alias is not None else None
        if alias is not None and found is not None and found in versions:
            self.check()
            self.aliases.delete(alias)
        return found

    def _refuse_champion(self) -> None:
        """A candidate that is the champion by now, by whatever way, is no candidate any more."""
        if self.aliases.read(self.decision.champion_alias) == self.decision.candidate:
            alias, found = self.decision.champion_alias, named(self.decision.candidate)
            raise Superseded(f"{alias} means {found} by now, which was set by other means")

    def _tag(self) -> None:
        decision, number = self.decision, str(self.decision.number)
        newest = {DECISION: number, PIPELINE: self.pipeline}
        champion, candidate = decision.champion, decision.candidate
        match decision.kind:
            case "promote":
                self._tag_version(candidate, newest | {PROMOTED: number}, no_more=(REJECTED, EXPIRED))
                self._tag_version(champion, newest)
            case "rollback":
                self._tag_version(candidate, newest)
                self._tag_version(champion, newest | {REJECTED: number}, no_more=(PROMOTED,))
            case "reject":
                self._tag_version(candidate, newest | {REJECTED: number})
            case "expire":
                self._tag_version(candidate, newest | {EXPIRED: number})
            case _:
                self._tag_version(candidate, newest)

    def _tag_version(self, version: str | None, tags: Mapping[str, str], *, no_more: Sequence[str] = ()) -> None:
        if version is None:
            return
        self.check()
        try:
            self.aliases.set_tags(version, tags)
            self.aliases.delete_tags(version, no_more)
        except ModelRefusedError as error:
            log.warning("decision %d: version %s is not tagged: %s", self.decision.number, version, error)

    def _checked_outcome(self) -> DecisionOutcome:
        """A champion that is another one by now was set by a person: it stays, and the outcome says so."""
        decision = self.decision
        found = self._outcome("done", "")
        if decision.kind in ("promote", "rollback") and found.champion != decision.candidate:
            alias, new = decision.champion_alias, decision.candidate
            why = f"{alias} means {named(found.champion)}, which was set by other means after it was set to {new}"
            return found.model_copy(update={"outcome": "superseded", "message": why})
        return found

    def _outcome(self, outcome: str, message: str) -> DecisionOutcome:
        alias = self.decision.candidate_alias
        return DecisionOutcome.model_validate(
            {
                "outcome": outcome,
                "champion": self.aliases.read(self.decision.champion_alias),
                "candidate": self.aliases.read(alias) if alias is not None else None,
                "done_at": self.now(),
                "message": message,
            }
        )


def named(version: str | None) -> str:
    return "no version" if version is None else f"version {version}"
