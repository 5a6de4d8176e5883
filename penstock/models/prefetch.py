"""Prefetches new model versions between two micro-batches, so that no batch waits for them."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from penstock.errors import PenstockError
from penstock.models.candidate import CandidateSelector
from penstock.models.registry import ModelVersion
from penstock.models.resolved import named_version
from penstock.models.selection import ModelSelector

POLL_SECONDS = 10.0
#: Polls less often after an error: each call to an unavailable registry blocks for seconds.
POLL_AFTER_ERROR_SECONDS = 60.0
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Preparation:
    """Resolves the aliases every POLL_SECONDS (after an error, POLL_AFTER_ERROR_SECONDS).

    A version that is new to this process is downloaded, its UDF built and loaded into the Python workers. The next
    batch decides whether to use it. candidates: None without an experiment.
    """

    champion: ModelSelector
    candidates: CandidateSelector | None = None
    _next_look: float = 0.0
    _tried: set[ModelVersion] = field(default_factory=set)
    _thread: threading.Thread | None = None

    def look(self) -> None:
        """Poll the registry if it is due, in a thread of its own: the stream is to see a stop meanwhile."""
        if time.monotonic() < self._next_look or (self._thread is not None and self._thread.is_alive()):
            return
        self._thread = threading.Thread(target=self.prepare, name="prefetch", daemon=True)
        self._thread.start()

    def prepare(self) -> None:
        """Errors are only logged; the next batch reports them in its record."""
        looks: list[Callable[[], ModelVersion | None]] = [
            lambda: named_version(self.champion.registry, self.champion.model)
        ]
        if self.candidates is not None:
            looks.append(self.candidates.alias_version)
        is_fine = all([self.prepared(look) for look in looks])
        self._next_look = time.monotonic() + (POLL_SECONDS if is_fine else POLL_AFTER_ERROR_SECONDS)

    def prepared(self, look: Callable[[], ModelVersion | None]) -> bool:
        """Whether nothing went wrong with the version that an alias means."""
        try:
            version = look()
            if version is not None and version not in self._tried and not self.champion.has_scorer(version):
                self._tried.add(version)
                self.champion.warm_up(version)
                log.info("model %s is ready for the next batch", version.uri)
        except (PenstockError, OSError) as error:
            log.debug("a new model could not be made ready: %s", error)
            return False
        except Exception as error:  # noqa: BLE001 - whatever a model's files and packages raise: no batch is at stake
            log.warning(
                "a new model could not be made ready beside the stream (%s: %s); the next batch looks at it itself",
                type(error).__name__,
                error,
            )
            return False
        return True
