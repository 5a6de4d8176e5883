"""Limits how often something expensive is begun."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class RateLimit:
    """At most `times` in any `seconds`."""

    times: int
    seconds: float
    clock: Callable[[], float]
    _begun: deque[float] = field(default_factory=deque)
    _changing: threading.Lock = field(default_factory=threading.Lock)

    def wait_seconds(self) -> float:
        """0, and one more is counted as begun; else how long to wait before the next may begin."""
        with self._changing:
            now = self.clock()
            while self._begun and now - self._begun[0] >= self.seconds:
                self._begun.popleft()
            if len(self._begun) >= self.times:
                return self.seconds - (now - self._begun[0])
            self._begun.append(now)
            return 0.0
