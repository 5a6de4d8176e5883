"""Calls of foreign code that may never return."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

Result = TypeVar("Result")


class TookTooLongError(Exception):
    """A call that continues in its thread, and whose result nobody will have."""


def within(seconds: float, call: Callable[[], Result]) -> Result:
    """The result of a call in a thread of its own. Raises TookTooLongError, or what the call raises; a SystemExit, too,
    as a RuntimeError."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            future.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - the end of this thread alone
            future.set_exception(RuntimeError(f"ended by {type(error).__name__}: {error}"))

    # A pool's threads would be waited for at the end of the process.
    threading.Thread(target=run, name="time-limited", daemon=True).start()
    try:
        return future.result(timeout=seconds)
    except FutureTimeoutError:
        if future.done():
            raise
        raise TookTooLongError(f"no result within {seconds:.0f} s") from None
