"""The calendar of a series, parsed from a pandas offset alias."""

from dataclasses import dataclass
from typing import Self

import pandas as pd
from pandas.tseries import offsets

MONTHS_PER_PERIOD: dict[type[offsets.BaseOffset], int] = {
    offsets.MonthBegin: 1,
    offsets.QuarterBegin: 3,
    offsets.YearBegin: 12,
    offsets.MonthEnd: 1,
    offsets.QuarterEnd: 3,
    offsets.YearEnd: 12,
}
AT_MONTH_END = (offsets.MonthEnd, offsets.QuarterEnd, offsets.YearEnd)
SECONDS_PER_WEEK = 7 * 86400


@dataclass(frozen=True, kw_only=True)
class Frequency:
    """Periods of a fixed number of seconds, or of months (at_month_end: at their last day, else at their first).

    first_month: for quarters and years, one of the months (1 to 12) that are on the calendar. weekday: for weeks,
    0 is Monday.
    """

    seconds: float = 0.0
    months: int = 0
    at_month_end: bool = False
    first_month: int = 1
    weekday: int | None = None

    @classmethod
    def of(cls, alias: str) -> Self:
        """Raises ValueError for an alias unknown to pandas, or without a native Spark expression here."""
        try:
            offset = pd.tseries.frequencies.to_offset(alias)
        except ValueError:
            offset = None
        if isinstance(offset, offsets.Tick):
            return cls(seconds=offset.nanos / 1e9)
        if isinstance(offset, offsets.Week):
            return cls(seconds=float(SECONDS_PER_WEEK * offset.n), weekday=getattr(offset, "weekday", None))
        months = MONTHS_PER_PERIOD.get(type(offset)) if offset is not None else None
        if offset is None or months is None:
            raise ValueError(
                f"frequency {alias!r} is not supported; use seconds to weeks (s, min, h, D, W), or the start or end of "
                "months, quarters or years (MS, ME, QS, QE, YS, YE), with a multiple if you like (15min)"
            )
        first_month = getattr(offset, "startingMonth", None) or getattr(offset, "month", None) or 1
        return cls(
            months=months * offset.n, at_month_end=isinstance(offset, AT_MONTH_END), first_month=int(first_month)
        )
