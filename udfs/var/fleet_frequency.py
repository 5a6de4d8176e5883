"""The calendar of a series, parsed from an alias: pandas' offset aliases, and a day of the month (`MS-15`)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Self

import pandas as pd
from pandas.tseries import offsets

#: Months between two dates of the alias, and whether a date is at the end of its month.
MONTHS: dict[type[offsets.BaseOffset], tuple[int, bool]] = {
    offsets.MonthBegin: (1, False),
    offsets.QuarterBegin: (3, False),
    offsets.YearBegin: (12, False),
    offsets.MonthEnd: (1, True),
    offsets.QuarterEnd: (3, True),
    offsets.YearEnd: (12, True),
    offsets.BMonthBegin: (1, False),
    offsets.BQuarterBegin: (3, False),
    offsets.BYearBegin: (12, False),
    offsets.BMonthEnd: (1, True),
    offsets.BQuarterEnd: (3, True),
    offsets.BYearEnd: (12, True),
}
ON_BUSINESS_DAYS = (
    offsets.BMonthBegin,
    offsets.BQuarterBegin,
    offsets.BYearBegin,
    offsets.BMonthEnd,
    offsets.BQuarterEnd,
    offsets.BYearEnd,
)
#: Every month has these days.
DAYS = range(1, 29)
WITH_DAY = re.compile(r"(?P<alias>[0-9]*[MQY]S(-[A-Z]{3})?)-(?P<day>[0-9]{1,2})")
MICROSECONDS_PER_WEEK = 7 * 86_400_000_000
SATURDAY = 5


@dataclass(frozen=True, kw_only=True)
class Frequency:
    """Periods of a fixed number of microseconds, of business days, or of months. Exactly one of the three is not 0.

    weekday: for weeks, 0 is Monday. months_apart: 1, 3 or 12; a multiple of it (`2QS`) may begin in any month that is
    `first_month` (1 to 12) plus a multiple of it. at_month_end: at the last day of the month, else at `day` (1 to 28).
    is_business: at the nearest business day within the month (before its last day, after its first). holidays: ISO
    dates, ascending, each from Monday to Friday; they are no business days.
    """

    microseconds: int = 0
    weekday: int | None = None
    business_days: int = 0
    months: int = 0
    months_apart: int = 1
    first_month: int = 1
    at_month_end: bool = False
    day: int = 1
    is_business: bool = False
    holidays: tuple[str, ...] = ()

    @property
    def has_business_days(self) -> bool:
        return self.is_business or self.business_days > 0

    @classmethod
    def of(cls, alias: str, *, holidays: Collection[date | str] = ()) -> Self:
        """holidays: dates, as ISO text or not; those on a weekend change nothing.

        Raises ValueError for an alias that is unknown or has no arithmetic here, and for holidays beside a frequency
        without business days.
        """
        with_day = WITH_DAY.fullmatch(alias)
        try:
            offset = pd.tseries.frequencies.to_offset(with_day["alias"] if with_day else alias)
        except ValueError:
            offset = None
        if offset is None or not _is_supported(offset):
            raise ValueError(
                f"frequency {alias!r} is not supported; use seconds to weeks (s, min, h, D, W), business days (B), or "
                "the start or end of months, quarters or years (MS, ME, QS, QE, YS, YE; their first or last business "
                "day: BMS, BME, ...; another day of the month: MS-15), with a multiple if you like (15min)"
            )
        if with_day and int(with_day["day"]) not in DAYS:
            raise ValueError(
                f"frequency {alias!r} is not supported: not every month has a day {with_day['day']}; expected "
                f"{DAYS[0]} to {DAYS[-1]}, and for the last day of the month the alias ME, QE or YE"
            )
        days = tuple(sorted({day for day in map(str, holidays) if date.fromisoformat(day).weekday() < SATURDAY}))
        if isinstance(offset, offsets.Tick):
            found = cls(microseconds=offset.nanos // 1000)
        elif isinstance(offset, offsets.Week):
            weekday = getattr(offset, "weekday", None)
            found = cls(microseconds=MICROSECONDS_PER_WEEK * offset.n, weekday=weekday)
        elif type(offset) is offsets.BusinessDay:
            found = cls(business_days=offset.n, holidays=days)
        else:
            months_apart, at_month_end = MONTHS[type(offset)]
            is_business = isinstance(offset, ON_BUSINESS_DAYS)
            found = cls(
                months=months_apart * offset.n,
                months_apart=months_apart,
                first_month=int(getattr(offset, "startingMonth", None) or getattr(offset, "month", None) or 1),
                at_month_end=at_month_end,
                day=int(with_day["day"]) if with_day else 1,
                is_business=is_business,
                holidays=days if is_business else (),
            )
        if holidays and not found.has_business_days:
            raise ValueError(
                f"holidays are for frequencies of business days (B, BMS, BME, BQS, BQE, BYS, BYE), and {alias!r} is "
                "none; leave them out, or change the frequency"
            )
        return found


def _is_supported(offset: offsets.BaseOffset) -> bool:
    """Spark's timestamps have microseconds."""
    if isinstance(offset, offsets.Tick):
        return bool(offset.nanos >= 1000 and offset.nanos % 1000 == 0)
    is_week = isinstance(offset, offsets.Week) and getattr(offset, "weekday", None) is not None
    return offset.n > 0 and (is_week or type(offset) is offsets.BusinessDay or type(offset) in MONTHS)
