"""Decisions within the stream: after a micro-batch, and after an evaluation. No failure of one ends it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.pipeline.decisions.controller import Controller
from penstock.pipeline.decisions.files import Decided
from penstock.pipeline.decisions.standing import standing_of
from penstock.pipeline.decisions.text import text_of
from penstock.pipeline.plan import Plan
from penstock.storage.files import Storage

#: After a failure.
RETRY_SECONDS = 60.0
#: Their message says it all; others are logged with their traceback.
EXPECTED_ERRORS = (PenstockError, OSError)
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class StreamDecisions:
    """controller: None in a pipeline without an experiment, where nothing is ever decided here."""

    controller: Controller | None
    _due_at: float | None = None
    _left: Callable[[], list[Decided]] | None = None

    @classmethod
    def of(cls, config: PipelineConfig, storage: Storage, *, by: str = "stream") -> Self:
        return cls(controller=Controller.of(config, storage, by=by) if config.experiment else None)

    @property
    def is_due(self) -> bool:
        """Whether something is left to do after a failure."""
        return self._due_at is not None and time.monotonic() >= self._due_at

    def after_batch(self, plan: Plan) -> None:
        if self.controller is not None and plan.replay is None:
            controller = self.controller
            self._try(lambda: controller.after_batch(plan))

    def after_evaluation(self) -> None:
        if self.controller is not None:
            controller = self.controller
            self._try(lambda: decide_by_standing(controller))

    def look_again(self) -> None:
        """Once more what failed."""
        if self._left is not None:
            self._try(self._left)

    def _try(self, decide: Callable[[], list[Decided]]) -> None:
        try:
            for decided in decide():
                log.info("%s", text_of(decided))
        except Exception as error:
            self._due_at, self._left = time.monotonic() + RETRY_SECONDS, decide
            log.warning(
                "no decision: %s; the stream continues, and what is to be decided waits for the next look",
                error if isinstance(error, EXPECTED_ERRORS) else f"{type(error).__name__}: {error}",
                exc_info=None if isinstance(error, EXPECTED_ERRORS) else error,
            )
        else:
            self._due_at = self._left = None


def decide_by_standing(controller: Controller) -> list[Decided]:
    """Raises as Controller, and as standing_of."""
    standing = standing_of(controller.config, controller.storage, at=datetime.now(UTC))
    return controller.after_evaluation(standing)
