"""A series' calendar as native Spark expressions."""

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.config.frequency import Frequency


class Calendar(Frequency):
    """A frequency with its arithmetic as Spark expressions."""

    def after(self, ds: Column, periods: Column) -> Column:
        """The timestamp `periods` (an integer column) after `ds`, which is on the calendar."""
        if self.seconds:
            return F.timestamp_micros(F.unix_micros(ds) + periods.cast("long") * int(self.seconds * 1_000_000))
        date = F.add_months(ds.cast("date"), periods * self.months)
        return (F.last_day(date) if self.at_month_end else date).cast("timestamp")

    def is_on(self, ds: Column) -> Column:
        """Whether a timestamp is on the calendar; always true for periods of seconds."""
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
