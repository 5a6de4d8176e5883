"""Which texts are numbers: the look at both ends and the cast, against the patterns of what a number is."""

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.checks import ACCEPTED, check_rows
from penstock.rows import HEADER, IS_HEADER, RAW, ROW_REASON
from schemas.contract import Contract, Field

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
INTEGER = re.compile(r"[+-]?[0-9]+")
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


def accepted(spark: SparkSession, texts: list[str], kind: str) -> list[str]:
    """Those of the texts that a contract takes. The column of the file's name says which they were."""
    rows = spark.createDataFrame([(text, text) for text in texts], "x string, source_file string")
    nothing = {name: F.lit(None).cast("string") for name in (RAW, HEADER, ROW_REASON)}
    contract = Contract(fields=(Field(name="x", type=kind),))
    checked = check_rows(rows.withColumns({**nothing, IS_HEADER: F.lit(False)}), contract)
    return [row.source_file for row in checked.where(ACCEPTED).select("source_file").collect()]


def is_finite(text: str) -> bool:
    return NUMBER.fullmatch(text) is not None and abs(float(text)) < float("inf")


def fits(text: str, bits: int) -> bool:
    return INTEGER.fullmatch(text) is not None and -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1)


def test_odd_texts(spark: SparkSession) -> None:
    check(spark, ODD)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=100, max_size=300))
def test_any_texts(spark: SparkSession, texts: list[str]) -> None:
    check(spark, texts)


def check(spark: SparkSession, texts: list[str]) -> None:
    assert accepted(spark, texts, "double") == [text for text in texts if is_finite(text)]
    assert accepted(spark, texts, "integer") == [text for text in texts if fits(text, 32)]
    assert accepted(spark, texts, "long") == [text for text in texts if fits(text, 64)]
