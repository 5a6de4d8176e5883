"""Calendars as pandas has them: by the config's frequency and holidays, the offset whose dates they are."""

from dataclasses import dataclass

import pandas as pd
from pandas.tseries import offsets

#: Two Fridays and Mondays around weekends, a week without a business day, a Sunday, and the ends of months.
HOLIDAYS = (
    "2023-12-25",
    "2023-12-29",
    "2024-01-01",
    "2024-02-12",
    "2024-02-13",
    "2024-02-14",
    "2024-02-15",
    "2024-02-16",
    "2024-02-18",
    "2024-03-29",
    "2024-04-01",
    "2024-05-31",
    "2024-07-01",
    "2024-12-31",
)


@dataclass(frozen=True, kw_only=True)
class CalendarCase:
    """offset: steps to the next date on the calendar. plus_days: beyond its dates, for which pandas has no offset."""

    frequency: str
    offset: offsets.BaseOffset
    holidays: tuple[str, ...] = ()
    plus_days: int = 0

    def __str__(self) -> str:
        return f"{self.frequency}{'-holidays' if self.holidays else ''}"

    def dates(self, first: str, last: str) -> pd.DatetimeIndex:
        return pd.date_range(first, last, freq=self.offset) + pd.Timedelta(days=self.plus_days)


def of_pandas(frequency: str) -> CalendarCase:
    return CalendarCase(frequency=frequency, offset=pd.tseries.frequencies.to_offset(frequency))


CASES = (
    *map(of_pandas, ("D", "W", "W-WED", "MS", "ME", "QS", "QS-FEB", "QE", "QE-JAN", "YS", "YE", "YS-JUL")),
    *map(of_pandas, ("B", "BMS", "BME", "BQS", "BQE", "BYS", "BYE", "BQE-JAN", "BYS-JUL")),
    CalendarCase(frequency="B", offset=offsets.CDay(holidays=list(HOLIDAYS)), holidays=HOLIDAYS),
    CalendarCase(frequency="BME", offset=offsets.CBMonthEnd(holidays=list(HOLIDAYS)), holidays=HOLIDAYS),
    CalendarCase(frequency="BMS", offset=offsets.CBMonthBegin(holidays=list(HOLIDAYS)), holidays=HOLIDAYS),
    CalendarCase(frequency="MS-15", offset=offsets.MonthBegin(), plus_days=14),
    CalendarCase(frequency="MS-28", offset=offsets.MonthBegin(), plus_days=27),
    CalendarCase(frequency="QS-FEB-10", offset=offsets.QuarterBegin(startingMonth=2), plus_days=9),
    CalendarCase(frequency="YS-2", offset=offsets.YearBegin(), plus_days=1),
)
