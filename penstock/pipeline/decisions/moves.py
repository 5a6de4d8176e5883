"""The newest decisions that moved an alias, read from the newest file back: what a plan and a standing ask, each time.

Files that can't be read as decisions are passed over here: no batch is held up by them. See files.py for the others.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from pydantic import ValidationError

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.decisions.files import Decided
from penstock.pipeline.decisions.record import MOVING, Decision, DecisionOutcome, Kind, decision_folder
from penstock.storage.files import Storage

#: What penstock has decided itself. A move by other means is recorded after the batch whose pair is the new one.
OWN: tuple[Kind, ...] = tuple(kind for kind in MOVING if kind != "external")


def newest_moves(config: PipelineConfig, storage: Storage) -> tuple[Decided, ...]:
    """Of the pipeline's model, the newest first, back to the last one of OWN that is done. Raises OSError."""
    found = []
    for one in moves(config, storage):
        found.append(one)
        if one.is_done and one.decision.kind in OWN:
            break
    return tuple(found)


def moves(config: PipelineConfig, storage: Storage) -> Iterator[Decided]:
    """Of the pipeline's model, the newest first. Raises OSError."""
    folder = decision_folder(config.tables.root)
    names = storage.names(folder)
    numbers = (int(stem) for name in names if (stem := name.removesuffix(".json")).isdecimal() and stem != name)
    for number in sorted(numbers, reverse=True):
        one = read_if_whole(storage, folder, number)
        if one and one.decision.kind in MOVING and one.decision.model_name == config.the_model.name:
            yield one


def read_if_whole(storage: Storage, folder: str, number: int) -> Decided | None:
    made, done = (storage.read(f"{folder}/{number}.{ending}") for ending in ("json", "done"))
    if made is None:
        return None
    try:
        outcome = None if done is None else DecisionOutcome.model_validate_json(done)
        return Decided(decision=Decision.model_validate_json(made), outcome=outcome)
    except ValidationError:
        return None


def decided_since(moved: Iterable[Decided], moment: datetime) -> tuple[Decision, ...]:
    """Those of OWN that were finished at this moment or later: a pair that was met before them is over, also where a
    person has set the aliases to it again."""
    return tuple(
        one.decision
        for one in moved
        if one.outcome is not None and one.decision.kind in OWN and one.outcome.done_at >= moment
    )
