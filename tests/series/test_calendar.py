"""Calendars as native Spark expressions, against pandas' offsets."""

import pandas as pd
import pytest
from calendar_cases import CASES, CalendarCase
from drawing import drawn
from hypothesis import strategies as st
from pandas.tseries import offsets
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.series.business_days import BusinessDays
from penstock.series.calendar import Calendar

STEPS = 8
#: Around the epoch, whose days have numbers below zero, and around the holidays of the cases.
RANGES = (("1967-11-01", "1972-03-01"), ("2023-10-01", "2025-06-30"))
EXAMPLES = 12


def answers(spark: SparkSession, case: CalendarCase, moments: list[pd.Timestamp]) -> pd.DataFrame:
    calendar = Calendar.of(case.frequency, holidays=case.holidays)
    frame = spark.createDataFrame([(str(moment),) for moment in moments], "text string")
    ds = F.col("text").cast("timestamp")
    found = frame.select(
        "text",
        calendar.is_on(ds).alias("is_on"),
        calendar.ordinal(ds).alias("ordinal"),
        *[calendar.after(ds, F.lit(step)).alias(f"after_{step}") for step in range(1, STEPS + 1)],
    ).toPandas()
    return found.set_index(pd.DatetimeIndex(found.pop("text")))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_calendar_is_that_of_pandas(spark: SparkSession, case: CalendarCase) -> None:
    for first, last in RANGES:
        days = pd.date_range(first, last, freq="D")
        moments = [*days, *(days[:40] + pd.Timedelta("12h"))]
        found = answers(spark, case, moments)
        dates = case.dates("1960-01-01", "2040-12-31")
        known = dates[(dates >= first) & (dates <= last)]
        # Days and weeks may have any time of day.
        at_noon = known if case.frequency[0] in "DW" else known[:0]
        expected = {*known, *(at_noon + pd.Timedelta("12h"))}
        assert list(found.index[found["is_on"]]) == [moment for moment in moments if moment in expected]
        on = found.loc[known]
        between = Calendar.of(case.frequency, holidays=case.holidays).ordinals_per_period
        assert list(on["ordinal"].diff().dropna()) == [between] * (len(known) - 1)
        places = dates.get_indexer(known)
        for step in range(1, STEPS + 1):
            assert list(on[f"after_{step}"]) == list(dates[places + step])


def test_any_holidays(spark: SparkSession) -> None:
    """Each number leads back to its date, and the numbers are those of the dates in pandas."""
    days = st.sets(st.dates(pd.Timestamp("1969-06-01").date(), pd.Timestamp("1971-06-30").date()), max_size=60)
    every_day = pd.date_range("1969-01-01", "1971-12-31", freq="D")
    frame = spark.createDataFrame([(day.date(),) for day in every_day], "day date")
    examples = [sorted(str(day) for day in one if day.weekday() < 5) for one in drawn(days, EXAMPLES)]
    columns = []
    for place, holidays in enumerate(examples):
        business = BusinessDays(holidays)
        number = business.number(F.col("day"))
        columns += [number.alias(f"number_{place}"), business.date_of(number).alias(f"date_{place}")]
    found = frame.select("day", *columns).toPandas()
    for place, holidays in enumerate(examples):
        dates = pd.date_range("1969-01-01", "1972-02-28", freq=offsets.CDay(holidays=holidays))
        # The number of business days before each day, and the first business day that is not before it.
        before = dates.searchsorted(every_day)
        numbers = found[f"number_{place}"]
        assert list(numbers - numbers[0]) == list(before - before[0])
        assert list(pd.DatetimeIndex(found[f"date_{place}"])) == list(dates[before])
