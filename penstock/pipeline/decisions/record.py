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
    that is not known, or it does.
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


class Decision(FrozenModel):
    """champion, candidate: version numbers as they were when it was made; candidate is None without one. by: a person's
    name, or `stream`. evidence: None where a person decided without any."""

    number: int
    kind: Kind
    model_name: str
    champion: str
    candidate: str | None
    by: str
    decided_at: datetime
    reason: str
    evidence: Standing | None = None


class DecisionOutcome(FrozenModel):
    """superseded: a person had moved an alias, whose version stays. champion, candidate: what the aliases meant then;
    None for an alias that was not there."""

    outcome: Literal["done", "superseded"]
    champion: str | None
    candidate: str | None
    done_at: datetime
    message: str = ""


def decision_folder(root: str) -> str:
    """root: of the tables."""
    return f"{root}/_decisions"
