"""`penstock init` on times as people have them: it writes a calendar that the fit can use, or says what to write."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from init_runs import error_of, written_contract
from pandas.tseries import offsets
from pandas.tseries.holiday import USFederalHolidayCalendar

from penstock.config.loading import load_config
from penstock.config.series_contract import check_series_contract
from penstock.interfaces.scaffold.frequency import found_calendar
from penstock.jobs.init_pipeline import main
from penstock.udfs.var.histories import calendar_numbers

OPTIONS = ["--sample", "s.csv", "--series-id", "id", "--time", "t", "--variables", "x,y"]
HOLIDAYS = [str(day.date()) for day in USFederalHolidayCalendar().holidays("2023-01-01", "2023-12-31")]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_sample(times, *, name="s.csv"):
    lines = [f"a,{time},{number % 7},{number % 5}" for number, time in enumerate(times)]
    Path(name).write_text("\n".join(["id,t,x,y", *lines]) + "\n")


def days(frequency, *, start="2023-01-02", periods=240):
    return [str(day.date()) for day in pd.date_range(start, periods=periods, freq=frequency)]


def series_of(folder):
    config = load_config([Path("conf/n.yaml")])
    check_series_contract(written_contract(folder, "n"), config)
    return config.the_series


@pytest.mark.parametrize(
    ("times", "frequency"),
    [
        (days("B"), "B"),
        (days("BME", periods=60), "BME"),
        (days("BMS", periods=60), "BMS"),
        (days("BQE", periods=40), "BQE"),
        ([f"{year}-{month:02}-15" for year in range(2015, 2020) for month in range(1, 13)], "MS-15"),
        ([f"{year}-{month:02}-28" for year in range(2015, 2020) for month in range(1, 13)], "MS-28"),
        ([f"{year}-{month:02}-10" for year in range(2005, 2020) for month in (2, 5, 8, 11)], "QS-FEB-10"),
        ([f"{year}-07-04" for year in range(1990, 2020)], "YS-JUL-4"),
        ([f"{year}-{month:02}-15" for year in range(2015, 2020) for month in range(1, 13) if month != 6], "MS-15"),
    ],
    ids=["B", "BME", "BMS", "BQE", "MS-15", "MS-28", "QS-FEB-10", "YS-JUL-4", "MS-15 with holes"],
)
def test_the_calendar_of_a_sample(folder, times, frequency):
    write_sample(times)
    assert main(["n", *OPTIONS]) == 0
    series = series_of(folder)
    assert (series.frequency, series.holidays) == (frequency, ())


def test_business_days_without_holidays(folder, capsys):
    times = days(offsets.CDay(holidays=HOLIDAYS))
    write_sample(times)
    assert main(["n", *OPTIONS]) == 0
    series = series_of(folder)
    assert series.frequency == "B"
    # New Year's day of 2023 was observed on the Monday on which the sample would begin.
    assert [str(day) for day in series.holidays] == [day for day in HOLIDAYS if times[0] < day < times[-1]]
    assert "weekdays that no series of the sample has, 2023-01-16 to" in capsys.readouterr().out


def test_a_weekday_that_another_series_has_is_no_holiday(folder):
    weekdays = days("B", periods=100)
    lines = [f"a,{day},1,2" for day in weekdays if day not in weekdays[10:13]]
    lines += [f"b,{day},1,2" for day in weekdays if day != weekdays[11]]
    Path("s.csv").write_text("\n".join(["id,t,x,y", *lines]) + "\n")
    assert main(["n", *OPTIONS]) == 0
    assert [str(day) for day in series_of(folder).holidays] == [weekdays[11]]


def test_last_business_days_of_months_before_holidays(folder):
    """Good Friday of 2024 was the last weekday of its month, as was Memorial Day of 2021."""
    holidays = ["2021-05-31", "2024-03-29"]
    write_sample(days(offsets.CBMonthEnd(holidays=holidays), start="2020-01-01", periods=60))
    assert main(["n", *OPTIONS]) == 0
    series = series_of(folder)
    assert (series.frequency, [str(day) for day in series.holidays]) == ("BME", holidays)


QUARTERS = [(year, quarter) for year in range(2000, 2015) for quarter in range(1, 5)]
MONTHS = [(year, month) for year in range(2015, 2020) for month in range(1, 13)]
NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@pytest.mark.parametrize(
    ("times", "form", "frequency"),
    [
        ([f"{year}Q{quarter}" for year, quarter in QUARTERS], "yyyy'Q'q", "QS"),
        ([f"{year}-Q{quarter}" for year, quarter in QUARTERS], "yyyy-'Q'q", "QS"),
        ([f"Q{quarter} {year}" for year, quarter in QUARTERS], "'Q'q yyyy", "QS"),
        ([f"{year}-{month:02}" for year, month in MONTHS], "yyyy-MM", "MS"),
        ([f"{year}{month:02}" for year, month in MONTHS], "yyyyMM", "MS"),
        ([f"{NAMES[month - 1]} {year}" for year, month in MONTHS], "MMM yyyy", "MS"),
        ([f"{NAMES[month - 1]}-{year}" for year, month in MONTHS], "MMM-yyyy", "MS"),
        ([f"{year}M{month:02}" for year, month in MONTHS], "yyyy'M'MM", "MS"),
        ([f"{month:02}/{year}" for year, month in MONTHS], "MM/yyyy", "MS"),
        (list(range(1950, 2010)), "yyyy", "YS"),
        ([f"{date(2024, 1, 1) + timedelta(days=n):%Y%m%d}" for n in range(60)], "yyyyMMdd", "D"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value[0]),
)
def test_labels_of_periods_are_dates(folder, capsys, times, form, frequency):
    write_sample(times)
    assert main(["n", *OPTIONS]) == 0
    field = written_contract(folder, "n").fields[1]
    assert (field.name, field.type, field.format) == ("t", "date", form)
    assert series_of(folder).frequency == frequency
    assert f"note: column 't': is read as {form}" in capsys.readouterr().out


def test_an_open_end_among_years(folder):
    write_sample([*range(1950, 2000), 9999])
    assert main(["n", *OPTIONS]) == 0
    assert series_of(folder).frequency == "YS"


def test_numbers_that_are_no_dates(folder, capsys):
    write_sample([1_700_000_000 + 60 * n for n in range(30)])
    said = error_of(capsys, "n", *OPTIONS)
    assert "--time: 't' is a integer, expected timestamp or date; its first value is '1700000000': write times" in said


def test_years_in_parquet(folder, capsys):
    table = pa.table({"id": ["a"] * 30, "t": list(range(1990, 2020)), "x": [1.0] * 30, "y": [2.0] * 30})
    pq.write_table(table, "s.parquet")
    said = error_of(capsys, "n", "--sample", "s.parquet", *OPTIONS[2:])
    assert "its first value is '1990': write them as a date or timestamp, for example with pandas.to_datetime" in said


def test_a_file_that_is_one_series(folder):
    lines = [f"{day},{number % 7},{number % 5}" for number, day in enumerate(days("MS", periods=60))]
    Path("s.csv").write_text("\n".join(["t,x,y", *lines]) + "\n")
    assert main(["n", "--sample", "s.csv", "--time", "t", "--variables", "x,y"]) == 0
    series = series_of(folder)
    assert (series.id, series.time, series.variables, series.frequency) == (None, "t", ("x", "y"), "MS")


def test_an_inferred_frequency_with_which_no_series_could_be_fitted(folder, capsys):
    """Twice a month: most distances are of fifteen days, from April 1 to May 16 three in a row."""
    write_sample([f"{year}-{month:02}-{day}" for year, month in MONTHS for day in ("01", "16")])
    said = error_of(capsys, "n", *OPTIONS)
    assert "'15D': no series of the sample has more than 4 observations of consecutive periods" in said
    assert "give the frequency with --frequency (B: business days" in said


def test_a_given_frequency_that_does_not_fit_is_noted(folder, capsys):
    write_sample(days("B"))
    assert main(["n", *OPTIONS, "--frequency", "D"]) == 0
    said = capsys.readouterr().out
    assert "note: frequency 'D': no series of the sample has more than 5 observations of consecutive periods" in said


def test_lags_are_for_the_longest_run(folder):
    """Of sixty months the thirtieth is missing: no run has more than thirty."""
    times = days("MS", periods=60)
    write_sample([*times[:29], *times[30:]])
    assert main(["n", *OPTIONS]) == 0
    # One lag of 2 variables and a constant are 3 coefficients, which need 22 rows; two lags need 30: 32 observations.
    assert load_config([Path("conf/n.yaml")]).fit.max_lags == 1


def test_what_a_sample_contradicts_itself_about_is_missing(folder, capsys):
    """Sixty months; the thirtieth has another row with another value, the tenth one with equal numbers."""
    times = days("MS", periods=60)
    write_sample(times)
    with Path("s.csv").open("a") as file:
        file.write(f"a,{times[9]},2.0,4.00\na,{times[29]},0.5,4\n")
    assert main(["n", *OPTIONS]) == 0
    said = capsys.readouterr().out
    assert "note: times with different values in the sample: 1, the first is 2025-07-01; neither stream nor fit" in said
    assert (series_of(folder).frequency, load_config([Path("conf/n.yaml")]).fit.max_lags) == ("MS", 1)


def test_a_day_that_a_sample_contradicts_itself_about_is_no_holiday(folder):
    times = days("B")
    write_sample(times)
    with Path("s.csv").open("a") as file:
        file.write(f"a,{times[50]},99,4\n")
    assert main(["n", *OPTIONS]) == 0
    assert (series_of(folder).frequency, series_of(folder).holidays) == ("B", ())


@pytest.mark.parametrize("seed", range(5))
def test_what_is_found_is_what_the_fit_counts(seed):
    """Business days without random holidays are one run."""
    random = np.random.default_rng(seed)
    weekdays = pd.bdate_range("2015-01-01", "2019-12-31")
    missing = random.choice(np.arange(1, len(weekdays) - 1), size=60, replace=False)
    holidays = sorted(str(day.date()) for day in weekdays[missing])
    times = pd.date_range("2015-01-01", "2019-12-31", freq=offsets.CDay(holidays=holidays))
    found = found_calendar([times], frequency=None, n_variables=2)
    assert (found.frequency, list(found.holidays), found.longest_run) == ("B", holidays, len(times))
    microseconds = times.to_numpy().astype("datetime64[us]").astype(np.int64)
    numbers = calendar_numbers(microseconds, frequency="B", holidays=found.holidays)
    assert list(np.diff(numbers)) == [1.0] * (len(times) - 1)
