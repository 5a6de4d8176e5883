"""Periods counted in numpy, against pandas' offsets."""

import numpy as np
import pandas as pd
import pytest
from calendar_cases import CASES, HOLIDAYS
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.tseries import offsets

from penstock.udfs.var.fleet_calendar import last_periods, period_numbers
from penstock.udfs.var.fleet_frequency import Frequency
from penstock.udfs.var.histories import calendar_numbers

DAYS = st.dates(pd.Timestamp("1960-01-01").date(), pd.Timestamp("1962-12-31").date())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_periods_and_days_off_the_calendar_are_those_of_pandas(case):
    dates = case.dates("1999-01-01", "2026-12-31")
    every_day = pd.date_range(dates[0], dates[-1], freq="D")
    expected = np.full(len(every_day), np.nan)
    expected[every_day.get_indexer(dates)] = np.arange(len(dates)) - 5
    numbers = period_numbers(
        every_day.to_numpy(), frequency=case.frequency, anchor=dates[5].to_numpy(), holidays=case.holidays
    )
    if case.frequency == "D" or case.frequency.startswith("W"):
        is_on = every_day.isin(dates)
        np.testing.assert_allclose(numbers[is_on], expected[is_on], atol=1e-9)
    else:
        np.testing.assert_array_equal(numbers, expected)
    last = last_periods(dates[-1].to_numpy(), periods=9, frequency=case.frequency, holidays=case.holidays)
    assert list(pd.DatetimeIndex(last)) == list(dates[-9:])


@settings(deadline=None, max_examples=40)
@given(st.sets(DAYS, max_size=40))
def test_any_holidays(holidays):
    offset = offsets.CDay(holidays=[str(day) for day in holidays])
    dates = pd.date_range("1959-12-01", "1963-01-31", freq=offset)
    numbers = period_numbers(
        dates.to_numpy(), frequency="B", anchor=dates[0].to_numpy(), holidays=[str(day) for day in sorted(holidays)]
    )
    np.testing.assert_array_equal(numbers, np.arange(len(dates)))


def test_the_fit_counts_business_days_at_midnight_only():
    times = pd.DatetimeIndex(["2024-03-28", "2024-03-29", "2024-03-30", "2024-04-02", "2024-04-03 12:00"])
    numbers = calendar_numbers(times.as_unit("us").asi8, frequency="B", holidays=HOLIDAYS)
    # Good Friday and Easter Monday are holidays.
    assert numbers[3] - numbers[0] == 1
    assert np.isnan(numbers[[1, 2, 4]]).all()


@pytest.mark.parametrize("frequency", ["3MS", "2QS", "2BME", "2MS-15", "3B"])
def test_a_multiple_may_begin_at_any_of_its_periods(frequency):
    first = (
        pd.Timestamp("2024-04-15")
        if frequency == "2MS-15"
        else pd.date_range("2024-04-01", periods=1, freq=frequency[1:])[0]
    )
    base = offsets.DateOffset(months=2) if frequency == "2MS-15" else pd.tseries.frequencies.to_offset(frequency)
    times = pd.DatetimeIndex([first + i * base for i in range(5)])
    numbers = calendar_numbers(times.as_unit("us").asi8, frequency=frequency)
    np.testing.assert_allclose(np.diff(numbers), 1.0)


@pytest.mark.parametrize(
    ("frequency", "said"),
    [
        ("often", "frequency 'often' is not supported; use seconds to weeks"),
        ("-1D", "not supported"),
        ("0D", "not supported"),
        ("-1MS", "not supported"),
        ("ns", "not supported"),
        ("1500ns", "not supported"),
        ("C", "not supported"),
        ("bh", "not supported"),
        ("SMS", "not supported"),
        ("MS-31", "not every month has a day 31; expected 1 to 28, and for the last day of the month the alias ME"),
        ("MS-0", "not every month has a day 0"),
        ("ME-15", "not supported"),
        ("B-15", "not supported"),
    ],
)
def test_what_no_calendar_is(frequency, said):
    with pytest.raises(ValueError, match=said):
        Frequency.of(frequency)


def test_holidays_need_business_days():
    with pytest.raises(ValueError, match=r"holidays are for frequencies of business days \(B, .*'D' is none"):
        Frequency.of("D", holidays=["2024-12-25"])


def test_holidays_on_weekends_change_nothing_and_are_left_out():
    assert Frequency.of("B", holidays=["2024-12-25", "2024-12-22", "2024-12-25"]).holidays == ("2024-12-25",)


@pytest.mark.parametrize(("frequency", "microseconds"), [("570ms", 570_000), ("us", 1), ("1.5h", 5_400_000_000)])
def test_fixed_periods_are_exact(frequency, microseconds):
    assert Frequency.of(frequency).microseconds == microseconds
