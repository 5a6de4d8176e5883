"""Makes a new model version ready between two micro-batches, so that the batch that takes it need not wait for it."""

import logging
import time
from dataclasses import dataclass

from penstock.errors import PenstockError
from penstock.models.registry import ModelVersion
from penstock.models.resolved import named_version
from penstock.models.selection import ModelSelector
from penstock.spark.errors import SPARK_ERRORS

POLL_SECONDS = 10.0
#: A registry that is away is waited for some seconds at each look.
POLL_AFTER_ERROR_SECONDS = 60.0
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Preparation:
    """Looks every POLL_SECONDS (after an error, POLL_AFTER_ERROR_SECONDS) what the alias means now.

    A version that is new to this process is fetched, its UDF built and loaded into the Python workers; whether it is
    used is for the next batch to judge.
    """

    champion: ModelSelector
    _next_look: float = 0.0
    _tried: ModelVersion | None = None

    def look(self) -> None:
        """One look, if it is time for it. What goes wrong is left to the batch, which says it in its record."""
        if time.monotonic() < self._next_look:
            return
        pause_seconds = POLL_SECONDS
        try:
            version = named_version(self.champion.registry, self.champion.model)
            if version != self._tried and not self.champion.has_scorer(version):
                self._tried = version
                self.champion.warm_up(version)
                log.info("model %s is ready for the next batch", version.uri)
        except (PenstockError, OSError, *SPARK_ERRORS) as error:
            log.debug("a new model could not be made ready: %s", error)
            pause_seconds = POLL_AFTER_ERROR_SECONDS
        self._next_look = time.monotonic() + pause_seconds
