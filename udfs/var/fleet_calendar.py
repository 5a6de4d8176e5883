"""Count periods between timestamps, many at once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .fleet_frequency import Frequency
from .kernel import FloatArray

Timestamps = NDArray[np.datetime64]

MONDAY = np.datetime64("1970-01-05", "D")
#: Before all timestamps: backwards, numpy counts the last day and not the first.
BEFORE_ALL = np.datetime64("1677-01-01", "D")


def period_numbers(
    ds: Timestamps, *, frequency: str, anchor: np.datetime64, holidays: Collection[str] = ()
) -> FloatArray:
    """(n,), how many periods each timestamp is after the anchor.

    A fixed frequency (`5min`, `D`, `W`) gives fractions for timestamps between two periods. NaN: a timestamp that isn't
    on the calendar (another weekday, day of the month or time of day than the anchor's), and NaT. `anchor` must be on
    the calendar. Raises ValueError if it is not, or for a frequency that is not supported. holidays: ISO dates.
    """
    calendar = Frequency.of(frequency, holidays=holidays)
    start = anchor.astype("datetime64[ns]")
    if np.isnan(counted(np.array([start]), calendar, start=start)[0]):
        raise ValueError(f"{pd.Timestamp(start)} is not on the calendar of frequency {frequency}")
    return counted(np.asarray(ds, dtype="datetime64[ns]"), calendar, start=start)


def counted(times: Timestamps, calendar: Frequency, *, start: np.datetime64) -> FloatArray:
    """The same from `start` (nanoseconds), which may be off the calendar but for its time of day."""
    days = times.astype("datetime64[D]")
    if calendar.microseconds:
        numbers = (times - start) / np.timedelta64(calendar.microseconds, "us")
        if calendar.weekday is None:
            return np.asarray(numbers, dtype=np.float64)
        return np.where((days - MONDAY).astype(np.int64) % 7 == calendar.weekday, numbers, np.nan)
    first = start.astype("datetime64[D]")
    is_usable = ~np.isnat(times) & (times - days == start - first)
    days = np.where(is_usable, days, first)
    if calendar.business_days:
        holidays = np.array(calendar.holidays, dtype="datetime64[D]")
        is_on = np.is_busday(days, holidays=holidays)
        before = np.busday_count(BEFORE_ALL, days, holidays=holidays)
        periods = (before - np.busday_count(BEFORE_ALL, first, holidays=holidays)) / calendar.business_days
    else:
        months = days.astype("datetime64[M]").astype(np.int64)
        is_on = (days == days_in_months(months, calendar)) & (
            (months - (calendar.first_month - 1)) % calendar.months_apart == 0
        )
        periods = (months - first.astype("datetime64[M]").astype(np.int64)) / calendar.months
    return np.where(is_usable & is_on, periods, np.nan)


def days_in_months(months: NDArray[np.int64], calendar: Frequency) -> NDArray[np.datetime64]:
    """The calendar's day of each month; months: counted from January 1970."""
    first_days: Timestamps = (months + int(calendar.at_month_end)).astype("datetime64[M]").astype("datetime64[D]")
    days = first_days + np.timedelta64(-1 if calendar.at_month_end else calendar.day - 1, "D")
    if calendar.is_business:
        roll: Literal["backward", "forward"] = "backward" if calendar.at_month_end else "forward"
        days = np.busday_offset(days, 0, roll=roll, holidays=np.array(calendar.holidays, dtype="datetime64[D]"))
    return days


def last_periods(end: np.datetime64, *, periods: int, frequency: str, holidays: Collection[str] = ()) -> Timestamps:
    """(periods,), the last timestamps up to `end`, which is on the calendar; nanoseconds."""
    return _periods_from(end, numbers=range(1 - periods, 1), calendar=Frequency.of(frequency, holidays=holidays))


def next_periods(start: np.datetime64, *, periods: int, frequency: str, holidays: Collection[str] = ()) -> Timestamps:
    """(periods,), the first timestamps after `start`, which is on the calendar; nanoseconds."""
    return _periods_from(start, numbers=range(1, periods + 1), calendar=Frequency.of(frequency, holidays=holidays))


def _periods_from(origin: np.datetime64, *, numbers: range, calendar: Frequency) -> Timestamps:
    """The timestamps whose number, counted from `origin` on, is one of consecutive `numbers`."""
    start = origin.astype("datetime64[ns]")
    if calendar.microseconds:
        return np.asarray(start + np.array(numbers) * np.timedelta64(calendar.microseconds, "us"))
    longest = 31 * calendar.months + 7 * calendar.business_days
    beyond = longest + 2 * len(calendar.holidays)
    first = numbers.start * longest - beyond if numbers.start < 0 else 0
    days = np.arange(first, max(numbers.stop - 1, 0) * longest + beyond + 1)
    times: Timestamps = start + days * np.timedelta64(1, "D")
    found = whole(counted(times, calendar, start=start))
    return np.asarray(times[(found >= numbers.start) & (found < numbers.stop)])


def whole(numbers: FloatArray) -> FloatArray:
    """Numbers of periods between two timestamps, rounded; NaN where they aren't whole."""
    nearest = np.rint(numbers)
    return np.where(np.abs(numbers - nearest) < 1e-6, nearest, np.nan)
