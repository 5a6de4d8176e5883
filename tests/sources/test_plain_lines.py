"""Lines that are cut at their separators, against Spark's CSV parser: the same fields, or none."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.config.csv_dialect import CsvDialect
from penstock.sources.formats.csv_rows import parser_options
from penstock.spark.functions import split_plain_line

TEXTS = {"a": "string", "b": "string", "c": "string"}
WITH_NUMBER = {"a": "string", "b": "double", "c": "void"}
FIELDS = len(TEXTS)
Row = tuple[str | None, ...]
Fields = dict[tuple[str, CsvDialect], tuple[Any, ...] | None]
DIALECTS = [
    CsvDialect(),
    CsvDialect(separator=";", quote="'", escape="\\", null_marker="NA"),
    CsvDialect(separator="\t", trim=True),
    CsvDialect(trim=True, null_marker="-"),
    CsvDialect(trim=True, null_marker=" a"),
    CsvDialect(separator=" ", null_marker="a b"),
    CsvDialect(separator="|", escape="|"),
]
#: Characters that some dialect, some CSV parser or a terminal takes for something else than text.
CHARACTERS = ",;\t |'\"\\#NA-ab1.\0\r\x7f\x1f\u00a0ü\u2028😀"


def split(
    spark: SparkSession, lines: list[str], types: dict[str, str], dialect: CsvDialect
) -> list[tuple[Any, ...] | None]:
    """The fields of each line; None for one that is not plain."""
    frame = spark.createDataFrame(list(enumerate(lines)), "number int, line string").repartition(2)
    fields = split_plain_line(F.col("line"), types, dialect=dialect)
    rows = frame.select("number", fields.alias("fields")).orderBy("number").collect()
    return [tuple(row.fields) if row.fields is not None else None for row in rows]


def parsed(spark: SparkSession, lines: list[str], dialect: CsvDialect) -> list[tuple[str | None, ...]]:
    """The fields of each line, and the line once more where it has not as many."""
    frame = spark.createDataFrame(list(enumerate(lines)), "number int, line string")
    options = {**parser_options(dialect), "columnNameOfCorruptRecord": "broken"}
    fields = F.from_csv(F.col("line"), "a string, b string, c string, broken string", options)
    return [tuple(row.fields) for row in frame.select(fields.alias("fields")).collect()]


PLAIN_OR_NOT: list[tuple[str, CsvDialect, Row | None]] = [
    ("1,two words,.", CsvDialect(), ("1", "two words", ".")),
    (",,", CsvDialect(), (None, None, None)),
    (" 1 ,a,", CsvDialect(), (" 1 ", "a", None)),
    ("NA;a;NAN", CsvDialect(separator=";", null_marker="NA"), (None, "a", "NAN")),
    ("a b\t1\t2", CsvDialect(separator="\t", trim=True), ("a b", "1", "2")),
    ("a,b", CsvDialect(), None),
    ("a,b,c,d", CsvDialect(), None),
    ('a,"b",c', CsvDialect(), None),
    ("a,b\\,c", CsvDialect(escape="\\"), None),
    ("a, b,c", CsvDialect(trim=True), None),
    ("a,b ,c", CsvDialect(trim=True), None),
    ("a,b,ü", CsvDialect(), None),
    ("a,b\0,c", CsvDialect(), None),
    ("a,b,c\x7f", CsvDialect(), None),
    ("", CsvDialect(), None),
]


@pytest.fixture(scope="module")
def fields_of(either_session: SparkSession) -> Fields:
    """Of all those lines, by one query for each dialect."""
    found: Fields = {}
    for dialect in {dialect for _, dialect, _ in PLAIN_OR_NOT}:
        lines = [line for line, its_dialect, _ in PLAIN_OR_NOT if its_dialect == dialect]
        found |= zip([(line, dialect) for line in lines], split(either_session, lines, TEXTS, dialect), strict=True)
    return found


@pytest.mark.parametrize(("line", "dialect", "expected"), PLAIN_OR_NOT)
def test_which_lines_are_plain(fields_of: Fields, line: str, dialect: CsvDialect, expected: Row | None) -> None:
    assert fields_of[line, dialect] == expected


def test_numbers_belong_where_they_are_asked_for(either_session: SparkSession) -> None:
    lines = ["a,1.5,b", "a,,b", "a,NA,b", "a,1e400,b", "a,NaN,b", "a, 1,b", "a,b,1", "1,2,3"]
    found = split(either_session, lines, WITH_NUMBER, CsvDialect(null_marker="NA"))
    missing = ("a", None, None)
    assert found == [("a", 1.5, None), missing, missing, None, None, None, None, ("1", 2.0, None)]


def test_null_is_no_line(either_session: SparkSession) -> None:
    fields = split_plain_line(F.lit(None).cast("string"), TEXTS, dialect=CsvDialect())
    assert either_session.range(1).select(fields.isNull().alias("is_null")).collect() == [(True,)]


@pytest.mark.parametrize("dialect", DIALECTS, ids=str)
@pytest.mark.parametrize("types", [TEXTS, WITH_NUMBER], ids=["texts", "with a number"])
def test_the_parser_makes_the_same_of_them(
    either_session: SparkSession, types: dict[str, str], dialect: CsvDialect
) -> None:
    lines = drawn_lines(dialect.separator, count=4000)
    fields, expected = split(either_session, lines, types, dialect), parsed(either_session, lines, dialect)
    plain = [number for number, found in enumerate(fields) if found is not None]
    assert len(plain) > 100
    found = [(lines[number], fields[number]) for number in plain]
    assert found == [(lines[number], as_types(expected[number], types)) for number in plain]


def as_types(fields: tuple[str | None, ...], types: dict[str, str]) -> tuple[Any, ...]:
    readers: dict[str, Callable[[str], Any]] = {"string": str, "double": float, "void": lambda _: None}
    *texts, broken = fields
    assert broken is None
    return tuple(
        None if text is None else readers[kind](text) for text, kind in zip(texts, types.values(), strict=True)
    )


def drawn_lines(separator: str, *, count: int) -> list[str]:
    """Mostly with the right number of fields, each short enough to be of few kinds of characters."""
    draw = Random(20261128)

    def text() -> str:
        if draw.random() < 0.4:
            return draw.choice(["", "NA", "-", "a b", " a", "1.5", "-7e3"])
        return "".join(draw.choices(CHARACTERS, k=draw.randrange(4)))

    return [
        separator.join(text() for _ in range(draw.choice([FIELDS - 1, FIELDS, FIELDS, FIELDS, FIELDS + 1])))
        for _ in range(count)
    ]
