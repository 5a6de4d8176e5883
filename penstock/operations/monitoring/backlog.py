"""Counts the files that wait in the inbox. Spark's file source has no such metric, so the inbox is listed
independently of the stream, which also counts files that arrive while a micro-batch hangs."""

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.operations.monitoring.poller import Poller
from penstock.pipeline.batch_record import BatchRecord
from penstock.sources.checkpoint import batch_numbers, log_offset, logged_files, query_id_of
from penstock.sources.file_times import has_age_limit, oldest_milliseconds
from penstock.sources.listing import walk_inbox
from penstock.storage.files import Storage
from penstock.storage.key_set import KeySet

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Backlog(Poller):
    """Polls the inbox every `every_seconds` in its own thread for files that are in no finished micro-batch.

    done: the last batch of the checkpoint's query with a marker, by its id, at the start. show: called with each new
    count, None while the inbox or the file log can't be read; show_overlooked: the same of those among them that are
    too old for the stream.
    """

    name: ClassVar[str] = "backlog"
    config: PipelineConfig
    storage: Storage
    done: Mapping[str, int]
    show: Callable[[int | None], None]
    show_overlooked: Callable[[int | None], None] = lambda files: None  # noqa: ARG005
    _done: KeySet = field(default_factory=KeySet)
    _waiting: KeySet | None = None
    _newest_milliseconds: int = 0
    _is_log_read: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on_record(self, record: BatchRecord) -> None:
        """Remove the files of a finished micro-batch from the backlog."""
        times = (file.modified_milliseconds or 0 for file in record.plan.files)
        self._newest_milliseconds = max(self._newest_milliseconds, *times, 0)
        self._finish([file.path for file in record.plan.files])

    def look(self) -> None:
        """Raises PenstockError, OSError."""
        if not self._is_log_read:
            finished = finished_files(self.storage, self.config.checkpoint, self.done)
            with self._lock:
                self._done.merge(finished)
            if has_age_limit(self.config.source):
                logged = logged_files(self.storage, self.config.checkpoint)
                self._newest_milliseconds = max((entry.modified_milliseconds for entry in logged), default=0)
            self._is_log_read = True
        too_old = KeySet()
        found = KeySet(self._inbox_paths(too_old))
        with self._lock:
            found.subtract(self._done)
            self._waiting = found
            self.show(len(found))
            too_old.subtract(self._done)
            self.show_overlooked(len(too_old))

    def _inbox_paths(self, too_old: KeySet) -> Iterator[str]:
        """The paths in the inbox; those that the stream will not take any more are added to `too_old` meanwhile."""
        oldest = oldest_milliseconds(self.config.source, newest_milliseconds=self._newest_milliseconds)
        for path, status in walk_inbox(self.storage, self.config.source):
            if status.modified_milliseconds < oldest:
                too_old.add([path])
            yield path

    def _finish(self, paths: Collection[str]) -> None:
        with self._lock:
            self._done.add(paths)
            if self._waiting is not None:
                self._waiting.remove(paths)
                self.show(len(self._waiting))

    def on_failure(self, error: PenstockError | OSError) -> None:
        log.warning("the number of files that wait is not known: %s", error)
        with self._lock:
            self._waiting = None
            self.show(None)
            self.show_overlooked(None)


def finished_files(storage: Storage, checkpoint: str, done: Mapping[str, int]) -> KeySet:
    """The files of the checkpoint's finished micro-batches, from Spark's file log. Raises PlanError, OSError."""
    # A batch may have its marker and not Spark's commit yet.
    marked = done.get(query_id_of(storage, checkpoint) or "", -1)
    end = log_offset(storage, checkpoint, max([marked, *batch_numbers(storage, f"{checkpoint}/commits")]))
    if end is None:
        return KeySet()
    is_ahead = False

    def finished_paths() -> Iterator[str]:
        nonlocal is_ahead
        for path, _, offset in logged_files(storage, checkpoint):
            if offset <= end:
                yield path
            else:
                is_ahead = True

    finished = KeySet(finished_paths())
    if is_ahead:
        # A batch is under way. Files that the stream forgot, and listed again for it, wait again.
        finished.subtract(KeySet(entry.path for entry in logged_files(storage, checkpoint) if entry.offset > end))
    return finished
