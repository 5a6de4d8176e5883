"""Spark column functions implemented by our Java classes (jvm/src/io/penstock/rows)."""

from collections.abc import Mapping
from typing import Any

from pyspark import SparkContext
from pyspark.sql import Column
from pyspark.sql.classic.column import Column as ClassicColumn

from penstock.config.pipeline import CsvDialect


def split_plain_line(line: Column, types: Mapping[str, str], *, dialect: CsvDialect) -> Column:
    """`line` split at its separators, as a struct of `types`: what the CSV parser returns, at a fraction of the cost.
    Null for a line with quotes, another number of fields, an invalid or infinite number, or otherwise not plain.

    types: of all fields of the line, by name: string, double, or void for a field that is not needed.
    """
    struct = ", ".join(f"{name} {kind}" for name, kind in types.items())
    splitter = rows_package().PlainLine
    characters = dialect.separator, dialect.quote, dialect.escape
    return column(splitter.split(line._jc, struct, *characters, dialect.null_marker, dialect.trim))


def parse_number(text: Column, number_type: str) -> Column:
    """Parses digits with an optional sign and, for floating types, decimal point and exponent; rounds to nearest.
    Null for any other text and for integers out of range; infinite for floating-point numbers out of range.

    number_type: as in SQL: double, float, bigint, int.
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
