"""Looks for finished evaluations, whichever process made them: the stream itself, or `penstock evaluate` beside it."""

import logging
from dataclasses import dataclass
from typing import ClassVar

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.operations.monitoring.evaluation_means import evaluation_means
from penstock.operations.monitoring.metrics import PipelineMetrics
from penstock.operations.monitoring.poller import Poller
from penstock.pipeline.evaluation.record import EvaluationRecord
from penstock.pipeline.evaluation.records import finished_numbers, last_of, read_record
from penstock.storage.files import Storage

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class EvaluationWatch(Poller):
    """Lists them every `every_seconds` in its own thread. The last one from before the start is shown, not counted.
    Final ones are left out."""

    name: ClassVar[str] = "evaluations"
    config: PipelineConfig
    storage: Storage
    metrics: PipelineMetrics
    _seen: int | None = None

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

    def on_failure(self, error: PenstockError | OSError) -> None:
        log.warning("the last evaluation is not known: %s", error)
