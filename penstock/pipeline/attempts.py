"""How often a micro-batch was begun and its process ended in it: a file beside the checkpoint, replaced at each run.

A batch whose process ends (out of memory, killed) leaves no error that could name a file. From the third run on its
files are read one by one before the batch, each under a mark here, so that the next start knows which one it was.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pydantic import Field, ValidationError

from penstock.config.sections import FrozenModel
from penstock.spark.causes import has_ended
from penstock.storage.files import Storage

#: So many runs may end without an error before the files are tried one by one.
MAX_UNEXPLAINED = 2
#: Why a model version is refused then, if its files are fine.
UNEXPLAINED = f"{MAX_UNEXPLAINED} runs of a batch with it ended without a message (a process that was killed?)"
log = logging.getLogger(__name__)


class AttemptRecord(FrozenModel):
    """began: runs of the batch that have not been seen to end. trying: the file that is being read alone. deaths: in
    how many trials of a file the process ended, by path."""

    batch_id: int
    began: int = 0
    trying: str | None = None
    deaths: dict[str, int] = Field(default_factory=dict)


@dataclass
class Attempt:
    """The running attempt, and the record that it keeps."""

    storage: Storage
    path: str
    record: AttemptRecord = field(default_factory=lambda: AttemptRecord(batch_id=-1))

    @property
    def is_suspicious(self) -> bool:
        return self.record.began > MAX_UNEXPLAINED

    @property
    def is_unexplained(self) -> bool:
        """Whether it is suspicious, and no file was found to be the cause."""
        return self.is_suspicious and not self.record.deaths

    @property
    def deaths(self) -> dict[str, int]:
        return self.record.deaths

    def mark(self, path: str | None) -> None:
        """Note the file that is tried next; None: all were."""
        self.keep(self.record.model_copy(update={"trying": path}))

    def forget(self) -> None:
        self.storage.delete(self.path)

    def keep(self, record: AttemptRecord) -> None:
        self.storage.replace(self.path, record.model_dump_json().encode())
        self.record = record


@contextmanager
def counted_attempt(storage: Storage, path: str, batch_id: int) -> Iterator[Attempt]:
    """A run of a batch, counted as begun before anything of it is done. One that ends with an error is not counted:
    its cause is known. Raises StorageError."""
    attempt = Attempt(storage, path)
    attempt.keep(begun_again(read_record(storage, path), batch_id))
    if attempt.is_suspicious:
        log.warning(
            "batch %d: its process ended %d times without an error; its files are read one by one first",
            batch_id,
            attempt.record.began - 1,
        )
    try:
        yield attempt
    except Exception as error:
        if not has_ended(error):
            # The error that ends the batch is reported; that of a storage which is away now adds nothing to it.
            with suppress(OSError):
                attempt.keep(attempt.record.model_copy(update={"began": attempt.record.began - 1, "trying": None}))
        raise


def begun_again(before: AttemptRecord | None, batch_id: int) -> AttemptRecord:
    if before is None or before.batch_id != batch_id:
        return AttemptRecord(batch_id=batch_id, began=1)
    deaths = dict(before.deaths)
    if before.trying is not None:
        deaths[before.trying] = deaths.get(before.trying, 0) + 1
    return AttemptRecord(batch_id=batch_id, began=before.began + 1, deaths=deaths)


def read_record(storage: Storage, path: str) -> AttemptRecord | None:
    """None where there is none, or none that can be read: it is no more than a hint."""
    content = storage.read(path)
    if content is None:
        return None
    try:
        return AttemptRecord.model_validate_json(content)
    except ValidationError:
        return None


def attempts_path(folder: str) -> str:
    return f"{folder}/attempts"
