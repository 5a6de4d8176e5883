"""The records of finished evaluations, from the files that say that they are done."""

import re
from collections.abc import Sequence

from pydantic import ValidationError

from penstock.errors import LedgerError
from penstock.pipeline.evaluation.record import EvaluationRecord, evaluation_folder
from penstock.storage.files import Storage

DONE = re.compile(r"(\d+)\.done")


def finished_numbers(storage: Storage, root: str) -> list[int]:
    """Of the evaluations that are done, ascending. root: of the tables. Raises OSError."""
    found = map(DONE.fullmatch, storage.names(evaluation_folder(root)))
    return sorted(int(name[1]) for name in found if name)


def read_record(storage: Storage, root: str, number: int) -> EvaluationRecord | None:
    """None if it is not done. Raises LedgerError if its file can't be read as a record, OSError."""
    path = f"{evaluation_folder(root)}/{number}.done"
    content = storage.read(path)
    if content is None:
        return None
    try:
        return EvaluationRecord.model_validate_json(content)
    except ValidationError as error:
        [first, *_] = error.errors()
        what = ".".join(map(str, first["loc"])) or "it"
        raise LedgerError(
            f"{path} is not the record of an evaluation: {what}: {first['msg']}; remove the file, and the next "
            "evaluation finishes this one again from its plan, without counting anything twice"
        ) from None


def last_record(storage: Storage, root: str) -> EvaluationRecord | None:
    """Of the evaluation that was done last, final ones left out. Raises LedgerError, OSError."""
    return last_of(storage, root, finished_numbers(storage, root))


def last_of(storage: Storage, root: str, numbers: Sequence[int]) -> EvaluationRecord | None:
    """numbers: of evaluations that are done, ascending. None if all of them are final. Raises LedgerError, OSError."""
    for number in reversed(numbers):
        record = read_record(storage, root, number)
        if record is not None and not record.is_final:
            return record
    return None
