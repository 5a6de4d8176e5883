"""Times that Python or pandas has no value for, in explanations: as Spark writes them."""

from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa
import pytest

from penstock.models.explanation.row_arguments import microseconds, spark_text
from penstock.operations.explain.neighbours import equal_to
from penstock.operations.explain.tables import as_python

DAY = 86_400_000_000
#: Days since 1970 of 3000-01-01 and 10000-01-01, by Python's ordinals and one day more than they have.
IN_3000 = (date(3000, 1, 1) - date(1970, 1, 1)).days
IN_10000 = (date(9999, 12, 31) - date(1970, 1, 1)).days + 1


@pytest.mark.parametrize(
    ("micros", "expected"),
    [
        (IN_3000 * DAY, "3000-01-01 00:00:00"),
        (IN_3000 * DAY + 1_500_000, "3000-01-01 00:00:01.5"),
        (IN_3000 * DAY + 86_399_000_010, "3000-01-01 23:59:59.00001"),
        (IN_10000 * DAY, "+10000-01-01 00:00:00"),
        ((date(1, 1, 1) - date(1970, 1, 1)).days * DAY, "0001-01-01 00:00:00"),
        ((date(1, 1, 1) - date(1970, 1, 1)).days * DAY - 1, "0000-12-31 23:59:59.999999"),
        (((date(1, 1, 1) - date(1970, 1, 1)).days - 366 - 1) * DAY, "-0001-12-31 00:00:00"),
    ],
)
def test_times_are_written_as_spark_does(micros: int, expected: str) -> None:
    assert spark_text(micros) == expected
    assert spark_text(micros, is_date=True) == expected.partition(" ")[0]


def test_a_date_that_arrow_has_no_timestamp_for_has_microseconds() -> None:
    days = pa.chunked_array([pa.array([200_000_000, None], pa.int32()).cast(pa.date32())])
    assert microseconds(days) == [200_000_000 * DAY, None]


def test_rows_with_times_beyond_python_are_read() -> None:
    times = pa.array([0, IN_10000 * DAY, None], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    rows = pa.table({"at": times, "day": pa.array([0, IN_10000, None], pa.int32()).cast(pa.date32()), "x": [1, 2, 3]})
    assert as_python(rows) == [
        {"at": datetime(1970, 1, 1, tzinfo=UTC), "day": date(1970, 1, 1), "x": 1},
        {"at": "+10000-01-01 00:00:00", "day": "+10000-01-01", "x": 2},
        {"at": None, "day": None, "x": 3},
    ]
    for name in ("at", "day"):
        places = [equal_to(rows[name], rows[name][place]).to_pylist() for place in range(3)]
        assert [[bool(is_equal) for is_equal in found] for found in places] == [
            [True, False, False],
            [False, True, False],
            [False, False, True],
        ]
    assert as_python(duckdb.connect().sql("SELECT '-infinity'::DATE AS day").to_arrow_table())[0]["day"] is not None
