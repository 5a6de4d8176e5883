"""The observations that a forecast was made from: the window of a cutoff, as the stream made it.

Of each ds the valid observation counts that arrived last among those that had arrived when the forecast was made. The
window ends where the period before has no complete observation, or after series.keep_lags of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.config.exogenous import lead_column
from penstock.config.series import SeriesConfig
from penstock.series.exogenous_types import DS, SERIES_ID
from penstock.udfs.scoring.outputs import ModelColumn
from penstock.udfs.var.fleet_calendar import counted, last_periods, next_periods


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A valid row of `observations`. values: of the variables, in levels."""

    ds: datetime
    values: tuple[float | None, ...]
    error: str | None
    source_file: str
    query_id: str
    batch_id: int
    observed_at: datetime

    @property
    def is_complete(self) -> bool:
        return all(value is not None and value == value for value in self.values)


def window_at(valid: Sequence[Observation], cutoff: datetime, series: SeriesConfig) -> list[Observation]:
    """Newest first. valid: one for each ds; empty where the cutoff is no period of the calendar."""
    start = as_numpy(cutoff)
    calendar = series.calendar
    if np.isnan(counted(np.array([start]), calendar, start=start)[0]):
        return []
    known = {observation.ds: observation for observation in valid}
    periods = last_periods(
        start, periods=series.keep_lags, frequency=series.frequency, holidays=tuple(map(str, series.holidays))
    )
    window: list[Observation] = []
    for period in periods[::-1]:
        found = known.get(as_datetime(period))
        if found is None or not found.is_complete:
            break
        window.append(found)
    return window


def periods_after(cutoff: datetime, series: SeriesConfig) -> list[datetime]:
    """The ds of each step."""
    after = next_periods(
        as_numpy(cutoff), periods=series.horizon, frequency=series.frequency, holidays=tuple(map(str, series.holidays))
    )
    return [as_datetime(period) for period in after]


def leads_after(
    values: pa.Table | None, series_id: str, cutoff: datetime, series: SeriesConfig
) -> dict[str, float | None]:
    """The exogenous variables of each step by the name of the model's input (see series.exogenous_leads). A value
    counts only if all periods before it have a row. values: of `read_exogenous`; None: there are none."""
    leads: dict[str, float | None] = {
        lead_column(name, step): None for step in range(1, series.horizon + 1) for name in series.exogenous_names
    }
    if values is None or not leads:
        return leads
    rows = values
    if SERIES_ID in rows.column_names:
        rows = rows.filter(pc.equal(rows[SERIES_ID], series_id))
    by_ds = {row[DS]: row for row in rows.to_pylist()}
    for step, ds in enumerate(periods_after(cutoff, series), 1):
        found = by_ds.get(ds)
        if found is None:
            break
        leads |= {lead_column(name, step): found[name] for name in series.exogenous_names}
    return leads


def window_arguments(
    inputs: Sequence[ModelColumn],
    window: Sequence[Observation],
    *,
    series_id: str,
    cutoff: datetime,
    leads: Mapping[str, float | None],
    series: SeriesConfig,
) -> tuple[Any, ...]:
    """The model's inputs, in their order; see `InProcessModel.score`."""
    given: dict[str, Any] = {"ds": microseconds(cutoff), **leads}
    for lag, observation in enumerate(window):
        given |= {
            f"{variable}_lag{lag}": value for variable, value in zip(series.variables, observation.values, strict=True)
        }
    is_text = next((column.type.name == "string" for column in inputs if column.name == "series_id"), True)
    given["series_id"] = series_id if is_text else int(series_id)
    return tuple(given.get(column.name) for column in inputs)


def microseconds(time: datetime) -> int:
    """Since 1970 in UTC, exactly."""
    since = time.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def as_numpy(time: datetime) -> np.datetime64:
    return np.datetime64(microseconds(time) * 1000, "ns")


def as_datetime(time: np.datetime64) -> datetime:
    found: datetime = time.astype("datetime64[us]").astype(datetime)
    return found.replace(tzinfo=UTC)
