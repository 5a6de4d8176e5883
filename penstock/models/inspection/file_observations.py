"""The observations of one series from files, through the contract as the fit reads them; by Spark."""

from collections.abc import Sequence
from datetime import datetime

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.models.inspection.observations import NEAREST_SERIES, SeriesObservations, id_of, integer_ids, refuse
from penstock.models.training.var_data import read_fit_data, report_refusals
from penstock.udfs.var.histories import SERIES_ID


def read_from_files(
    spark: SparkSession, config: PipelineConfig, series: str, *, data: Sequence[str] = (), until: datetime | None = None
) -> SeriesObservations:
    """data: files and folders, default the config's source; until: UTC, inclusive.

    Raises ConfigError, and FitError if there is nothing to read or no such series.
    """
    series_id = id_of(series, is_integer=integer_ids(config))
    observed = read_fit_data(spark, config, data=data)
    report_refusals(observed)
    rows = observed.until(until).where(F.col(SERIES_ID) == F.lit(series_id)).toArrow()
    if not rows.num_rows:
        own, written = F.col(SERIES_ID).cast("string"), F.lit(str(series_id))
        nearest = (
            observed.frame.select(own.alias(SERIES_ID))
            .distinct()
            .orderBy(F.col(SERIES_ID) != written, F.levenshtein(F.lower(SERIES_ID), F.lower(written)), SERIES_ID)
        )
        refuse(series_id, [row[SERIES_ID] for row in nearest.limit(NEAREST_SERIES).collect()], until=until)
    return SeriesObservations(series_id=series_id, rows=rows, locations=observed.locations)
