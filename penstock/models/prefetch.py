"""Prefetches new model versions between two micro-batches, so that no batch waits for them."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field

from penstock.errors import PenstockError
from penstock.models.candidate import CandidateSelector, is_lasting
from penstock.models.registry import ModelVersion
from penstock.models.resolved import named_version
from penstock.models.selection import ModelSelector
from penstock.models.warm_up_mark import WarmUpMark

POLL_SECONDS = 10.0
#: Polls less often after an error: each call to an unavailable registry blocks for seconds.
POLL_AFTER_ERROR_SECONDS = 60.0
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Preparation:
    """Resolves the aliases every POLL_SECONDS (after an error, POLL_AFTER_ERROR_SECONDS).

    A version that is new to this process is downloaded, its UDF built and loaded into the Python workers. The next
    batch decides whether to use it. candidates: None without an experiment. refused_candidates: those of the newest
    plan, with reasons: what ended a process in a batch would do so here, where nothing counts it. mark: None leaves
    none.
    """

    champion: ModelSelector
    candidates: CandidateSelector | None = None
    refused_candidates: Callable[[], Mapping[str, str]] = dict
    mark: WarmUpMark | None = None
    _next_look: float = 0.0
    _tried: set[tuple[ModelVersion, ModelVersion | None]] = field(default_factory=set)
    _thread: threading.Thread | None = None

    def look(self) -> None:
        """Poll the registry if it is due, in a thread of its own: the stream is to see a stop meanwhile."""
        if time.monotonic() < self._next_look or (self._thread is not None and self._thread.is_alive()):
            return
        self._thread = threading.Thread(target=self.prepare, name="prefetch", daemon=True)
        self._thread.start()

    def prepare(self) -> None:
        """Errors are only logged; the next batch reports them in its record."""
        pause_seconds = POLL_SECONDS
        try:
            version = named_version(self.champion.registry, self.champion.model)
            self.make_ready(version)
            candidate = self.candidates.alias_version() if self.candidates else None
            if candidate is not None and candidate.version != version.version and not self.is_out(candidate):
                # For its probe, then for the batch.
                self.make_ready(candidate)
                self.make_ready(version, candidate=candidate)
        except (PenstockError, OSError) as error:
            log.debug("a new model could not be made ready: %s", error)
            pause_seconds = POLL_AFTER_ERROR_SECONDS
        except Exception as error:  # noqa: BLE001 - whatever a model's files and packages raise: no batch is at stake
            log.warning(
                "a new model could not be made ready beside the stream (%s: %s); the next batch looks at it itself",
                type(error).__name__,
                error,
            )
            pause_seconds = POLL_AFTER_ERROR_SECONDS
        self._next_look = time.monotonic() + pause_seconds

    def is_out(self, candidate: ModelVersion) -> bool:
        """Raises PlanError, OSError."""
        return is_lasting(self.refused_candidates().get(candidate.version, ""))

    def make_ready(self, version: ModelVersion, *, candidate: ModelVersion | None = None) -> None:
        """Once for each version, or pair of them. Raises as ModelSelector.warm_up."""
        models = self.champion
        is_ready = models.has_scorer(version) if candidate is None else models.has_pair(version, candidate)
        if is_ready or (version, candidate) in self._tried:
            return
        self._tried.add((version, candidate))
        loaded = candidate or version
        if self.mark is not None and self.mark.is_suspect(loaded):
            log.warning("model %s is left to the next batch: a process ended while it was made ready", loaded.uri)
            return
        with self.mark.around(loaded) if self.mark is not None else nullcontext():
            models.warm_up(version, candidate=candidate)
        beside = f" beside {candidate.uri}" if candidate else ""
        log.info("model %s%s is ready for the next batch", version.uri, beside)
