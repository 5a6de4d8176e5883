"""A series' calendar: which timestamp follows which, as native Spark expressions, from a pandas offset alias."""

from dataclasses import dataclass

import pandas as pd
from pandas.tseries import offsets
from pyspark.sql import Column
from pyspark.sql import functions as F

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
class Calendar:
    """Periods of a fixed number of seconds, or of months (then at_month_end tells where in the month).

    first_month: for quarters and years, one of the months (1 to 12) that are on the calendar. weekday: for weeks,
    0 is Monday.
    """

    seconds: float = 0.0
    months: int = 0
    at_month_end: bool = False
    first_month: int = 1
    weekday: int | None = None

    @classmethod
    def of(cls, alias: str) -> "Calendar":
        """Raises ValueError for an alias that pandas does not know, or that has no native expression here."""
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

    def after(self, ds: Column, periods: Column) -> Column:
        """The timestamp `periods` (an integer column) after `ds`, which is on the calendar."""
        if self.seconds:
            return F.timestamp_micros(F.unix_micros(ds) + periods.cast("long") * int(self.seconds * 1_000_000))
        date = F.add_months(ds.cast("date"), periods * self.months)
        return (F.last_day(date) if self.at_month_end else date).cast("timestamp")

    def is_on(self, ds: Column) -> Column:
        """Whether a timestamp is on the calendar. Periods of seconds may begin anywhere."""
        if self.seconds:
            return F.lit(True) if self.weekday is None else F.weekday(ds) == self.weekday
        date = ds.cast("date")
        in_month = date == (F.last_day(date) if self.at_month_end else F.trunc(date, "month"))
        is_midnight = date.cast("timestamp") == ds
        is_its_month = (F.month(date) - self.first_month) % min(self.months, 12) == 0
        return in_month & is_midnight & (is_its_month if self.months % 12 in (0, 3, 6, 9) else F.lit(True))

    def follows(self, ds: Column, previous: Column) -> Column:
        """Whether `ds` is the period right after `previous`; both are on the calendar."""
        return ds == self.after(previous, F.lit(1))
