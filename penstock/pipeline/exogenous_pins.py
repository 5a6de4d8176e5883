"""Which values of the exogenous variables a micro-batch reads: those of a version that stays, which its plan names.

A Delta table is read as of a version. A file may be written over, so that its content is copied beside the tables
before the plan is written, under a name that is its SHA-256, and read from there by the batch and its replays.
"""

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import pyarrow as pa
from pyspark.sql import SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ExogenousError, PlanError
from penstock.pipeline.plan import Plan, newest_plan
from penstock.series.exogenous_leads import Leads, leads_of
from penstock.series.exogenous_values import (
    ExogenousSource,
    file_content,
    is_file,
    newest_source,
    read_exogenous,
    values_of_file,
)
from penstock.storage.files import FileStatus, Storage, trouble_with

#: The values of this batch, and those of the one before it, which the next may read again.
KEPT = 2
log = logging.getLogger(__name__)


def copies_folder(config: PipelineConfig) -> str:
    return f"{config.tables.root}/_exogenous"


def copy_path(config: PipelineConfig, content: bytes, original: str) -> str:
    """Named by its content."""
    ending = PurePosixPath(original).suffix.lower()
    return f"{copies_folder(config)}/{hashlib.sha256(content).hexdigest()}{ending}"


@dataclass(frozen=True)
class _Found:
    """content: to be copied to the source's path. status: of the file."""

    source: ExogenousSource
    status: FileStatus | None = None
    content: bytes | None = None


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

        Raises StorageError if a copy can't be written, or if the store does not answer and there are no earlier values.
        """
        if self.config.series is None or self.config.series.exogenous is None:
            return None
        try:
            found = self._newest()
        except (ExogenousError, OSError) as error:
            before = self._last_good(error)
            if before is None and isinstance(error, OSError):
                # A passing fault would leave a whole history without forecasts.
                raise trouble_with(self.config.series.exogenous.path, error) from None
            if before is None:
                log.warning("exogenous values can't be read, and no forecast is made until they can: %s", error)
            return before
        if found.content is not None:
            self._write(found.source.path, found.content)
        self._seen, self._pinned = found.status, found.source
        return found.source

    def leads(self, source: ExogenousSource | None) -> Leads | None:
        """The values, to be joined to windows; None without a source. Raises ExogenousError, OSError."""
        if source is None:
            return None
        if source not in self._leads:
            self._keep(source, read_exogenous(self.config, source, storage=self.storage))
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

    def _newest(self) -> "_Found":
        """What can be read. Raises ExogenousError, OSError."""
        newest = newest_source(self.config)
        if not is_file(newest.path):
            self.leads(newest)
            return _Found(newest)
        status = self.storage.status(newest.path)
        if self._pinned is not None and status is not None and status == self._seen:
            return _Found(self._pinned, status=status)
        content = file_content(self.storage, newest.path)
        copy = ExogenousSource(path=copy_path(self.config, content, newest.path))
        if copy not in self._leads:
            self._keep(copy, values_of_file(self.config, content, newest.path))
        return _Found(copy, status=status, content=content)

    def _keep(self, source: ExogenousSource, values: pa.Table) -> None:
        self._leads[source] = leads_of(self.spark, values, self.config.the_series)
        while len(self._leads) > KEPT:
            del self._leads[next(iter(self._leads))]

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
        return None
