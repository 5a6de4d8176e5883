"""The newest values of exogenous variables for requests: read again when the file or table is another."""

import logging
from dataclasses import dataclass

from pyspark.sql import SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ExogenousError
from penstock.series.exogenous_leads import Leads, leads_of
from penstock.series.exogenous_values import ExogenousSource, is_file, newest_source, read_exogenous
from penstock.storage.files import FileStatus
from penstock.storage.routing import storage_of

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class NewestLeads:
    """Not to be called by two threads at once."""

    spark: SparkSession
    config: PipelineConfig
    _seen: tuple[ExogenousSource, FileStatus | None] | None = None
    _leads: Leads | None = None

    def get(self) -> Leads | None:
        """The values to be joined to windows. Where they can't be read, with a warning, those of the request before;
        None if there are none, or no exogenous variables."""
        if self.config.the_series.exogenous is None:
            return None
        try:
            self._refresh()
        except (ExogenousError, OSError) as error:
            log.warning("exogenous values can't be read, and those read before are used: %s", error)
        return self._leads

    def _refresh(self) -> None:
        source, storage = newest_source(self.config), storage_of(self.config)
        found = (source, storage.status(source.path) if is_file(source.path) else None)
        if found == self._seen and self._leads is not None:
            return
        values = read_exogenous(self.config, source, storage=storage)
        self._leads = leads_of(self.spark, values, self.config.the_series)
        self._seen = found
