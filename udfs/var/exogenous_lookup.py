"""Values of exogenous variables by series and period, past and future: what a fit and its evaluation look up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.udfs.var.kernel import FloatArray, IntArray
from penstock.udfs.var.runs import PERIOD_TOLERANCE


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
        # periods are compared in steps of the tolerance: several series may lie at fractions of each other's periods
        ticks = np.rint(self.periods / PERIOD_TOLERANCE).astype(np.int64)
        wanted_ticks = np.rint(wanted / PERIOD_TOLERANCE).astype(np.int64)
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
