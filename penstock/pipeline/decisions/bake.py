"""Whether the champion of before remains as a shadow after a promotion: what the files of decisions say."""

from pydantic import ValidationError

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.decisions.record import Decision, DecisionOutcome, decision_folder
from penstock.storage.files import Storage

#: The decisions that begin a bake and end it.
PROMOTE, END_BAKE = "promote", "end_bake"


def is_bake(config: PipelineConfig, storage: Storage, champion: str, candidate: str) -> bool:
    """Whether the newest promotion that was carried out made `champion` of a candidate, in place of `candidate`, and
    its bake is not ended.

    Files that can't be read as decisions are passed over: a bake is no more than a shadow. Raises OSError.
    """
    folder = decision_folder(config.tables.root)
    names = set(storage.names(folder))
    numbers = sorted(int(stem) for name in names if (stem := name.removesuffix(".done")).isdecimal() and stem != name)
    for number in reversed(numbers):
        decision = carried_out(storage, folder, number)
        if decision is not None and decision.kind in (PROMOTE, END_BAKE):
            return decision.kind == PROMOTE and (decision.candidate, decision.champion) == (champion, candidate)
    return False


def carried_out(storage: Storage, folder: str, number: int) -> Decision | None:
    """The decision, if its outcome is done."""
    made, done = (storage.read(f"{folder}/{number}.{ending}") for ending in ("json", "done"))
    if made is None or done is None:
        return None
    try:
        outcome = DecisionOutcome.model_validate_json(done)
        return Decision.model_validate_json(made) if outcome.outcome == "done" else None
    except ValidationError:
        return None
