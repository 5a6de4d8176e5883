"""Counts the files that wait in the inbox. Spark's file source has no such metric, so the inbox is listed
independently of the stream, which also counts files that arrive while a micro-batch hangs."""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.pipeline.batch_record import BatchRecord
from penstock.sources.checkpoint import batch_numbers, log_offset, query_id_of, whole_log
from penstock.sources.file_times import has_age_limit, newest_seen, overlooked
from penstock.sources.listing import list_inbox
from penstock.storage.files import FileStatus, Storage

#: How long to wait for the thread at the end of a job; a listing of S3 that hangs longer is abandoned.
JOIN_SECONDS = 5.0
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Backlog:
    """Polls the inbox every `every_seconds` in its own thread for files that are in no finished micro-batch.

    done: the last batch with a marker by query id, at the start. show: called with each new count, None while the inbox
    or the file log can't be read; show_overlooked: the same of those among them that are too old for the stream.
    """

    config: PipelineConfig
    storage: Storage
    done: Mapping[str, int]
    every_seconds: float
    show: Callable[[int | None], None]
    show_overlooked: Callable[[int | None], None] = lambda files: None  # noqa: ARG005
    _done: set[str] = field(default_factory=set)
    _waiting: set[str] | None = None
    _newest_milliseconds: int = 0
    _is_log_read: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Backlog":
        self._thread = threading.Thread(target=self._keep_looking, name="backlog", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(JOIN_SECONDS)

    def on_record(self, record: BatchRecord) -> None:
        """Remove the files of a finished micro-batch from the backlog."""
        times = (file.modified_milliseconds or 0 for file in record.plan.files)
        self._newest_milliseconds = max(self._newest_milliseconds, *times, 0)
        self._finish(file.path for file in record.plan.files)

    def look(self) -> None:
        """Raises PenstockError, OSError."""
        if not self._is_log_read:
            self._finish(finished_files(self.storage, self.config.checkpoint, self.done))
            if has_age_limit(self.config.source):
                self._newest_milliseconds = newest_seen(whole_log(self.storage, self.config.checkpoint))
            self._is_log_read = True
        found = list_inbox(self.storage, self.config.source)
        with self._lock:
            self._waiting = found.keys() - self._done
            self.show(len(self._waiting))
            self.show_overlooked(self._count_overlooked({path: found[path] for path in self._waiting}))

    def _count_overlooked(self, waiting: Mapping[str, FileStatus]) -> int:
        if not has_age_limit(self.config.source):
            return 0
        newest, source = self._newest_milliseconds, self.config.source
        return len(overlooked(waiting, newest_milliseconds=newest, source=source))

    def _finish(self, paths: Iterable[str]) -> None:
        with self._lock:
            self._done.update(paths)
            if self._waiting is not None:
                self._waiting -= self._done
                self.show(len(self._waiting))

    def _keep_looking(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except (PenstockError, OSError) as error:
                log.warning("the number of files that wait is not known: %s", error)
                with self._lock:
                    self._waiting = None
                    self.show(None)
                    self.show_overlooked(None)
            self._stop.wait(self.every_seconds)


def finished_files(storage: Storage, checkpoint: str, done: Mapping[str, int]) -> set[str]:
    """The files of the checkpoint's finished micro-batches, from Spark's file log. Raises PlanError, OSError."""
    # A batch may have its marker and not Spark's commit yet.
    marked = done.get(query_id_of(storage, checkpoint) or "", -1)
    end = log_offset(storage, checkpoint, max([marked, *batch_numbers(storage, f"{checkpoint}/commits")]))
    if end is None:
        return set()
    return {path for path, logged in whole_log(storage, checkpoint).items() if logged.offset <= end}
