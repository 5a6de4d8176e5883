"""What comes out of CSV and Parquet is what the contract says, type by type, through the whole job."""

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry

NAMES = ("id", "x", "whole", "big", "money", "at", "german_day", "day", "flag", "kept", "emptied")
UTC_NOON = datetime(2024, 2, 29, 12, 0)

#: (column, text in the CSV, value in the table)
GOOD: list[tuple[str, str, Any]] = [
    ("x", "1.5", 1.5),
    ("x", "-1e-3", -0.001),
    ("x", ".5", 0.5),
    ("x", "+7", 7.0),
    ("x", "", None),
    ("whole", "-2147483648", -(2**31)),
    ("whole", "", None),
    ("whole", "1.0", 1),
    ("big", "9223372036854775807", 2**63 - 1),
    ("money", "1234.5", Decimal("1234.50")),
    ("money", "0.120", Decimal("0.12")),
    ("at", "2024-02-29T12:00:00Z", UTC_NOON),
    ("at", "2024-02-29 14:00:00+02:00", UTC_NOON),
    ("at", "2024-02-29T12:00:00", UTC_NOON),
    ("at", "2024-02-29", datetime(2024, 2, 29)),
    ("at", "2024-02-29T12:00:00.000001Z", datetime(2024, 2, 29, 12, 0, 0, 1)),
    ("german_day", "29.02.2024", date(2024, 2, 29)),
    ("day", "2024-02-29", date(2024, 2, 29)),
    ("flag", "true", True),
    ("flag", "FALSE", False),
    ("flag", "1", True),
    ("flag", "No", False),
    ("money", "12e-2", Decimal("0.12")),
    ("at", "2024-02-29 13:00:00+01", UTC_NOON),
    ("at", "2024-02-29 12:00:00 UTC", UTC_NOON),
    ("emptied", "NaN", None),
]
#: (column, text in the CSV, type in the reason)
BAD: list[tuple[str, str, str]] = [
    ("x", "NaN", "a double"),
    ("x", "-Infinity", "a double"),
    ("x", "1,5", "a double"),
    ("whole", "2147483648", "an integer"),
    ("whole", "1.5", "an integer"),
    ("whole", "1e3", "an integer"),
    ("x", "1,234.5", "a double"),
    ("big", "9223372036854775808", "a long"),
    ("money", "12345.67", "a decimal(6,2)"),
    ("money", "1.234", "a decimal(6,2)"),
    ("at", "12:30", "a timestamp"),
    ("at", "2023-02-29T12:00:00", "a timestamp"),
    ("at", "now", "a timestamp"),
    ("at", "1709208000", "a timestamp"),
    ("german_day", "2024-02-29", "a date (format dd.MM.yyyy)"),
    ("german_day", "30.02.2024", "a date (format dd.MM.yyyy)"),
    ("day", "29.02.2024", "a date"),
    ("day", "2024-02-30", "a date"),
    ("flag", "2", "a boolean"),
    ("flag", "ja", "a boolean"),
    ("money", "1e-3", "a decimal(6,2)"),
    ("kept", "inf", "a double"),
]


def line(identifier: str, column: str, text: str) -> str:
    cells = {"id": identifier, column: f'"{text}"' if "," in text else text}
    return ",".join(cells.get(name, "") for name in NAMES)


def parquet_table() -> pa.Table:
    return pa.table(
        {
            "id": pa.array(["p0", "p1", "p2"]),
            "x": pa.array([1.5, None, math.nan], pa.float64()),
            "whole": pa.array([1, None, 3], pa.int16()),
            "big": pa.array([2**40, None, 3], pa.int64()),
            "money": pa.array([Decimal("1.5"), None, None], pa.decimal128(4, 1)),
            "at": pa.array([UTC_NOON.replace(tzinfo=UTC), None, None], pa.timestamp("us", tz="Europe/Berlin")),
            "german_day": pa.array([date(2024, 2, 29), None, None], pa.date32()),
            "day": pa.array([date(2024, 2, 29), None, None], pa.date32()),
            "flag": pa.array([True, None, False]),
            "kept": pa.array([math.nan, None, 1.0], pa.float64()),
            "emptied": pa.array([math.nan, None, 1.0], pa.float64()),
        }
    )


@pytest.fixture(scope="module")
def done(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    sandbox = Sandbox(root=tmp_path_factory.mktemp("types"), spark=spark, registry=registry)
    registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {"contract": "sample_contracts:TYPES", "model": {"name": "echo", "max_failed_fraction": 1.0}}
    rows = [line(f"good{number}", column, text) for number, (column, text, _) in enumerate(GOOD)]
    rows += [line(f"bad{number}", column, text) for number, (column, text, _) in enumerate(BAD)]
    rows.append(line("nan", "kept", "NaN"))
    sandbox.drop("types.csv", "\n".join([",".join(NAMES), *rows]).encode())
    sandbox.inbox.mkdir(exist_ok=True)
    pq.write_table(parquet_table(), sandbox.inbox / "types.parquet")
    sandbox.age(sandbox.inbox / "types.parquet")
    sandbox.run()
    return sandbox


@pytest.fixture(scope="module")
def scored(done: Sandbox) -> dict[str, Any]:
    return {row.id: row for row in done.rows("predictions")}


@pytest.fixture(scope="module")
def rejected(done: Sandbox) -> list[list[str]]:
    return done.reasons("types.csv")


@pytest.mark.parametrize("number", range(len(GOOD)), ids=[f"{column} {text}" for column, text, _ in GOOD])
def test_good_value(scored: dict[str, Any], number: int) -> None:
    column, _, expected = GOOD[number]
    assert scored[f"good{number}"][column] == expected


@pytest.mark.parametrize("number", range(len(BAD)), ids=[f"{column} {text}" for column, text, _ in BAD])
def test_bad_value(rejected: list[list[str]], scored: dict[str, Any], number: int) -> None:
    column, text, kind = BAD[number]
    assert f"bad{number}" not in scored
    hint = "; write it without thousands separators" if text == "1,234.5" else ""
    assert [f"{column}: '{text}' is not {kind}{hint}"] in rejected


def test_a_kept_nan_is_nan_and_not_null(scored: dict[str, Any]) -> None:
    assert math.isnan(scored["nan"].kept)


def test_parquet_values(scored: dict[str, Any]) -> None:
    row = scored["p0"]
    assert (row.x, row.whole, row.big, row.money, row.flag) == (1.5, 1, 2**40, Decimal("1.50"), True)
    assert (row["at"], row.german_day, row.day) == (UTC_NOON, date(2024, 2, 29), date(2024, 2, 29))
    assert math.isnan(row.kept)
    assert row.emptied is None
    assert [scored["p1"][name] for name in NAMES[1:]] == [None] * 10


def test_a_parquet_nan_is_rejected_where_the_contract_says_so(done: Sandbox, scored: dict[str, Any]) -> None:
    assert "p2" not in scored
    assert done.reasons("types.parquet") == [["x: 'NaN' is not a double"]]


def test_a_null_input_reaches_a_model_that_can_take_it(scored: dict[str, Any]) -> None:
    """Arrow carries no NaN back from pandas: a model's NaN is a null prediction, without an error."""
    assert (scored["p0"].prediction, scored["p0"].error) == (3.0, None)
    assert (scored["p1"].prediction, scored["p1"].error) == (None, None)


@pytest.mark.parametrize("table", ["predictions", "quarantine", "batches"])
def test_the_tests_read_the_rows_that_spark_reads(done: Sandbox, table: str) -> None:
    """Texts, for NaN is equal to nothing; the pairs of a map have no order."""
    mine, theirs = (
        sorted(json.dumps(row.asDict(recursive=True), default=repr, sort_keys=True) for row in rows)
        for rows in (done.rows(table), done.table(table).collect())
    )
    assert mine == theirs


def test_rules_that_divide_by_zero_reject_their_row(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.registry.register("echo", "echo", example=pd.DataFrame({"x": [1.5]}), outputs=pd.Series([3.0]))
    sandbox.changes = {"contract": "sample_contracts:DIVIDING", "model": {"name": "echo"}}
    sandbox.drop("zero.csv", b"x,y\n1,0\n1,1\n100,1\n")
    sandbox.drop("extra.csv", b"x,y,z\n1,1,1\n")
    sandbox.run()
    assert [(row.x, row.prediction) for row in sandbox.rows("predictions")] == [(1.0, 2.0)]
    assert sandbox.reasons("zero.csv") == [
        ["rule ratio: not true: x / y < 10"],
        ["rule ratio: not true: x / y < 10", "rule remainder: not true: 10 % y >= 0"],
    ]
    assert sandbox.reasons("extra.csv") == [["header: column 'z' is not in the contract"]]
