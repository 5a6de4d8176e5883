"""Columns that our own classes in the JVM compute (jvm/src/io/penstock/rows)."""

from typing import Any

from pyspark import SparkContext
from pyspark.sql import Column
from pyspark.sql.classic.column import Column as ClassicColumn

from penstock.config import CsvDialect


def split_plain_line(line: Column, row_type: str, *, fields: int, dialect: CsvDialect) -> Column:
    """`line` cut at its separators, as a struct of `row_type`: what the CSV parser makes of it, at a third of the cost.
    Null for a line with quotes, with another number of fields, or otherwise not plain.

    row_type: in SQL; its first `fields` fields, strings, are the line's, and the others null.
    """
    splitter = rows_package().PlainLine
    characters = dialect.separator, dialect.quote, dialect.escape
    return column(splitter.split(line._jc, row_type, fields, *characters, dialect.null_marker, dialect.trim))


def parse_number(text: Column, number_type: str) -> Column:
    """The nearest number of that type: digits, in floating ones perhaps a point and an exponent, signs. Null for any
    other text and for integers out of range; infinite for floating ones out of range.

    number_type: in SQL: double, float, bigint, int.
    """
    return column(rows_package().NumberText.parse(text._jc, number_type))


def rows_package() -> Any:
    context = SparkContext._active_spark_context
    if context is None or context._jvm is None:
        raise RuntimeError("there is no Spark session; build one before its columns")
    return context._jvm.io.penstock.rows


def column(java_column: Any) -> Column:
    made: Column = ClassicColumn(java_column)
    return made
