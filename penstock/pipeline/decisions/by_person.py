"""What a person decides: `penstock promote` and `penstock rollback`. Each gives a Draft, or raises DecisionError."""

from dataclasses import dataclass

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError, DecisionError, ModelRefusedError
from penstock.models.aliases import ModelAliases
from penstock.pipeline.decisions.bake import open_bake
from penstock.pipeline.decisions.decider import Draft
from penstock.pipeline.decisions.files import Decided, History
from penstock.pipeline.decisions.record import Decision
from penstock.pipeline.decisions.text import text_of


def check_follows_an_alias(config: PipelineConfig) -> None:
    """Raises ConfigError for a pipeline that follows no alias."""
    if config.the_model.version is not None:
        raise ConfigError(
            f"model.version is pinned to {config.the_model.version}: this pipeline follows no alias, and a promotion "
            "moves one. Change model.version, or name model.alias in its place"
        )


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """number: of the proposal to carry out. version: to promote without one, a number or an alias as @candidate.
    Neither: the last open proposal."""

    config: PipelineConfig
    aliases: ModelAliases
    number: int | None = None
    version: str | None = None

    def choose(self, history: History) -> Draft:
        """Raises DecisionError, ModelRefusedError, RegistryUnavailableError."""
        if self.version is not None:
            return self._of_version(self.version, history)
        if self.number is not None:
            return self._of_proposal(proposal(history, self.number))
        proposals = history.open_proposals()
        if not proposals:
            raise DecisionError(f"there is no open proposal to carry out; {self._what_there_is(history)}")
        return self._of_proposal(proposals[-1])

    def was_asked_for(self, finished: Decision) -> bool:
        """Whether a decision that was cut off is this one, by a command that is given again. An alias means another
        version by now."""
        if finished.model_name != self.aliases.name:
            return False
        if self.number is not None:
            return finished.proposal == self.number
        if self.version is None:
            return finished.kind == "promote" or finished.proposal is not None
        if finished.kind != "promote":
            return False
        if self.version == f"@{finished.candidate_alias}":
            return True
        is_alias = self.version.startswith("@")
        return finished.candidate == (self.aliases.read(self.version[1:]) if is_alias else self.version)

    def _of_version(self, asked: str, history: History) -> Draft:
        version = asked
        if asked.startswith("@"):
            found = self.aliases.read(asked[1:])
            if found is None:
                raise ModelRefusedError(f"the model {self.aliases.name!r} has no alias {asked[1:]!r}: name a version")
            bake = open_bake(reversed(history.decisions))
            if bake is not None and (bake.decision.candidate_alias, bake.decision.champion) == (asked[1:], found):
                raise DecisionError(
                    f"{asked[1:]} means version {found}, which was the champion before ({text_of(bake)}) and bakes; to "
                    "go back to it: penstock rollback"
                )
            version = found
        self.aliases.registry.version(self.aliases.name, version)
        champion = self._champion()
        if version == champion:
            raise DecisionError(f"version {version} of {self.aliases.name} is the champion already")
        return Draft(kind="promote", champion=champion, candidate=version, reason="by a person, without a verdict")

    def _of_proposal(self, made: Decision) -> Draft:
        kind = made.proposes
        if kind is None:
            raise DecisionError(f"decision {made.number} does not say what it proposes; promote its version: --version")
        self._check_still_holds(made)
        return Draft(
            kind=kind,
            champion=made.champion,
            candidate=made.candidate,
            reason=f"decision {made.number} proposed it: {made.reason}",
            evidence=made.evidence,
            proposal=made.number,
        )

    def _check_still_holds(self, made: Decision) -> None:
        """Raises DecisionError where the aliases mean other versions than those that it is about."""
        experiment = self.config.experiment
        champion, alias = self._champion(), experiment.alias if experiment else made.candidate_alias
        if champion != made.champion:
            raise DecisionError(
                f"decision {made.number} ({made.summary}) is superseded: {self.config.the_model.alias} means version "
                f"{champion} by now, which was set by other means; a version is promoted all the same by --version"
            )
        candidate = self.aliases.read(alias) if alias is not None else None
        if alias is not None and candidate != made.candidate:
            found = "no version" if candidate is None else f"version {candidate}"
            raise DecisionError(
                f"decision {made.number} ({made.summary}) is superseded: {alias} means {found} by now; a version is "
                "promoted all the same by --version"
            )

    def _champion(self) -> str:
        return champion_of(self.config, self.aliases)

    def _what_there_is(self, history: History) -> str:
        experiment, name = self.config.experiment, self.aliases.name
        texts = [f"the champion of {name} is version {self._champion()}"]
        candidate = self.aliases.read(experiment.alias) if experiment else None
        if experiment and candidate and open_bake(reversed(history.decisions)) is None:
            texts.append(f"{experiment.alias} means version {candidate}: penstock promote --version {candidate}")
        if history.decisions:
            texts.append(f"the last one: {text_of(history.decisions[-1])}")
        return "; ".join(texts)


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """Back to the version that the last promotion replaced."""

    config: PipelineConfig
    aliases: ModelAliases

    def choose(self, history: History) -> Draft:
        """Raises DecisionError, RegistryUnavailableError."""
        promotion = promotion_to_roll_back(history)
        old, new = promotion.decision.champion, str(promotion.decision.candidate)
        champion = champion_of(self.config, self.aliases)
        if champion != new:
            raise DecisionError(
                f"decision {promotion.decision.number} promoted version {new}, and {self.config.the_model.alias} means "
                f"version {champion} by now, which was set by other means. Promote the version that is to answer: "
                "penstock promote --version"
            )
        self.aliases.registry.version(self.aliases.name, old)
        return Draft(
            kind="rollback",
            champion=new,
            candidate=old,
            reason=f"by a person; decision {promotion.decision.number} had promoted it",
        )


def promotion_to_roll_back(history: History) -> Decided:
    """Raises DecisionError."""
    last = history.last_done("promote", "rollback")
    if last is None:
        raise DecisionError(
            "nothing was promoted by penstock, so that there is nothing to roll back; set the version that is to "
            "answer: penstock promote --version"
        )
    if last.decision.kind == "rollback":
        raise DecisionError(
            f"the last promotion is rolled back already ({text_of(last)}); an earlier version is set by penstock "
            "promote --version"
        )
    return last


def proposal(history: History, number: int) -> Decision:
    """An open proposal. Raises DecisionError for any other number."""
    decided = next((one for one in history.decisions if one.decision.number == number), None)
    if decided is None:
        last = history.decisions[-1].decision.number if history.decisions else None
        known = "nothing was decided yet" if last is None else f"the last one is {last}"
        raise DecisionError(f"there is no decision {number} about this model; {known}")
    if decided.decision.kind != "propose":
        raise DecisionError(f"decision {number} is no proposal, and nothing of it is left to do: {text_of(decided)}")
    carried_out = history.carried_out_by(number)
    if carried_out is not None:
        raise DecisionError(f"decision {number} is carried out already: {text_of(carried_out)}")
    if decided.decision not in history.open_proposals():
        later = next(
            one for one in history.decisions if one.decision.number > number and one.decision.kind != "propose"
        )
        raise DecisionError(f"decision {number} is closed by a later one: {text_of(later)}")
    return decided.decision


def champion_of(config: PipelineConfig, aliases: ModelAliases) -> str:
    """Raises DecisionError where the alias means no version."""
    champion = aliases.read(config.the_model.alias)
    if champion is None:
        raise DecisionError(
            f"the model {aliases.name!r} has no alias {config.the_model.alias!r}, so that there is no champion to "
            "promote over; set the first one when it is trained (--promote), or in MLflow"
        )
    return champion
