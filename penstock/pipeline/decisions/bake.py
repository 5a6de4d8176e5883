"""Whether the champion of before remains as a shadow after a promotion: what the files of decisions say."""

from collections.abc import Iterable
from typing import Literal

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.decisions.files import Decided
from penstock.pipeline.decisions.moves import newest_moves
from penstock.pipeline.decisions.record import MOVING
from penstock.storage.files import Storage

#: What a candidate is. left_over: the shadow of a bake, beside a champion that is not the one which was promoted.
Part = Literal["experiment", "bake", "left_over"]


def is_bake(config: PipelineConfig, storage: Storage, champion: str, candidate: str) -> bool:
    """Whether the newest decision that moved an alias of this model is a promotion of `champion` over `candidate`, and
    has left that one as the candidate. Raises OSError."""
    return part_of(config, newest_moves(config, storage), champion, candidate) == "bake"


def part_of(config: PipelineConfig, moved: Iterable[Decided], champion: str, candidate: str) -> Part:
    """moved: as newest_moves has them. A promotion that is cut off, or not finished yet, counts from its file on, so
    that the old champion gets no customers between the two."""
    newest_first = tuple(moved)
    if newest_first and newest_first[0].outcome is None:
        made = newest_first[0].decision
        if made.kind == "promote" and made.bakes and (made.candidate, made.champion) == (champion, candidate):
            return "bake"
    found = open_bake(newest_first)
    alias = config.experiment.alias if config.experiment else None
    if found is None or found.decision.candidate_alias != alias or found.decision.champion != candidate:
        return "experiment"
    return "bake" if found.decision.candidate == champion else "left_over"


def open_bake(newest_first: Iterable[Decided]) -> Decided | None:
    """The promotion whose old champion is the candidate, by its decision; None if another one of MOVING came after it.
    newest_first: decisions about one model."""
    last = next((one for one in newest_first if one.is_done and one.decision.kind in MOVING), None)
    if last is None or last.outcome is None or last.decision.kind != "promote" or not last.decision.bakes:
        return None
    return last if last.outcome.candidate == last.decision.champion else None
