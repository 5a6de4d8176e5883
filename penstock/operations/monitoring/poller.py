"""Looks at something again and again, in a thread beside the stream."""

import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import ClassVar, Self

from penstock.errors import PenstockError

#: How long to wait for the thread at the end of a job; a listing of S3 that hangs longer is abandoned.
JOIN_SECONDS = 5.0


@dataclass(kw_only=True)
class Poller:
    """A context manager that looks every `every_seconds`; what a look raises is reported, and it looks again."""

    name: ClassVar[str]
    every_seconds: float
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def look(self) -> None:
        """Raises PenstockError, OSError."""
        raise NotImplementedError

    def on_failure(self, error: PenstockError | OSError) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._keep_looking, name=self.name, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(JOIN_SECONDS)

    def _keep_looking(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except (PenstockError, OSError) as error:
                self.on_failure(error)
            self._stop.wait(self.every_seconds)
