"""Loose observations become histories: sorted, each date once, counted by periods."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from penstock.udfs.var.histories import calendar_numbers, histories


def table(rows, *, ids="string"):
    """rows: (series_id, ds, value) or with recency as fourth."""
    rows = [(*row, 0)[:4] for row in rows]
    return pa.table(
        {
            "series_id": pa.array([row[0] for row in rows], ids),
            "ds": pa.array([pd.Timestamp(row[1], tz="UTC") for row in rows], pa.timestamp("us", tz="UTC")),
            "recency": pa.array([row[3] for row in rows], pa.int32()),
            "x": pa.array([row[2] for row in rows], pa.float64()),
        }
    )


def arrange(rows, *, frequency="MS", ids="string"):
    return histories(table(rows, ids=ids), variables=["x"], frequency=frequency)


def month(number):
    return f"{2000 + (number - 1) // 12}-{(number - 1) % 12 + 1:02d}-01"


def run(series, months, *, start=0.0):
    return [(series, month(number), start + number) for number in months]


def test_rows_in_any_order_become_series_in_order():
    rows = [*run("b", range(1, 5)), *run("a", range(3, 6))]
    shuffled = [rows[i] for i in np.random.default_rng(1).permutation(len(rows))]
    found = arrange(shuffled)
    assert found.ids.tolist() == ["a", "b"]
    assert found.offsets.tolist() == [0, 3, 7]
    assert found.levels[:, 0].tolist() == [3, 4, 5, 1, 2, 3, 4]
    assert found.last_ds.tolist() == [pd.Timestamp(month(5)).value, pd.Timestamp(month(4)).value]
    assert found.refused == {}


def test_integer_ids_are_ordered_as_numbers():
    found = arrange([*run(10, range(1, 3)), *run(9, range(1, 3))], ids="int64")
    assert found.ids.tolist() == [9, 10]


def test_a_hole_is_a_step_between_periods():
    months = [1, 2, 3, 4, 6, 7, 30]
    found = arrange([*run("a", months), *run("z", range(1, 10))])
    assert found.offsets.tolist() == [0, 7, 16]
    assert found.levels[:7, 0].tolist() == months
    assert np.diff(found.periods[:7]).tolist() == np.diff(months).tolist()
    assert found.ds[:7].tolist() == [pd.Timestamp(month(number)).value for number in months]
    assert np.diff(found.periods[7:]).tolist() == [1] * 8


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_null_is_a_hole(value):
    rows = run("a", range(1, 8))
    rows[3] = ("a", month(4), value)
    found = arrange(rows)
    assert found.levels[:, 0].tolist() == [1, 2, 3, 5, 6, 7]
    assert np.diff(found.periods).tolist() == [1, 1, 2, 1, 1]


def test_an_observation_off_the_calendar_is_no_part_of_it():
    rows = [*run("a", range(1, 4)), ("a", "2000-02-14", 99.0)]
    assert arrange(rows).levels[:, 0].tolist() == [1, 2, 3]


def test_a_wild_date_costs_nobody_else_anything():
    rows = [*run("a", range(1, 6)), ("b", "1700-01-01", 1.0), ("c", "9999-01-01", 1.0)]
    found = arrange(rows)
    assert found.levels[: found.offsets[1], 0].tolist() == [1, 2, 3, 4, 5]
    assert "c" in found.refused


def test_the_same_date_twice():
    rows = [
        *run("equal", range(1, 4)),
        ("equal", month(2), 2.0),
        *run("newer", range(1, 4)),
        ("newer", month(2), 20.0, 1),
        *run("superseded", range(1, 4)),
        ("superseded", month(2), 7.0),
        ("superseded", month(2), 20.0, 1),
        *run("contrary", range(1, 4)),
        # Rows of one file that contradict each other are all left out, however many of them are equal.
        *run("contrary", range(1, 5)),
        ("contrary", month(1), 20.0),
        ("contrary", month(1), 1.0),
        # A newer file settles it, and an older one, too, if the newer one contradicts itself.
        *run("settled", range(1, 4)),
        ("settled", month(2), 7.0),
        ("settled", month(2), 20.0, 1),
        *run("older", range(1, 4)),
        ("older", month(2), 7.0, 1),
        ("older", month(2), 8.0, 1),
        ("only", month(2), 7.0),
        ("only", month(2), 8.0),
    ]
    found = arrange(rows)
    levels = {
        name: found.levels[start:end, 0].tolist()
        for name, start, end in zip(found.ids, found.offsets, found.offsets[1:], strict=False)
    }
    assert levels == {
        "contrary": [2, 3, 4],
        "equal": [1, 2, 3],
        "newer": [1, 20, 3],
        "older": [1, 2, 3],
        "settled": [1, 20, 3],
        "superseded": [1, 20, 3],
    }
    assert found.refused == {
        "only": "conflict: every observation is contradicted by another one of its file with the same ds"
    }


def test_a_series_with_nothing_to_use_is_refused():
    found = arrange([("null", month(1), None), ("off", "2000-01-15", 1.0), *run("a", range(1, 4))])
    assert found.ids.tolist() == ["a"]
    assert found.refused == {
        "null": "no observation has a value for every variable",
        "off": "no observation is on the calendar of frequency MS",
    }


def test_nothing_at_all():
    found = arrange([("null", month(1), None)])
    assert (len(found.ids), found.offsets.tolist(), found.levels.shape) == (0, [0], (0, 1))


@pytest.mark.parametrize("frequency", ["5min", "h", "D", "W", "W-WED", "2W", "MS", "ME", "QS", "QE", "YS", "YE", "2QS"])
def test_every_frequency_counts_its_periods(frequency):
    dates = pd.date_range("2001-01-01", periods=30, freq=frequency)
    numbers = calendar_numbers(dates.as_unit("us").asi8, frequency=frequency)
    np.testing.assert_allclose(np.diff(numbers), 1.0, atol=1e-9)


def test_weeks_may_be_observed_at_noon():
    dates = pd.date_range("2001-01-03 12:00", periods=5, freq="W-WED").as_unit("us").asi8
    np.testing.assert_allclose(np.diff(calendar_numbers(dates, frequency="W-WED")), 1.0)
    assert np.isnan(calendar_numbers(dates, frequency="W-THU")).all()


def test_series_of_five_minutes_may_begin_anywhere():
    rows = [(name, pd.Timestamp(start) + i * pd.Timedelta("5min"), float(i)) for i in range(4) for name, start in
            {"a": "2020-01-01 00:00", "b": "2020-01-01 00:02"}.items()]  # fmt: skip
    assert np.diff(arrange(rows, frequency="5min").offsets).tolist() == [4, 4]
