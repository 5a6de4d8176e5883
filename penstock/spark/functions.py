"""Column functions that Spark lacks: those of our own classes in the JVM (jvm/src/io/penstock/rows), and a few more."""

from collections.abc import Callable, Mapping, Sequence
from operator import and_, or_
from typing import Any, TypeVar

from pyspark import SparkContext
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.classic.column import Column as ClassicColumn

from penstock.config.csv_dialect import CsvDialect

#: Of a row, or of many.
Truth = TypeVar("Truth", bool, Column)


def split_plain_line(line: Column, types: Mapping[str, str], *, dialect: CsvDialect) -> Column:
    """`line` split at its separators, as a struct of `types`: what the CSV parser returns, at a fraction of the cost.
    Null for a line with quotes, another number of fields, an invalid or infinite number, or otherwise not plain.

    types: of all fields of the line, by name: string, double, or void for a field that is not needed.
    """
    struct = ", ".join(f"{name} {kind}" for name, kind in types.items())
    splitter = rows_package().PlainLine
    characters = dialect.separator, dialect.quote, dialect.escape
    return column(splitter.split(line._jc, struct, *characters, dialect.null_marker, dialect.trim))


def split_json_line(line: Column, names: Sequence[str], *, reason: str, refuse_others: bool) -> Column:
    """`line`, a JSON object, as a struct of the texts of its members `names`: a string's content, a number as it is
    written, other values as their JSON; null for what is null or not there.

    The field called `reason` says why the line can't be used, null if it can; with refuse_others a member of another
    name is a reason.
    """
    types = ", ".join(f"{quoted(name)} string" for name in [*names, reason])
    return column(rows_package().JsonLine.split(line._jc, types, refuse_others))


def parse_number(text: Column, number_type: str) -> Column:
    """Parses digits with an optional sign and, for floating types, decimal point and exponent; rounds to nearest.
    Null for any other text and for integers out of range; infinite for floating-point numbers out of range.

    number_type: as in SQL: double, float, bigint, int.
    """
    return column(rows_package().NumberText.parse(text._jc, number_type))


def null_if_failing(value: Column) -> Column:
    """`value`, or null where Spark can't compute it. For functions that promise a null for bad input, and yet fail the
    query for some."""
    catalyst = java_packages().org.apache.spark.sql
    expression = catalyst.classic.ExpressionUtils.expression(value._jc)
    return column(catalyst.classic.ExpressionUtils.column(catalyst.catalyst.expressions.TryEval(expression)))


def rows_package() -> Any:
    return java_packages().io.penstock.rows


def java_packages() -> Any:
    context = SparkContext._active_spark_context
    if context is None or context._jvm is None:
        raise RuntimeError("there is no Spark session; build one before its columns")
    return context._jvm


def column(java_column: Any) -> Column:
    made: Column = ClassicColumn(java_column)
    return made


def all_of(conditions: Sequence[Column]) -> Column:
    """Whether all conditions are true; true for none."""
    return balanced(and_, conditions) if conditions else F.lit(True)


def any_of(conditions: Sequence[Column]) -> Column:
    """Whether one of the conditions is true; false for none."""
    return balanced(or_, conditions) if conditions else F.lit(False)


def balanced(operator: Callable[[Truth, Truth], Truth], conditions: Sequence[Truth]) -> Truth:
    """Folded by halves: Catalyst descends as deep as an expression is nested, and 300 columns in a row overflow its
    stack."""
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return operator(balanced(operator, conditions[:middle]), balanced(operator, conditions[middle:]))


def quoted(name: str) -> str:
    """A column's name as SQL has it, whatever characters are in it."""
    return "`" + name.replace("`", "``") + "`"
