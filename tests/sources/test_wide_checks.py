"""Contracts of many fields: the same as column by column, and a plan that does not grow with them."""

from random import Random
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from penstock.schemas.contract import Contract, Field, Rule
from penstock.sources.row_checks import check_expressions
from penstock.sources.wide_checks import MAX_NARROW, is_wide, kinds_of, wide_expressions

GOOD = {
    "double": "2.5",
    "float": "0.1",
    "integer": "5",
    "long": "3",
    "string": "a",
    "boolean": "true",
    "timestamp": "2024-02-29T12:00:00Z",
    "date": "2024-02-29",
    "decimal(6,2)": "123.45",
}
ODD = [None, "", "1", "-3", "abc", "NaN", "nan", "1e400", "Infinity", "FALSE", "29.02.2024", "123.456", "x" * 61, " 1"]
ODD += ["2147483648", "0x1p3", "9" * 70, "2024-02-30", "true", "2024-02-29"]


def fields_of(type_: str, number: int) -> list[Field]:
    nans = ("reject", "null", "keep") if type_ in ("double", "float") else ("reject",)
    fields = [
        Field(name=f"{type_[:4]}_{number}_{nan}_{int(nullable)}", type=type_, nullable=nullable, nan=nan)  # type: ignore[arg-type]
        for nan in nans
        for nullable in (False, True)
    ]
    return [*fields, Field(name=f"german_{number}", type="date", format="dd.MM.yyyy")] if type_ == "date" else fields


CONTRACT = Contract(
    fields=tuple(field for number in range(2) for type_ in GOOD for field in fields_of(type_, number)),
    rules=(
        Rule(name="positive", sql="doub_0_reject_0 > 0"),
        Rule(name="two_fields", sql="doub_0_null_1 IS NULL OR Inte_0_reject_0 > doub_0_null_1"),
        Rule(name="dividing", sql="inte_0_reject_0 / inte_1_reject_0 < 3"),
    ),
)
Checked = dict[str, dict[str, str]]


def drawn_rows(count: int) -> list[tuple[Any, ...]]:
    draw = Random(20261129)
    rows = []
    for number in range(count):
        share = draw.choice([0, 0, 0.03, 0.3, 0.9])
        good = ["29.02.2024" if field.format else GOOD[field.type] for field in CONTRACT.fields]
        values = [draw.choice(ODD) if draw.random() < share else text for text in good]
        reason = "row: is cut off" if number % 17 == 1 else None
        rows.append((*values, f"raw {number}", "header", reason, number % 19 == 1, f"file {number}"))
    return rows


def checked(rows: DataFrame, projections: Any) -> Checked:
    """Each row's values in their exact form, by its file."""
    for columns in projections(CONTRACT, tuple(rows.dtypes)):
        rows = rows.select(*columns)
    return {row.source_file: {name: repr(row[name]) for name in rows.columns} for row in rows.collect()}


def test_the_same_as_column_by_column(spark: SparkSession) -> None:
    fields = ", ".join(f"{field.name} string" for field in CONTRACT.fields)
    others = "_raw string, _header string, _row_reason string, _is_header boolean, source_file string"
    rows = spark.createDataFrame(drawn_rows(300), f"{fields}, {others}")
    wide, narrow = checked(rows, wide_expressions), checked(rows, check_expressions)
    assert wide == narrow
    assert 50 < sum(row["_accepted"] == "True" for row in wide.values()) < 250


@pytest.mark.parametrize(
    ("fields", "rules", "expected"), [(MAX_NARROW, 0, False), (MAX_NARROW, 1, True), (9, 9, False)]
)
def test_which_contracts_are_wide(fields: int, rules: int, expected: bool) -> None:
    contract = Contract(
        fields=tuple(Field(name=f"f{number}", type="double") for number in range(fields)),
        rules=tuple(Rule(name=f"r{number}", sql="f0 > 0") for number in range(rules)),
    )
    assert is_wide(contract) is expected


def test_fields_that_differ_in_their_names_are_of_one_kind() -> None:
    contract = Contract(
        fields=(
            Field(name="id", type="string"),
            *(Field(name=f"f{number}", type="double") for number in range(1500)),
            Field(name="last", type="double", nullable=True),
        )
    )
    kinds = kinds_of(contract, dict.fromkeys([field.name for field in contract.fields], "string"))
    assert [(kind.field.name, len(kind.fields)) for kind in kinds] == [("id", 1), ("f0", 1500), ("last", 1)]
    assert kinds[1].places == tuple(range(1, 1501))
