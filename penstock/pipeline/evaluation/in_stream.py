"""Evaluations within the stream, every `evaluate.every`. None of them ends it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from penstock.errors import PenstockError
from penstock.pipeline.context import Pipeline
from penstock.pipeline.evaluation.evaluator import Evaluator
from penstock.pipeline.evaluation.record import EvaluationLook, EvaluationRecord
from penstock.spark.errors import SPARK_ERRORS, said

#: After a failure; or evaluate.every, if that is sooner.
RETRY_SECONDS = 300.0
#: Their message says it all; others are logged with their traceback.
EXPECTED_ERRORS = (PenstockError, OSError, *SPARK_ERRORS)
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class StreamEvaluations:
    """on_evaluation: called with each finished evaluation, and on_look after each look, also one that found nothing;
    what they raise would end the stream. on_look costs a count of what has no label: None where nobody wants it."""

    pipeline: Pipeline
    on_evaluation: Callable[[EvaluationRecord], None] = lambda record: None  # noqa: ARG005
    on_look: Callable[[EvaluationLook], None] | None = None
    _due_at: float = 0.0

    @property
    def every_seconds(self) -> float | None:
        """None: not in the stream."""
        section = self.pipeline.config.evaluate
        return section.every if section else None

    @property
    def is_due(self) -> bool:
        return self.every_seconds is not None and time.monotonic() >= self._due_at

    def evaluate(self) -> None:
        """Evaluate what has come true; a failure is reported, and the next one comes sooner."""
        pipeline, every = self.pipeline, self.every_seconds
        if every is None:
            return  # a config without the section, or whose evaluations are left to the job
        # A stop that is asked for meanwhile waits for the end of this.
        log.info("evaluating what has come true")
        try:
            evaluator = Evaluator.of(pipeline.spark, pipeline.config, pipeline.storage)
            records = evaluator.evaluate()
            look = evaluator.look() if self.on_look else None
        except Exception as error:
            again = min(every, RETRY_SECONDS)
            self._due_at = time.monotonic() + again
            log.warning(
                "no evaluation: %s; what has come true waits for the next one, in %.0f s at the soonest",
                said(error),
                again,
                exc_info=None if isinstance(error, EXPECTED_ERRORS) else error,
            )
            return
        self._due_at = time.monotonic() + every
        for record in records:
            self.on_evaluation(record)
        if self.on_look and look:
            self.on_look(look)
