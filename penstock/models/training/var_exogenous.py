"""The exogenous variables of a fit: read once, for all series."""

import logging
from dataclasses import dataclass

import pyarrow as pa

from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError
from penstock.series.exogenous_values import ExogenousSource, newest_source, read_exogenous
from penstock.storage.delta_reader import reason_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class KnownInAdvance:
    """values: as `read_exogenous` has them, past and future."""

    source: ExogenousSource
    values: pa.Table


def read_known(config: PipelineConfig) -> KnownInAdvance | None:
    """None without exogenous variables. Raises ExogenousError, EnvironmentCheckError."""
    if config.the_series.exogenous is None:
        return None
    try:
        source = newest_source(config)
        values = read_exogenous(config, source)
    except OSError as error:
        raise EnvironmentCheckError(
            f"series.exogenous: {config.the_series.exogenous.path} can't be read: {reason_of(error)}; look for missing "
            "files and permissions there"
        ) from None
    log.info(
        "%s: %s rows of the exogenous variables %s",
        source.described,
        f"{values.num_rows:,}",
        ", ".join(config.the_series.exogenous_names),
    )
    return KnownInAdvance(source=source, values=values)
