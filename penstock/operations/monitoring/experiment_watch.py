"""Looks how the experiment of a pipeline stands, whichever process evaluates and decides."""

import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import ClassVar

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PenstockError
from penstock.operations.monitoring.experiment_status import experiment_status
from penstock.operations.monitoring.metrics import PipelineMetrics
from penstock.operations.monitoring.poller import Poller
from penstock.pipeline.decisions.evidence import KnownSums
from penstock.pipeline.decisions.files import DecisionFiles
from penstock.storage.files import Storage

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class ExperimentWatch(Poller):
    """In its own thread. Decisions that were finished before the start are not counted. A pipeline without a section
    `experiment` costs nothing: nothing is looked for."""

    name: ClassVar[str] = "experiment"
    config: PipelineConfig
    storage: Storage
    metrics: PipelineMetrics
    _counted: set[int] = field(default_factory=set)
    _has_looked: bool = False
    _known: KnownSums = field(default_factory=KnownSums)

    def look(self) -> None:
        """Raises PenstockError, OSError."""
        if self.config.experiment is None:
            return
        history = self.files.history()
        for one in history.decisions:
            if one.outcome is None or one.decision.number in self._counted:
                continue
            self._counted.add(one.decision.number)
            if self._has_looked:
                self.metrics.on_decision(one)
        self._has_looked = True
        now = datetime.now(UTC)
        status = experiment_status(self.config, self.storage, history, now=now, known=self._known)
        self.metrics.on_experiment(status)

    @cached_property
    def files(self) -> DecisionFiles:
        return DecisionFiles(storage=self.storage, root=self.config.tables.root)

    def on_failure(self, error: PenstockError | OSError) -> None:
        log.warning("how the experiment stands is not known: %s", error)
