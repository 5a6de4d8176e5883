"""Looks for finished evaluations, whichever process made them: the stream itself, or `penstock evaluate` beside it."""

import logging
import threading
from dataclasses import dataclass, field
from types import TracebackType

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.operations.monitoring.evaluation_means import evaluation_means
from penstock.operations.monitoring.metrics import PipelineMetrics
from penstock.pipeline.evaluation.record import EvaluationRecord
from penstock.pipeline.evaluation.records import finished_numbers, read_record
from penstock.storage.files import Storage

#: How long to wait for the thread at the end of a job; a listing of S3 that hangs longer is abandoned.
JOIN_SECONDS = 5.0
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class EvaluationWatch:
    """Lists them every `every_seconds` in its own thread. The last one from before the start is shown, not counted."""

    config: PipelineConfig
    storage: Storage
    metrics: PipelineMetrics
    every_seconds: float
    _seen: int | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> "EvaluationWatch":
        self._thread = threading.Thread(target=self._keep_looking, name="evaluations", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(JOIN_SECONDS)

    def look(self) -> None:
        """Raises PenstockError, OSError."""
        numbers = finished_numbers(self.storage, self.config.tables.root)
        if self._seen is None:
            self._show(numbers[-1:], counts=False)
            self._seen = numbers[-1] if numbers else -1
            return
        new = [number for number in numbers if number > self._seen]
        self._show(new, counts=True)
        self._seen = max([self._seen, *new])

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Of the stream itself: shown at once, and not counted again when its file is seen."""
        self.metrics.on_evaluation(record)

    def _show(self, numbers: list[int], *, counts: bool) -> None:
        for number in numbers:
            record = read_record(self.storage, self.config.tables.root, number)
            if record is not None:
                self.metrics.on_evaluation(record, counts=counts)
        if numbers:
            self.metrics.on_evaluation_means(evaluation_means(self.config, numbers[-1]))

    def _keep_looking(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except (PenstockError, OSError) as error:
                log.warning("the last evaluation is not known: %s", error)
            self._stop.wait(self.every_seconds)
