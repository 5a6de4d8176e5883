"""Decisions within the stream: after a micro-batch, after an evaluation, and by the time. No failure of one ends it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Self

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
#: Between two looks at the standing. An evaluation is followed by one; without it a bake and an experiment end, too.
LOOK_SECONDS = 600.0
#: Their message says it all; others are logged with their traceback.
EXPECTED_ERRORS = (PenstockError, OSError)
log = logging.getLogger(__name__)

Look = Literal["batch", "standing"]


@dataclass(frozen=True, kw_only=True)
class Left:
    """What failed, and is tried again from due_at on, of time.monotonic()."""

    decide: Callable[[], list[Decided]]
    due_at: float


@dataclass(kw_only=True)
class StreamDecisions:
    """controller: None in a pipeline without an experiment, where nothing is ever decided here."""

    controller: Controller | None
    _left: dict[Look, Left] = field(default_factory=dict)
    _look_at: float = field(default_factory=lambda: time.monotonic() + LOOK_SECONDS)

    @classmethod
    def of(cls, config: PipelineConfig, storage: Storage, *, by: str = "stream") -> Self:
        return cls(controller=Controller.of(config, storage, by=by) if config.experiment else None)

    @property
    def is_due(self) -> bool:
        """Whether something is left to do after a failure, or it is time to look at the standing."""
        return bool(self._due()) or self._is_time_to_look

    @property
    def _is_time_to_look(self) -> bool:
        return self.controller is not None and time.monotonic() >= self._look_at

    def after_batch(self, plan: Plan) -> None:
        if self.controller is not None and plan.replay is None:
            controller = self.controller
            self._try("batch", lambda: controller.after_batch(plan))
            # A stream that is never idle has no other time for it.
            if self._is_time_to_look:
                self.after_evaluation()

    def after_evaluation(self) -> None:
        if self.controller is not None:
            controller = self.controller
            self._look_at = time.monotonic() + LOOK_SECONDS
            self._try("standing", lambda: decide_by_standing(controller))

    def look_again(self) -> None:
        """Once more what failed; and at the standing, if it is time."""
        for look in self._due():
            self._try(look, self._left[look].decide)
        if self._is_time_to_look:
            self.after_evaluation()

    def _due(self) -> list[Look]:
        return [look for look, left in self._left.items() if time.monotonic() >= left.due_at]

    def _try(self, look: Look, decide: Callable[[], list[Decided]]) -> None:
        try:
            for decided in decide():
                log.info("%s", text_of(decided))
        except Exception as error:
            self._left[look] = Left(decide=decide, due_at=time.monotonic() + RETRY_SECONDS)
            log.warning(
                "no decision: %s; the stream continues, and what is to be decided waits for the next look",
                error if isinstance(error, EXPECTED_ERRORS) else f"{type(error).__name__}: {error}",
                exc_info=None if isinstance(error, EXPECTED_ERRORS) else error,
            )
        else:
            self._left.pop(look, None)


def decide_by_standing(controller: Controller) -> list[Decided]:
    """Raises as Controller, and as standing_of."""
    standing = standing_of(controller.config, controller.storage, at=datetime.now(UTC))
    return controller.after_evaluation(standing)
