"""The frequency of a sample's series, its holidays, and whether a model could be fitted with them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import infer_freq, to_offset

from penstock.errors import ConfigError
from penstock.udfs.var.fleet_frequency import Frequency
from penstock.udfs.var.histories import calendar_numbers
from penstock.udfs.var.kernel import FloatArray

MIN_TIMES = 3
#: The minimum share of the most frequent distance between observations, and of the periods that are there.
MIN_EVEN = 0.5
#: The minimum share of the weekdays that are there if the others are holidays: a year has up to 261, and 20 holidays.
MIN_WEEKDAYS = 0.9
MAX_DAYS_FROM_MONTHS_END = 5
SATURDAY = 5
#: pandas' aliases name quarters and years by a month; these are the usual ones.
USUAL = {
    **dict.fromkeys(("QS-JAN", "QS-APR", "QS-JUL", "QS-OCT"), "QS"),
    **dict.fromkeys(("QE-MAR", "QE-JUN", "QE-SEP", "QE-DEC"), "QE"),
    **dict.fromkeys(("BQS-JAN", "BQS-APR", "BQS-JUL", "BQS-OCT"), "BQS"),
    **dict.fromkeys(("BQE-MAR", "BQE-JUN", "BQE-SEP", "BQE-DEC"), "BQE"),
    "YS-JAN": "YS",
    "YE-DEC": "YE",
    "BYS-JAN": "BYS",
    "BYE-DEC": "BYE",
}
WITH_GAPS = ("YS", "YE", "QS", "QE", "MS", "ME", "BMS", "BME")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS_OF_EVERY_MONTH = range(2, 29)


@dataclass(frozen=True, kw_only=True)
class FoundCalendar:
    """holidays: ISO dates. longest_run: consecutive periods of the sample's best series. notes: for the user."""

    frequency: str
    holidays: tuple[str, ...]
    longest_run: int
    notes: tuple[str, ...]


def found_calendar(
    series: Sequence[pd.DatetimeIndex],
    *,
    frequency: str | None,
    n_variables: int,
    contradicted: Sequence[pd.DatetimeIndex] = (),
) -> FoundCalendar:
    """series: each one's distinct times, ascending. frequency: given by the user, else inferred. contradicted: of the
    times of each series those without a value that counts.

    Raises ConfigError if no frequency can be inferred, if the inferred one leaves too many holes for a fit, or if the
    given one is not supported.
    """
    alias = checked_frequency(frequency or inferred_frequency(series))
    holidays = holidays_of(series, alias)
    counting = series
    if contradicted:
        counting = [times.difference(without) for times, without in zip(series, contradicted, strict=True)]
    run = longest_run(counting, alias, holidays)
    longest = max(map(len, series), default=0)
    # One lag and a constant: of each equation, and as many observations beyond.
    needed = 2 * (n_variables + 1)
    notes = []
    if run < needed <= longest:
        holes = (
            f"{alias!r}: no series of the sample has more than {run} observations of consecutive periods, and a fit of "
            f"{n_variables} variables takes {needed}"
        )
        if frequency is None:
            raise ConfigError(
                f"--time: its times are at uneven distances. The most frequent one is {holes}; give the frequency with "
                "--frequency (B: business days; MS-15: the 15th of each month; docs/series.md has all), or write the "
                "times as whole periods"
            )
        notes.append(f"frequency {holes}; fit_var would refuse all of them")
    if holidays:
        notes.append(
            f"holidays: {len(holidays)} weekdays that no series of the sample has, {holidays[0]} to {holidays[-1]}; add"
            " those of the coming years to series.holidays, since forecasts are dated by them"
        )
    elif Frequency.of(alias).has_business_days:
        notes.append("holidays: the sample shows none; write those of the coming years into series.holidays")
    return FoundCalendar(frequency=alias, holidays=holidays, longest_run=run, notes=tuple(notes))


def checked_frequency(frequency: str) -> str:
    try:
        Frequency.of(frequency)
    except ValueError as error:
        raise ConfigError(f"--frequency: {error}") from None
    return frequency


def inferred_frequency(series: Sequence[pd.DatetimeIndex]) -> str:
    """The most frequent one among the series. Raises ConfigError."""
    inferred = [found for one in series if (found := frequency_of_times(one))]
    if not inferred:
        raise ConfigError(
            f"--time: no series of the sample has {MIN_TIMES} observations at even distances, so that the frequency "
            "can't be inferred; give it with --frequency, for example --frequency D"
        )
    commonest = max(set(inferred), key=inferred.count)
    return USUAL.get(commonest, commonest)


def frequency_of_times(times: pd.DatetimeIndex) -> str | None:
    """As inferred by pandas, or that of a calendar with gaps or holidays, or the most frequent distance."""
    if len(times) < MIN_TIMES:
        return None
    found = infer_freq(times)
    if found and is_supported(found):
        return found
    found = calendar_with_gaps(times) or day_of_month(times) or business_days(times)
    if found:
        return found
    distances = times[1:] - times[:-1]
    counts = distances.value_counts()
    is_even = counts.iloc[0] >= MIN_EVEN * len(distances)
    return str(to_offset(counts.index[0]).freqstr) if is_even else None


def is_supported(alias: str) -> bool:
    try:
        Frequency.of(alias)
    except ValueError:
        return False
    return True


def calendar_with_gaps(times: pd.DatetimeIndex) -> str | None:
    """Months, quarters or years with gaps."""
    return next((alias for alias in WITH_GAPS if is_dense(times, alias)), None)


def day_of_month(times: pd.DatetimeIndex) -> str | None:
    """The same day of each month, quarter or year."""
    day, month = times[0].day, MONTHS[times[0].month - 1]
    if day not in DAYS_OF_EVERY_MONTH:
        return None
    aliases = [f"YS-{month}-{day}", f"QS-{month}-{day}", f"MS-{day}"]
    return next((alias for alias in aliases if is_dense(times, alias)), None)


def is_dense(times: pd.DatetimeIndex, alias: str) -> bool:
    """Whether all times are on the calendar, and at least half of its periods are there."""
    numbers = numbers_of(times, alias)
    return bool(not np.isnan(numbers).any() and len(times) >= MIN_EVEN * (numbers[-1] - numbers[0] + 1))


def business_days(times: pd.DatetimeIndex) -> str | None:
    """Business days, or the last ones of months, but for holidays."""
    if (times != times.normalize()).any() or (times.weekday >= SATURDAY).any():
        return None
    if len(times) >= MIN_WEEKDAYS * len(pd.bdate_range(times[0], times[-1])):
        return "B"
    months = times.to_period("M")
    days_before = pd.DatetimeIndex([pd.offsets.BMonthEnd().rollforward(time) for time in times]) - times
    is_near = (days_before <= pd.Timedelta(days=MAX_DAYS_FROM_MONTHS_END)).all()
    is_usual = (days_before == pd.Timedelta(0)).mean() >= MIN_EVEN
    return "BME" if is_near and is_usual and months.is_unique else None


def holidays_of(series: Sequence[pd.DatetimeIndex], alias: str) -> tuple[str, ...]:
    """The weekdays that no series has, where the frequency has business days and only few are missing."""
    known = pd.DatetimeIndex(sorted({time for one in series for time in one}))
    if not len(known):
        return ()
    if alias == "B":
        weekdays = pd.bdate_range(known[0], known[-1])
        missing = weekdays[~weekdays.isin(known)]
        if len(missing) > (1 - MIN_WEEKDAYS) * len(weekdays):
            return ()
    elif alias == "BME":
        ends = pd.DatetimeIndex([pd.offsets.BMonthEnd().rollforward(time) for time in known])
        between = [pd.bdate_range(time, end)[1:] for time, end in zip(known, ends, strict=True)]
        near = [days for days in between if len(days) <= MAX_DAYS_FROM_MONTHS_END]
        missing = pd.DatetimeIndex(sorted({day for days in near for day in days} - set(known)))
    else:
        return ()
    return tuple(str(day.date()) for day in missing)


def numbers_of(times: pd.DatetimeIndex, alias: str, holidays: Sequence[str] = ()) -> FloatArray:
    """As the fit numbers them; NaN: off the calendar."""
    microseconds = times.to_numpy().astype("datetime64[us]").astype(np.int64)
    return calendar_numbers(microseconds, frequency=alias, holidays=holidays)


def longest_run(series: Sequence[pd.DatetimeIndex], alias: str, holidays: Sequence[str]) -> int:
    """Of consecutive periods; 0 if no observation is on the calendar."""
    longest = 0
    for times in series:
        numbers = numbers_of(times, alias, holidays)
        numbers = numbers[~np.isnan(numbers)]
        breaks = np.flatnonzero(np.abs(np.diff(numbers) - 1) > 1e-6) + 1
        lengths = np.diff([0, *breaks, len(numbers)])
        longest = max(longest, int(lengths.max()) if len(numbers) else 0)
    return longest
