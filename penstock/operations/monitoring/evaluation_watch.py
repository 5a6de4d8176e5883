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
from penstock.pipeline.evaluation.records import finished_numbers, last_of, read_record
from penstock.storage.files import Storage

#: How long to wait for the thread at the end of a job; a listing of S3 that hangs longer is abandoned.
JOIN_SECONDS = 5.0
log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class EvaluationWatch:
    """Lists them every `every_seconds` in its own thread. The last one from before the start is shown, not counted.
    Final ones are left out."""

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
            last = last_of(self.storage, self.config.tables.root, numbers)
            self._show([last] if last else [], counts=False)
            self._seen = numbers[-1] if numbers else -1
            return
        new = [number for number in numbers if number > self._seen]
        found = [read_record(self.storage, self.config.tables.root, number) for number in new]
        self._show([record for record in found if record and not record.is_final], counts=True)
        self._seen = max([self._seen, *new])

    def on_evaluation(self, record: EvaluationRecord) -> None:
        """Of the stream itself: shown at once, and not counted again when its file is seen."""
        self.metrics.on_evaluation(record)

    def _show(self, records: list[EvaluationRecord], *, counts: bool) -> None:
        for record in records:
            self.metrics.on_evaluation(record, counts=counts)
        if records:
            self.metrics.on_evaluation_means(evaluation_means(self.config, records[-1].number))

    def _keep_looking(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except (PenstockError, OSError) as error:
                log.warning("the last evaluation is not known: %s", error)
            self._stop.wait(self.every_seconds)
