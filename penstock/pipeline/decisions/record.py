"""A decision and the standing of the experiment that it rests on, as files and tables have them.

Decision n is `_decisions/<n>.json` beside the tables, created atomically, and decided by that; `<n>.done` says that
the aliases are moved (or that a person was faster), and has its DecisionOutcome.
"""

from datetime import datetime
from typing import Literal

from penstock.config.sections import FrozenModel

DECIDE_QUERY = "decide"
#: What the rule says of a pair; no data is never a verdict.
Verdict = Literal["promote", "reject", "expire", "continue"]
#: end_bake: the old champion's time as shadow is over. propose: a verdict that a person is to carry out. external: a
#: person moved an alias by other means.
Kind = Literal["promote", "reject", "expire", "rollback", "end_bake", "propose", "external"]


class Standing(FrozenModel):
    """How an experiment stands: what `penstock experiment` shows, and the evidence of a decision.

    pairs: rows or forecasts of the deciding steps that both versions have a loss for. units: different units of them.
    blocks: means over `block_units` units each, that the confidence sequence is about; both 0 before it has bounds.
    champion_loss, candidate_loss: means over units of the means over their pairs, as the sequence has them. ratio:
    candidate_loss over champion_loss; ratio_lower and ratio_upper: 1 + the bounds of the mean difference over
    champion_loss, at the level 1 - alpha at all times. candidate_failed, champion_failed: shares of the pairs of both
    versions without an answer, where one was asked for. earliest: when the rule may speak at the earliest; None where
    that is not known, or it does. fitted_until: the newest observation that one of the two was fitted on, None where
    nobody knows it; in_sample_pairs: those until then, which are left out of all other numbers.
    """

    model_name: str
    champion: str
    candidate: str
    mode: str
    fraction: float
    is_last_step: bool
    is_bake: bool
    began_at: datetime
    looked_at: datetime
    pairs: int
    units: int
    blocks: int
    block_units: int
    champion_loss: float | None
    candidate_loss: float | None
    ratio: float | None
    ratio_lower: float | None
    ratio_upper: float | None
    champion_failed: float
    candidate_failed: float
    verdict: Verdict
    reason: str
    earliest: datetime | None = None
    fitted_until: datetime | None = None
    in_sample_pairs: int = 0


#: Kinds that move an alias, or say that a person has: a proposal from before one of them is open no more.
MOVING: tuple[Kind, ...] = ("promote", "reject", "expire", "rollback", "end_bake", "external")


class Decision(FrozenModel):
    """champion, candidate: version numbers as they were when it was made; candidate is None without one. Of a rollback
    the candidate is the version that comes back. by: a person's name, or `stream`. evidence: None where a person
    decided without any.

    champion_alias, candidate_alias, bakes: of the config when it was made, so that it is finished as it was begun
    (candidate_alias: None without a section `experiment`; bakes: the old champion becomes the candidate). proposes: of
    a proposal, what it proposes. proposal: of a decision that carries one out, its number. met_by: of what the stream
    met in a micro-batch, which one.
    """

    number: int
    kind: Kind
    model_name: str
    champion: str
    candidate: str | None
    by: str
    decided_at: datetime
    reason: str
    evidence: Standing | None = None
    champion_alias: str = "champion"
    candidate_alias: str | None = None
    bakes: bool = False
    proposes: Kind | None = None
    proposal: int | None = None
    met_by: str | None = None

    @property
    def summary(self) -> str:
        """What it decides, in a few words."""
        return summary_of(self.proposes or self.kind, self.champion, self.candidate)


class DecisionOutcome(FrozenModel):
    """superseded: a person had moved an alias, whose version stays. champion, candidate: what the aliases meant then;
    None for an alias that was not there."""

    outcome: Literal["done", "superseded"]
    champion: str | None
    candidate: str | None
    done_at: datetime
    message: str = ""


def summary_of(kind: Kind, champion: str, candidate: str | None) -> str:
    match kind:
        case "promote":
            return f"promote version {candidate} over {champion}"
        case "reject":
            return f"reject the candidate, version {candidate}; {champion} stays champion"
        case "expire":
            return f"end the experiment with version {candidate} without a verdict; {champion} stays champion"
        case "rollback":
            return f"roll back from version {champion} to {candidate}"
        case "end_bake":
            return f"end the bake of version {champion}; {candidate} is its shadow no more"
        case "external":
            return f"an alias was moved by other means; before, the champion was {champion}, the candidate {candidate}"
        case "propose":
            return "a proposal"


def decision_folder(root: str) -> str:
    """root: of the tables."""
    return f"{root}/_decisions"
