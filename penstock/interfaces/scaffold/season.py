"""The season that observations of a frequency usually have: a year of months or quarters, a week of days, a day."""

from dataclasses import dataclass

from penstock.udfs.var.fleet_frequency import Frequency

MICROSECONDS_PER_MINUTE = 60_000_000
DAY_MINUTES, HOUR_MINUTES, YEAR_MONTHS, WEEK_DAYS = 1440, 60, 12, 7


@dataclass(frozen=True, kw_only=True)
class Season:
    """periods: in one `name`."""

    periods: int
    name: str


def usual_season(frequency: str) -> Season | None:
    """None where there is no usual one, or where it is no whole number of periods, as a year of weeks. Of business days
    a week is not always five."""
    calendar = Frequency.of(frequency)
    if calendar.months:
        return whole(YEAR_MONTHS, calendar.months, "year")
    if not calendar.microseconds:
        return None
    minutes, rest = divmod(calendar.microseconds, MICROSECONDS_PER_MINUTE)
    if minutes == DAY_MINUTES:
        return Season(periods=WEEK_DAYS, name="week")
    return whole(DAY_MINUTES, minutes, "day") if HOUR_MINUTES <= minutes < DAY_MINUTES and not rest else None


def whole(length: int, of_period: int, name: str) -> Season | None:
    is_whole = length % of_period == 0 and length > of_period
    return Season(periods=length // of_period, name=name) if is_whole else None
