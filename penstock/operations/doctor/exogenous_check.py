"""Can the values of the exogenous variables be read, and do they reach as far as the newest forecasts need?"""

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ExogenousError
from penstock.operations.doctor.checks import Finding, found
from penstock.series.exogenous_types import DS, SERIES_ID
from penstock.series.exogenous_values import read_newest
from penstock.storage.delta_files import data_files
from penstock.storage.delta_reader import opened_table
from penstock.udfs.var.fleet_calendar import next_periods


def examine_exogenous(config: PipelineConfig) -> Iterator[Finding]:
    """Nothing for a pipeline without exogenous variables."""
    if config.series is not None and config.series.exogenous is not None:
        yield found("exogenous", lambda: check_exogenous(config))


def check_exogenous(config: PipelineConfig) -> str:
    """Raises ExogenousError, and LedgerError if the table `lags` can't be read."""
    (source, values), series = read_newest(config), config.the_series
    known = values.drop_null()
    if not known.num_rows:
        raise ExogenousError(
            f"{source.described}: has no row with all of {', '.join(series.exogenous_names)}; add some"
        )
    first, last = pc.min(known[DS]).as_py(), pc.max(known[DS]).as_py()
    of_series = f" of {pc.count_distinct(known[SERIES_ID]).as_py():,} series" if SERIES_ID in known.column_names else ""
    text = (
        f"{source.described}: {known.num_rows:,} rows{of_series} with all columns, {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    )
    newest = newest_observation(config)
    if newest is None:
        return text
    needed = last_needed(newest, config)
    if last < needed:
        raise ExogenousError(
            f"{text}, and a forecast from the newest observation ({newest:%Y-%m-%d}) needs them up to "
            f"{needed:%Y-%m-%d}; add those, or its reason will be missing_exogenous"
        )
    return f"{text}, and the newest forecast needs {needed:%Y-%m-%d}{ends_before(known, needed)}"


def ends_before(known: pa.Table, needed: datetime) -> str:
    """How many series lack the last period that is needed, as a further sentence."""
    if SERIES_ID not in known.column_names:
        return ""
    last = known.group_by(SERIES_ID).aggregate([(DS, "max")])[f"{DS}_max"]
    short = pc.sum(pc.less(last, pa.scalar(needed, last.type))).as_py()
    return f"; those of {short:,} series end before it" if short else ""


def newest_observation(config: PipelineConfig) -> datetime | None:
    """The newest ds of the state, from the log of `lags` alone; None where it does not say."""
    with opened_table(config, "lags") as table:
        most = [file.most[DS] for file in data_files(table, [DS])] if table is not None else []
    return max(most) if most and None not in most else None


def last_needed(newest: datetime, config: PipelineConfig) -> datetime:
    """The last period of a forecast from the newest observation."""
    series, start = config.the_series, np.datetime64(newest.replace(tzinfo=None), "ns")
    after = next_periods(start, periods=series.horizon, frequency=series.frequency, holidays=series.calendar.holidays)
    last: datetime = (after[-1] if len(after) else start).astype("datetime64[us]").item()
    return last.replace(tzinfo=UTC)
