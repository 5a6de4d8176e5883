"""Where the observations of a series come from: the pipeline's table, or files."""

import logging
from collections.abc import Sequence
from datetime import datetime

from penstock.config.pipeline import PipelineConfig
from penstock.config.series_contract import SINGLE_SERIES
from penstock.errors import ConfigError
from penstock.models.inspection.observations import SeriesObservations, has_table, read_from_table
from penstock.models.training.var_settings import check_workload

log = logging.getLogger(__name__)


def read_series(
    config: PipelineConfig,
    series: str | None,
    *,
    data: Sequence[str] = (),
    from_table: bool = False,
    until: datetime | None = None,
) -> SeriesObservations:
    """series: its id; None only where the config has none. Without data and from_table: the observations table if
    there is one, else the config's source. Only files need Spark. until: UTC, inclusive.

    Raises ConfigError, EnvironmentCheckError, and FitError if there is nothing to read or no such series.
    """
    check_workload(config, job="inspect")
    if series is None and config.the_series.id is not None:
        raise ConfigError("name the series to look into with --series; only with series.id: null it is not needed")
    name = SINGLE_SERIES if series is None else series
    if from_table or (not data and has_table(config)):
        return read_from_table(config, name, until=until)
    if not data:
        log.info("there is no table %s yet: reading %s", config.table_path("observations"), config.source.path)
    from penstock.models.inspection.file_observations import read_from_files
    from penstock.spark.pipeline_settings import settings_of
    from penstock.spark.session import build_session

    session = build_session("penstock-inspect", settings=settings_of(config))
    return read_from_files(session, config, name, data=data, until=until)
