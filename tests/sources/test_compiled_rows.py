"""Checks that are compiled once judge as a query of the same expressions does; by hand where that is plain."""

from decimal import Decimal

import pytest
from pyspark.errors import IllegalArgumentException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.interfaces.rest.request_rows import Row, checked, checked_request, text_columns, texts_of
from penstock.schemas.contract import Contract, Field, Rule
from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.wide_checks import MAX_NARROW
from penstock.spark.compiled_rows import CompiledRows

SOURCE = SourceConfig(path="/in")
RULES = (Rule(name="small", sql="n0 < 10"), Rule(name="ordered", sql="n0 <= n1"))


def numbers(count: int) -> Contract:
    fields = [Field(name=f"n{number}", type="double", nullable=number > 1) for number in range(count)]
    return Contract(fields=(*fields, Field(name="at", type="date", nullable=True)), rules=RULES)


def rows_of(count: int) -> list[Row]:
    filling: list[None] = [None] * (count - 3)
    return [
        [1.5, 2, "x", *filling, "2024-02-29"],
        [1.5, 2.5, 7, *filling, "2024-02-30"],
        [11, "1e2", None, *filling, None],
        [3, 2, None, *filling, None],
        [None, 2, "NaN", *filling, "2024-01-01"],
    ]


@pytest.mark.parametrize("count", [3, MAX_NARROW + 20], ids=["narrow", "wide"])
def test_as_a_query_judges(spark: SparkSession, count: int) -> None:
    contract, rows = numbers(count), rows_of(count)
    names = [field.name for field in contract.fields[:-1]]

    def verdict(frame: DataFrame) -> DataFrame:
        values: list[Column] = [F.when(F.col(ACCEPTED), F.col(name)) for name in names]
        return frame.select(ACCEPTED, REASONS, *values)

    checks = CompiledRows.of(spark, text_columns(contract), lambda texts: verdict(checked(texts, contract, SOURCE)))
    found = checks(texts_of(rows, contract, SOURCE))
    asked = verdict(checked_request(spark, rows, contract, SOURCE)).collect()
    assert found == [tuple(row) for row in asked]
    assert not any(row[0] for row in found)
    assert found[0][1] == ["n2: 'x' is not a double"]
    assert "ordered" in found[3][1][0]
    assert checks(texts_of([[1, 2, 3, *[None] * (count - 3), None]], contract, SOURCE))[0][:5] == (
        True,
        None,
        1.0,
        2.0,
        3.0,
    )
    assert checks([]) == []


def test_values_come_as_collect_gives_them(spark: SparkSession) -> None:
    def typed(texts: DataFrame) -> DataFrame:
        kinds = ("int", "bigint", "float", "boolean", "string", "decimal(30,10)", "double")
        return texts.select(*[F.col(name).cast(kind) for name, kind in zip("abcdefg", kinds, strict=True)])

    compiled = CompiledRows.of(spark, list("abcdefg"), typed)
    texts = ["1", "9007199254740993", "0.1", "true", 'é\U0001f600"\n', "12345678901234567890.5", "1e-320"]
    wide_float = 0.10000000149011612
    expected = (1, 9007199254740993, wide_float, True, texts[4], Decimal("12345678901234567890.5000000000"), 1e-320)
    assert compiled([texts, [None] * 7]) == [expected, (None,) * 7]


def test_what_is_not_done_row_by_row_is_refused(spark: SparkSession) -> None:
    with pytest.raises(IllegalArgumentException, match="not evaluated row by row"):
        CompiledRows.of(spark, ["a"], lambda texts: texts.groupBy("a").count())
