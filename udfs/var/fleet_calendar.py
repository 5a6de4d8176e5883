"""Count periods of a pandas offset alias between timestamps, many at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .kernel import FloatArray

Timestamps = NDArray[np.datetime64]

YEARS_AROUND_ANCHOR = 150
"""Timestamps farther from the anchor than this get NaN, so that an outlier can't build a huge calendar."""


def period_numbers(ds: Timestamps, *, frequency: str, anchor: np.datetime64) -> FloatArray:
    """(n,), how many periods each timestamp is after the anchor.

    A fixed frequency (`5min`, `D`) gives fractions for timestamps between two periods; a calendar one (`QS`,
    `B`) gives NaN for a timestamp that isn't on the calendar, and so does NaT. `anchor` must be on the
    calendar.
    """
    offset = pd.tseries.frequencies.to_offset(frequency)
    times = np.asarray(ds, dtype="datetime64[ns]")
    start = anchor.astype("datetime64[ns]")
    if isinstance(offset, pd.offsets.Tick):
        numbers = (times - start) / np.timedelta64(offset.nanos, "ns")
        return np.asarray(numbers, dtype=np.float64)
    unique, inverse = np.unique(times, return_inverse=True)
    reach = np.timedelta64(int(YEARS_AROUND_ANCHOR * 365.25), "D")
    usable = ~np.isnat(unique) & (unique > start - reach) & (unique < start + reach)
    numbers = np.full(len(unique), np.nan)
    if usable.any():
        first = pd.Timestamp(min(start, unique[usable].min()))
        time_of_day = pd.Timestamp(start) - pd.Timestamp(start).normalize()
        calendar = pd.date_range(
            first.normalize() + time_of_day, max(start, unique[usable].max()), freq=offset.base
        ).to_numpy()
        places = np.searchsorted(calendar, unique[usable])
        is_on = calendar[np.minimum(places, len(calendar) - 1)] == unique[usable] if len(calendar) else False
        origin = int(np.searchsorted(calendar, start))
        if origin == len(calendar) or calendar[origin] != start:
            raise ValueError(f"{pd.Timestamp(start)} is not on the calendar of frequency {frequency}")
        numbers[usable] = np.where(is_on, (places - origin) / offset.n, np.nan)
    return np.asarray(numbers[inverse.reshape(-1)])


def whole(numbers: FloatArray) -> FloatArray:
    """Numbers of periods between two timestamps, rounded; NaN where they aren't whole."""
    nearest = np.rint(numbers)
    return np.where(np.abs(numbers - nearest) < 1e-6, nearest, np.nan)
