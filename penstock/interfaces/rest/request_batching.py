"""Answers what several threads ask at a time in one call: what a call costs by itself is then shared."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Waiting(Generic[Asked, Answer]):
    items: Sequence[Asked]
    future: Future[list[Answer]]


@dataclass(frozen=True, kw_only=True)
class Together(Generic[Asked, Answer]):
    """Calls of `evaluate`, one at a time. Who comes while one runs waits, and goes with the others into the next.

    evaluate: gives an answer for each item, in order. most: so many items go into a call together; who asks about
    more alone goes alone. A call that fails is made again for each who asked, so that none gets another's error.
    """

    evaluate: Callable[[Sequence[Asked]], Sequence[Answer]]
    most: int
    _running: threading.Lock = field(default_factory=threading.Lock)
    _queue: deque[Waiting[Asked, Answer]] = field(default_factory=deque)

    def __call__(self, items: Sequence[Asked]) -> list[Answer]:
        waiting: Waiting[Asked, Answer] = Waiting(items, Future())
        self._queue.append(waiting)
        while not waiting.future.done():
            # Whoever holds the lock may have answered this one meanwhile.
            with self._running:
                if not waiting.future.done():
                    self.answer(self.next_ones())
        return waiting.future.result()

    def next_ones(self) -> list[Waiting[Asked, Answer]]:
        taken = [self._queue.popleft()]
        count = len(taken[0].items)
        while self._queue and count + len(self._queue[0].items) <= self.most:
            taken.append(self._queue.popleft())
            count += len(taken[-1].items)
        return taken

    def answer(self, taken: Sequence[Waiting[Asked, Answer]]) -> None:
        try:
            answers = list(self.evaluate([item for waiting in taken for item in waiting.items]))
        except Exception as error:  # noqa: BLE001 - it is raised in the thread that asked
            if len(taken) == 1:
                taken[0].future.set_exception(error)
                return
            for waiting in taken:
                self.answer([waiting])
            return
        start = 0
        for waiting in taken:
            waiting.future.set_result(answers[start : start + len(waiting.items)])
            start += len(waiting.items)
