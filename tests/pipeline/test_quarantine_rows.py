"""What the JSON that the quarantine keeps of a Parquet row is taken for."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from penstock.schemas.contract import Contract, Field
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.formats.parquet import check_json

#: (type of the field, value in the JSON, value in the table)
TAKEN: list[tuple[str, str, Any]] = [
    ("timestamp", '"2024-02-29T12:00:00.345678Z"', datetime(2024, 2, 29, 12, 0, 0, 345_678)),
    ("timestamp", '"2024-02-29T12:00:00.345Z"', datetime(2024, 2, 29, 12, 0, 0, 345_000)),
    ("timestamp", '"2024-02-29T12:00:00.345"', datetime(2024, 2, 29, 12, 0, 0, 345_000)),
    ("decimal(18,8)", "0E-8", Decimal("0.00000000")),
    ("decimal(18,8)", "-1.2E-7", Decimal("-0.00000012")),
    ("decimal(18,8)", "12345678.5", Decimal("12345678.5")),
    ("decimal(38,38)", "1E-38", Decimal("1E-38")),
    ("decimal(38,20)", "1.23456789012345678901", Decimal("1.23456789012345678901")),
    ("decimal(38,0)", "9" * 38, Decimal("9" * 38)),
    ("double", "1.0E-7", 1e-7),
    ("float", "0.1", pytest.approx(0.1)),
]
#: (type of the field, value in the JSON, reason)
REJECTED = [
    ("decimal(18,8)", "1E-9", "value: '1E-9' is not a decimal(18,8)"),
    ("decimal(18,8)", "1E10", "value: '1E10' is not a decimal(18,8)"),
    ("decimal(18,8)", "1E-999999999", "value: '1E-999999999' is not a decimal(18,8)"),
    ("date", '"+2024-02-29"', "value: '+2024-02-29' is not a date"),
    ("date", '"29.02.2024"', "value: '29.02.2024' is not a date"),
    ("timestamp", '"12:00:00"', "value: '12:00:00' is not a timestamp"),
]


#: Needs care in JSON and in a pattern, and stands within the text of a value too.
SOURCE = 'a "value" (€)'
QUOTED = SOURCE.replace('"', '\\"')


def judged(spark: SparkSession, kind: str, value: str) -> Any:
    raw = f'{{"note":"{QUOTED}:1,\\"{QUOTED}\\":2","{QUOTED}":{value},"last":3}}'
    kept = spark.createDataFrame([(raw, "/in/a.parquet")], "raw string, source_file string")
    fields = (Field(name="note", type="string"), Field(name="value", source=SOURCE, type=kind))
    return check_json(kept, Contract(fields=fields)).first()


@pytest.mark.parametrize(("kind", "value", "expected"), TAKEN)
def test_a_value_is_taken(spark: SparkSession, kind: str, value: str, expected: Any) -> None:
    row = judged(spark, kind, value)
    assert (row[ACCEPTED], row["value"], row[REASONS]) == (True, expected, None)


@pytest.mark.parametrize(("kind", "value", "reason"), REJECTED)
def test_a_value_is_rejected(spark: SparkSession, kind: str, value: str, reason: str) -> None:
    row = judged(spark, kind, value)
    assert (row[ACCEPTED], row[REASONS]) == (False, [reason])
