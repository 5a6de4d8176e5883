"""Values of exogenous variables by series and period, past and future: what a fit and its evaluation look up.

Periods are compared, not times: an evaluation asks for those of missing observations as well, of which it has no time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.udfs.var.histories import DS, SERIES_ID, Histories, calendar_numbers
from penstock.udfs.var.kernel import FloatArray, IntArray

TICKS_PER_PERIOD = 2**20
"""Periods are compared in whole ticks. A power of 2, so that no time of a calendar lies halfway between two of them."""


@dataclass(frozen=True, kw_only=True)
class ExogenousValues:
    """Sorted rows. series: (n,), the place of the series that a row is of, ascending; None: each row is of all series.
    periods: (n,), as those of the observations, ascending within a series. values: (n, q), NaN where there is none."""

    series: IntArray | None
    periods: FloatArray
    values: FloatArray

    @classmethod
    def of(cls, values: FloatArray, *, periods: FloatArray, series: IntArray | None) -> ExogenousValues:
        """Of rows in any order."""
        order = np.argsort(periods, kind="stable") if series is None else np.lexsort((periods, series))
        return cls(
            series=None if series is None else series[order],
            periods=np.asarray(periods, dtype=np.float64)[order],
            values=np.asarray(values, dtype=np.float64)[order],
        )

    def at(self, series: IntArray, periods: FloatArray) -> FloatArray:
        """(..., q), the values of series (...,) in periods (...,), NaN where there is no row."""
        owners, wanted = np.broadcast_arrays(series, periods)
        found = np.full((*wanted.shape, self.values.shape[1]), np.nan)
        if not len(self.periods):
            return found
        ticks = np.rint(self.periods * TICKS_PER_PERIOD).astype(np.int64)
        wanted_ticks = np.rint(wanted * TICKS_PER_PERIOD).astype(np.int64)
        distinct, codes = np.unique(ticks, return_inverse=True)
        wanted_codes = np.minimum(np.searchsorted(distinct, wanted_ticks), len(distinct) - 1)
        is_there = distinct[wanted_codes] == wanted_ticks
        keys, wanted_keys = codes, wanted_codes
        if self.series is not None:
            keys, wanted_keys = self.series * len(distinct) + codes, owners * len(distinct) + wanted_codes
        rows = np.minimum(np.searchsorted(keys, wanted_keys), len(keys) - 1)
        is_there &= keys[rows] == wanted_keys
        found[is_there] = self.values[rows[is_there]]
        return found


def exogenous_values(
    table: pa.Table, given: Histories, *, names: Sequence[str], frequency: str, holidays: Collection[str] = ()
) -> ExogenousValues:
    """table: ds (timestamp in UTC), a number for each of `names`, and series_id if each row is of one series, as
    `penstock.series.exogenous_values.read_exogenous` has them. Rows off the calendar, and of other series than those of
    `given`, are left out."""
    ds = table[DS].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    values = np.column_stack([table[name].cast(pa.float64()).to_numpy() for name in names])
    if not len(given.ids):
        return ExogenousValues.of(values[:0], periods=np.zeros(0), series=None)
    start = given.ds[0]
    numbers = given.periods[0] + calendar_numbers(ds, frequency=frequency, holidays=holidays, start=start)
    is_used, series = ~np.isnan(numbers), None
    if SERIES_ID in table.schema.names:
        ids = table[SERIES_ID]
        known = pa.array(given.ids.tolist()).cast(ids.type)
        series = pc.fill_null(pc.index_in(ids, value_set=known), -1).to_numpy()
        is_used &= series >= 0
        series = series[is_used].astype(np.int64)
    return ExogenousValues.of(values[is_used], periods=numbers[is_used], series=series)
