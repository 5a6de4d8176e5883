"""Work of foreign code with a time limit, in a thread of its own: it can't be ended, but nobody has to wait for it."""

import ctypes
import faulthandler
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Result = TypeVar("Result")
STDERR = 2


class TimeLimitError(Exception):
    """The work took longer than it may; nobody waits for it any more."""


class WorkFailedError(Exception):
    """The work raised what is its `__cause__`."""


class LimitedThread(Generic[Result]):
    """A daemon thread for one piece of work after the other. One for all of a model's: libraries keep a pool of
    threads for each thread that calls them, or refuse in one what was opened in another."""

    def __init__(self, name: str) -> None:
        self._tasks: SimpleQueue[tuple[Callable[[], Result], SimpleQueue[Callable[[], Result]]] | None] = SimpleQueue()
        self.thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self.thread.start()

    def call(self, work: Callable[[], Result], *, limit_seconds: float, grace_seconds: float | None = None) -> Result:
        """What `work` returns. Raises WorkFailedError where it raised anything, and TimeLimitError, after which the
        thread takes no more work.

        grace_seconds: after which the process ends where the work does not even let this thread run, as a C extension
        that keeps Python's lock. One call at a time may have it, and none of a service, which has others to answer.
        """
        outcome: SimpleQueue[Callable[[], Result]] = SimpleQueue()
        with nullcontext() if grace_seconds is None else process_ends_after(limit_seconds + grace_seconds):
            self._tasks.put((work, outcome))
            try:
                answer = outcome.get(timeout=limit_seconds)
            except Empty:
                self._interrupt()
                raise TimeLimitError from None
        return answer()

    def close(self) -> None:
        """For a thread that is used no more, and with it what it holds."""
        self._tasks.put(None)

    def _serve(self) -> None:
        while task := self._tasks.get():
            work, outcome = task
            outcome.put(result_of(work))
            # No model is kept until the next task.
            del task, work, outcome

    def _interrupt(self) -> None:
        """Raise KeyboardInterrupt, the one exception that the guard passes on, in the thread as soon as it runs Python
        again, so that what is only slow does not run beside later batches."""
        self.close()
        if self.thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self.thread.ident), ctypes.py_object(KeyboardInterrupt)
            )


def result_of(work: Callable[[], Result]) -> Callable[[], Result]:
    """What returns the result of `work`, or raises WorkFailedError."""
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - foreign code; the thread that waits gets WorkFailedError
        raised = error

        def fail() -> Result:
            raise WorkFailedError from raised

        return fail
    return lambda: result


@contextmanager
def process_ends_after(seconds: float) -> Iterator[None]:
    """Meanwhile, a thread that needs no lock of Python's ends the process after that time, and prints where it was."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
