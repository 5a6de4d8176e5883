"""Which values of the exogenous variables a micro-batch reads: those of a version that stays, which its plan names.

A Delta table is read as of a version. A file may be written over, so that its content is copied beside the tables
before the plan is written, under a name that is its SHA-256, and read from there by the batch and its replays.
"""

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pyspark.sql import SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ExogenousError, PlanError
from penstock.pipeline.plan import Plan, newest_plan
from penstock.series.exogenous_leads import Leads, leads_of
from penstock.series.exogenous_values import ExogenousSource, is_file, newest_source, read_exogenous
from penstock.storage.files import FileStatus, Storage

#: The values of this batch, and those of the one before it, which the next may read again.
KEPT = 2
log = logging.getLogger(__name__)


def copies_folder(config: PipelineConfig) -> str:
    return f"{config.tables.root}/_exogenous"


def copy_path(config: PipelineConfig, content: bytes, original: str) -> str:
    """Named by its content."""
    ending = PurePosixPath(original).suffix.lower()
    return f"{copies_folder(config)}/{hashlib.sha256(content).hexdigest()}{ending}"


@dataclass(kw_only=True)
class ExogenousPins:
    """Those of a process; values are read once for each version."""

    spark: SparkSession
    config: PipelineConfig
    storage: Storage
    #: The file as it was when `_pinned` was copied.
    _seen: FileStatus | None = None
    _pinned: ExogenousSource | None = None
    _leads: dict[ExogenousSource, Leads] = field(default_factory=dict)

    def pin(self) -> ExogenousSource | None:
        """The newest values, as a source that stays. Where they can't be read, with a warning, those that were pinned
        last; None if there are none, or no exogenous variables.

        Raises StorageError if a copy can't be written.
        """
        if self.config.series is None or self.config.series.exogenous is None:
            return None
        try:
            self._pinned = self._newest()
        except (ExogenousError, OSError) as error:
            return self._last_good(error)
        return self._pinned

    def leads(self, source: ExogenousSource | None) -> Leads | None:
        """The values, to be joined to windows; None without a source. Raises ExogenousError, OSError."""
        if source is None:
            return None
        if source not in self._leads:
            values = read_exogenous(self.config, source, storage=self.storage)
            self._leads[source] = leads_of(self.spark, values, self.config.the_series)
            while len(self._leads) > KEPT:
                del self._leads[next(iter(self._leads))]
        return self._leads[source]

    def planned_leads(self, plan: Plan) -> Leads | None:
        """Those that a plan names. Raises PlanError where they can't be read any more."""
        try:
            return self.leads(plan.exogenous)
        except ExogenousError as error:
            raise PlanError(f"{plan.described}: was planned with exogenous values that are gone: {error}") from None

    def are_lost(self, plan: Plan) -> bool:
        """Whether the values that a plan names can't be read any more."""
        try:
            self.leads(plan.exogenous)
        except ExogenousError as error:
            log.warning("%s was planned with exogenous values that are gone: %s", plan.described, error)
            return True
        return False

    def _newest(self) -> ExogenousSource:
        found = newest_source(self.config)
        if not is_file(found.path):
            self.leads(found)
            return found
        status = self.storage.status(found.path)
        if self._pinned is not None and status is not None and status == self._seen:
            return self._pinned
        content = self.storage.read(found.path)
        if content is None:
            raise ExogenousError(f"{found.path}: there is no such file")
        copy = ExogenousSource(path=copy_path(self.config, content, found.path))
        self._write(copy.path, content)
        self.leads(copy)
        self._seen = status
        return copy

    def _write(self, path: str, content: bytes) -> None:
        """As a young file, which maintenance leaves alone until a plan names it."""
        if not self.storage.create(path, content):
            self.storage.replace(path, content)

    def _last_good(self, error: Exception) -> ExogenousSource | None:
        before = newest_plan(self.storage, self.config.checkpoint)
        for source in (self._pinned, before.exogenous if before else None):
            try:
                if source is not None and self.leads(source) is not None:
                    log.warning("exogenous values can't be read, and those of the last batch are used: %s", error)
                    return source
            except (ExogenousError, OSError) as other:
                log.warning("exogenous values of an earlier batch can't be read: %s", other)
        log.warning("exogenous values can't be read, and no forecast is made until they can: %s", error)
        return None
