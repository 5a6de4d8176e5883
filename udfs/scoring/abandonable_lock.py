"""A lock that can be taken away from a thread that never gives it back."""

import threading
from weakref import WeakSet


class AbandonedError(KeyboardInterrupt):
    """Of a thread that nobody waits for any more. As KeyboardInterrupt it passes the guard around a model."""


class AbandonableLock:
    """Re-entrant. Held in the name of a thread, by default the one that calls."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: threading.Thread | None = None
        self._depth = 0
        self._abandoned: WeakSet[threading.Thread] = WeakSet()

    def acquire(self, thread: threading.Thread | None = None) -> None:
        """Raises AbandonedError for an abandoned thread, which would run beside the one that holds it by now."""
        mine = thread or threading.current_thread()
        with self._changed:
            self._changed.wait_for(lambda: self._holder in (None, mine) or mine in self._abandoned)
            if mine in self._abandoned:
                raise AbandonedError
            self._holder = mine
            self._depth += 1

    def release(self, thread: threading.Thread | None = None) -> None:
        """Nothing for a thread that it was taken away from."""
        with self._changed:
            if self._holder is (thread or threading.current_thread()):
                self._depth -= 1
                if self._depth == 0:
                    self._free()

    def abandon(self, thread: threading.Thread) -> None:
        """Those who wait for that thread go on; it never gets the lock again."""
        with self._changed:
            self._abandoned.add(thread)
            if self._holder is thread:
                self._depth = 0
                self._free()
            self._changed.notify_all()

    def _free(self) -> None:
        self._holder = None
        self._changed.notify_all()
