"""The exogenous variables of a fit: read once, for all series."""

import logging
from dataclasses import dataclass

import pyarrow as pa

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.series.exogenous_values import ExogenousSource, read_newest
from penstock.udfs.var.bucket import BUCKET, IS_EXOGENOUS
from penstock.udfs.var.histories import DS, RECENCY, SERIES_ID

#: Beside the variables, of the rows that the fit works on.
OWN_COLUMNS = (SERIES_ID, DS, RECENCY, BUCKET, IS_EXOGENOUS)
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class KnownInAdvance:
    """values: as `read_exogenous` has them, past and future."""

    source: ExogenousSource
    values: pa.Table


def read_known(config: PipelineConfig) -> KnownInAdvance | None:
    """None without exogenous variables. Raises ConfigError, ExogenousError."""
    if config.the_series.exogenous is None:
        return None
    taken = [name for name in config.the_series.exogenous_names if name in OWN_COLUMNS]
    if taken:
        raise ConfigError(
            f"series.exogenous.columns: {', '.join(taken)} is a column of the fit's own; expected other names than "
            f"{', '.join(OWN_COLUMNS)}: rename it in {config.the_series.exogenous.path}"
        )
    source, values = read_newest(config)
    log.info(
        "%s: %s rows of the exogenous variables %s",
        source.described,
        f"{values.num_rows:,}",
        ", ".join(config.the_series.exogenous_names),
    )
    return KnownInAdvance(source=source, values=values)
