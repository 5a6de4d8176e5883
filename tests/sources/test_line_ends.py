"""Rows that span lines, in files with each kind of line end and with several kinds.

Expected is what a reader sees: a line break outside quotes ends a row, whichever kind it is, and one within quotes is
text.
"""

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sandbox import Sandbox, checked_files

from penstock.sources.casts import ACCEPTED, REASONS
from penstock.sources.row_columns import IS_HEADER, RAW

#: Each with all of its line ends as one, and then row by row another.
ENDS = {"lf": ["\n"], "crlf": ["\r\n"], "cr": ["\r"], "crlf_then_lf": ["\r\n", "\n"], "lf_then_crlf": ["\n", "\r\n"]}


def file_of(lines: list[str], ends: list[str]) -> bytes:
    return "".join(line + ends[number % len(ends)] for number, line in enumerate(lines)).encode()


def rows_of(spark: SparkSession, sandbox: Sandbox, content: bytes, **dialect: object) -> list[tuple[object, ...]]:
    """The values of each accepted row, the text and reasons of each other."""
    rows = checked_files(spark, sandbox, content, multi_line=True, **dialect).where(~F.col(IS_HEADER))
    found = [(row["x"], row["note"]) if row[ACCEPTED] else (row[RAW], *row[REASONS]) for row in rows.collect()]
    return sorted(found, key=repr)


@pytest.mark.parametrize("header", ['"x",note', '"x",note,"a\nb"'], ids=["plain", "over_two_lines"])
@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("trim", [False, True])
def test_a_row_ends_where_its_line_does(
    spark: SparkSession, sandbox: Sandbox, header: str, ends: list[str], trim: bool
) -> None:
    more = "," if header.count(",") == 2 else ""
    rows = ["1,x", '2,"two\nlines"', '3,"last"', "", "7,"]
    lines = [header, *[row + more if row else row for row in rows], "5,6,7,8"]
    found = rows_of(spark, sandbox, file_of(lines, ends), trim=trim)
    rejected = ("5,6,7,8", f"row: has 4 fields where the header has {3 if more else 2}")
    assert found == sorted([(1.0, "x"), (2.0, "two\nlines"), (3.0, "last"), (7.0, None), rejected], key=repr)


@pytest.mark.parametrize("ends", list(ENDS.values())[:3], ids=list(ENDS)[:3])
def test_blank_lines_above_the_header_are_none_of_it(spark: SparkSession, sandbox: Sandbox, ends: list[str]) -> None:
    assert rows_of(spark, sandbox, file_of(["", "", "x,note", "1,x", "", "2,y"], ends)) == [(1.0, "x"), (2.0, "y")]


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
def test_the_null_marker_is_one_at_the_end_of_a_line_too(
    spark: SparkSession, sandbox: Sandbox, ends: list[str]
) -> None:
    content = file_of(["x,note", "1,NA", "2,NA", "3,NAN", '4,"NA"'], ends)
    assert rows_of(spark, sandbox, content, null_marker="NA") == [(1.0, None), (2.0, None), (3.0, "NAN"), (4.0, None)]
