"""Which texts are numbers, and which ones: against patterns of what a number is, and the numbers of Python."""

import re
from random import Random
from typing import Any

import pytest
from drawing import drawn
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.schemas.contract import Contract, Field
from penstock.schemas.tables import spark_type
from penstock.sources.casts import ACCEPTED
from penstock.sources.row_checks import check_rows
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, ROW_REASON

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
INTEGER = re.compile(r"([+-]?[0-9]+)(\.0*)?")
ODD = [
    "1.",
    ".5",
    "+.5e-3",
    ".",
    "",
    "+",
    "1e5",
    "1e",
    "1e+",
    "7.4f",
    "7.4d",
    "7F",
    "7D",
    "0x1p3",
    "0X1P3",
    "0x10",
    "-0x1p3",
]
ODD += [
    "Infinity",
    "-Infinity",
    "+Infinity",
    "inf",
    "NaN",
    "+NaN",
    "-NaN",
    " 1",
    "1 ",
    "1\t",
    "\n1",
    "1\x00",
    "\x001",
    "1_000",
    "1,5",
]
ODD += [
    "1/2",
    "/1",
    ",1",
    "--1",
    "+-1",
    "1-",
    "1+",
    "१",
    "1१",
    "１",
    "9\U0010ffff",
    "9\U0010ffff9",
    "1e400",
    "-1e400",
    "1e-400",
]
ODD += [
    "2147483648",
    "-2147483649",
    "9223372036854775808",
    "00012",
    "1.0",
    "1e0",
    "0" * 400,
    "9" * 400,
    "1L",
    "1l",
    "0b1",
]
TEXTS = (
    st.text(alphabet="0123456789+-.eE xXpPdDfFlLnaNIity\t,/", max_size=8)
    | st.floats().map(repr)
    | st.integers().map(str)
)


def accepted(spark: SparkSession, texts: list[str], kind: str, nan: str = "reject") -> dict[str, Any]:
    """Those of the texts that a contract takes, as what."""
    rows = spark.createDataFrame([(text, text) for text in texts], "x string, source_file string")
    rows = rows.repartition(2)  # of a local relation, the optimizer would compute it
    nothing = {name: F.lit(None).cast("string") for name in (RAW, HEADER, ROW_REASON)}
    contract = Contract(fields=(Field(name="x", type=kind, nan=nan),))
    checked = check_rows(rows.withColumns({**nothing, IS_HEADER: F.lit(False)}), contract)
    assert checked.schema["x"].dataType == spark_type(contract.fields[0])
    return {row.source_file: row.x for row in checked.where(ACCEPTED).select("source_file", "x").collect()}


def is_finite(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None and abs(float(text)) < float("inf")


def whole(texts: list[str], bits: int) -> dict[str, int]:
    """Those that are integers, a fraction of zeros among them, and fit."""
    limit = 2 ** (bits - 1)
    found = {text: int(match[1]) for text in texts if (match := INTEGER.fullmatch(text))}
    return {text: number for text, number in found.items() if -limit <= number < limit}


def test_odd_texts(either_session: SparkSession) -> None:
    check(either_session, ODD)


def test_any_texts(either_session: SparkSession) -> None:
    check(either_session, drawn(TEXTS, 3000))


def check(spark: SparkSession, texts: list[str]) -> None:
    doubles = accepted(spark, texts, "double")
    # Their texts tell -0.0 from 0.0, and each double from the next.
    assert {text: repr(value) for text, value in doubles.items()} == {
        text: repr(float(text)) for text in texts if is_finite(text)
    }
    assert accepted(spark, texts, "integer") == whole(texts, 32)
    assert accepted(spark, texts, "long") == whole(texts, 64)


def test_the_nearest_double(either_session: SparkSession) -> None:
    """Where digits and scale come to what a double still holds exactly, and beyond."""
    draw = Random(20261128)
    digits = [draw.randrange(10**length) for length in range(1, 20) for _ in range(60)]
    texts = [f"{'-' * draw.randrange(2)}{number}.{'0' * draw.randrange(5)}{draw.randrange(10**9)}" for number in digits]
    texts += [f"0.{'0' * zeros}{number}" for zeros in range(28) for number in (1, 3, 7, 9007199254740993)]
    texts += [str(2**53 + step) for step in range(-3, 4)] + [f"{2**53 + step}.0" for step in range(-3, 4)]
    found = accepted(either_session, texts, "double")
    assert [found[text].hex() for text in texts] == [float(text).hex() for text in texts]


def test_the_nearest_float(either_session: SparkSession) -> None:
    """By way of the nearest double, which is half way between two floats, the first would be 1.0."""
    found = accepted(either_session, ["1.00000005960464477539062501", "0.1", "1e-46", "1e39", "16777217"], "float")
    assert found == {
        "1.00000005960464477539062501": 1.00000011920928955078125,
        "0.1": 0.100000001490116119384765625,
        "1e-46": 0.0,
        "16777217": 16777216.0,
    }


@pytest.mark.parametrize("kind", ["double", "float"])
def test_no_number_where_it_is_kept(either_session: SparkSession, kind: str) -> None:
    found = accepted(either_session, ["NaN", "nan", "NAN", "-NaN", "1.5", "Infinity", "NaN "], kind, nan="keep")
    assert {text: repr(value) for text, value in found.items()} == {
        "NaN": "nan",
        "nan": "nan",
        "NAN": "nan",
        "1.5": "1.5",
    }
