"""Batches concurrent requests of several threads into one call, to amortise its fixed cost."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class PendingRequest(Generic[Item, Result]):
    items: Sequence[Item]
    future: Future[list[Result]]


@dataclass(frozen=True, kw_only=True)
class RequestBatcher(Generic[Item, Result]):
    """Calls `evaluate`, one call at a time; requests that arrive during a call are combined into the next one.

    evaluate: returns a result for each item, in order. most: the maximum number of items per combined call; a larger
    request is evaluated alone. A failed call is retried request by request, so that none gets another one's error.
    """

    evaluate: Callable[[Sequence[Item]], Sequence[Result]]
    most: int
    _running: threading.Lock = field(default_factory=threading.Lock)
    _queue: deque[PendingRequest[Item, Result]] = field(default_factory=deque)

    def __call__(self, items: Sequence[Item]) -> list[Result]:
        waiting: PendingRequest[Item, Result] = PendingRequest(items, Future())
        self._queue.append(waiting)
        while not waiting.future.done():
            # The previous holder of the lock may have completed this request.
            with self._running:
                if not waiting.future.done():
                    self.process(self.next_batch())
        return waiting.future.result()

    def next_batch(self) -> list[PendingRequest[Item, Result]]:
        taken = [self._queue.popleft()]
        count = len(taken[0].items)
        while self._queue and count + len(self._queue[0].items) <= self.most:
            taken.append(self._queue.popleft())
            count += len(taken[-1].items)
        return taken

    def process(self, taken: Sequence[PendingRequest[Item, Result]]) -> None:
        try:
            results = list(self.evaluate([item for waiting in taken for item in waiting.items]))
        except Exception as error:  # noqa: BLE001 - raised again in the requesting thread
            if len(taken) == 1:
                taken[0].future.set_exception(error)
                return
            for waiting in taken:
                self.process([waiting])
            return
        start = 0
        for waiting in taken:
            waiting.future.set_result(results[start : start + len(waiting.items)])
            start += len(waiting.items)
