"""A series' calendar as native Spark expressions."""

from functools import cached_property

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.config.series import SeriesConfig
from penstock.series.business_days import BusinessDays
from penstock.udfs.var.fleet_frequency import Frequency


class Calendar(Frequency):
    """A frequency with its arithmetic as Spark expressions."""

    @classmethod
    def of_series(cls, series: SeriesConfig) -> "Calendar":
        return cls.of(series.frequency, holidays=series.holidays)

    @cached_property
    def _business(self) -> BusinessDays:
        return BusinessDays(self.holidays)

    def after(self, ds: Column, periods: Column) -> Column:
        """The timestamp `periods` (an integer column) after `ds`, which is on the calendar."""
        if self.microseconds:
            return F.timestamp_micros(F.unix_micros(ds) + periods.cast("long") * self.microseconds)
        date = ds.cast("date")
        if self.business_days:
            later = self._business.number(date) + periods.cast("long") * self.business_days
            return self._business.date_of(later).cast("timestamp")
        month = F.add_months(F.trunc(date, "month"), periods * self.months)
        return self._day_in_month(month).cast("timestamp")

    def is_on(self, ds: Column) -> Column:
        """Whether a timestamp is on the calendar; always true for periods of seconds that are no weeks."""
        if self.microseconds:
            return F.lit(True) if self.weekday is None else F.weekday(ds) == self.weekday
        date = ds.cast("date")
        is_midnight = date.cast("timestamp") == ds
        if self.business_days:
            return self._business.is_one(date) & is_midnight
        is_its_month = F.pmod(F.month(date) - self.first_month, F.lit(self.months_apart)) == 0
        return (date == self._day_in_month(F.trunc(date, "month"))) & is_its_month & is_midnight

    def ordinal(self, ds: Column) -> Column:
        """A number (long) for a timestamp on the calendar: the next period's is larger by `ordinals_per_period`."""
        if self.microseconds:
            return F.unix_micros(ds)
        if self.business_days:
            return self._business.number(ds.cast("date"))
        return (F.year(ds) * 12 + F.month(ds)).cast("long")

    @property
    def ordinals_per_period(self) -> int:
        return self.microseconds or self.business_days or self.months

    def _day_in_month(self, month: Column) -> Column:
        """month: the date of its first day."""
        date = F.last_day(month) if self.at_month_end else F.date_add(month, self.day - 1)
        if not self.is_business:
            return date
        return self._business.on_or_before(date) if self.at_month_end else self._business.on_or_after(date)
