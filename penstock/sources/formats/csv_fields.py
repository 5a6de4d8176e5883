"""Cuts lines of CSV into arrays of fields: for contracts of many fields, and for files of many layouts.

The place of a field is then a number in an array, not a column of the plan: a plan is as small for a thousand fields as
for ten, and one plan reads files whose columns stand in any order.
"""

import re
from functools import lru_cache

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.config.csv_dialect import CsvDialect
from penstock.schemas.contract import Contract
from penstock.sources.files import Layout
from penstock.sources.formats.csv_layouts import constant_layout, layout_of_line
from penstock.sources.formats.csv_rows import LINE, parser_options, shape_reason, trimmed
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, ROW_REASON, SOURCE_FILE
from penstock.sources.text import DAMAGED_BYTES, NUL_BYTE, has_damaged_text, has_text, printable
from penstock.spark.functions import null_if_failing, quoted

SPLIT = "_split"
PLAIN = "_plain"
RECORD = "_record"
TEXTS = "_texts"
OF_LINE = (LINE, SOURCE_FILE, HEADER, "_count", "_at")


@lru_cache(maxsize=32)
def field_expressions(
    layout: Layout | None, most_fields: int, contract: Contract, dialect: CsvDialect
) -> tuple[Column, tuple[tuple[Column, ...], ...]]:
    """Whether a line counts, and the columns of one projection after the other, the last with those of `row_columns`.

    layout: that of all lines; None: each has its own (see csv_layouts.with_layouts). most_fields: of the widest one.
    """
    line, count = F.col(LINE), F.col("_count")
    of_file = constant_layout(layout, contract) if layout else layout_of_line()
    split = F.when(is_plain(line, dialect), F.split(line, re.escape(dialect.separator), -1))
    given = (
        line,
        F.col(SOURCE_FILE),
        of_file.header.alias(HEADER),
        of_file.count.alias("_count"),
        of_file.places.alias("_at"),
        split.alias(SPLIT),
    )
    of_line = tuple(map(F.col, OF_LINE))
    plain = F.when(F.size(SPLIT) == count, F.col(SPLIT)).alias(PLAIN)
    is_other = F.col(PLAIN).isNull()
    names = [f"c{number}" for number in range(most_fields + 1)]
    sentinel = sentinel_of(line, dialect)
    with_sentinel = F.concat(line, F.lit(dialect.separator), sentinel)
    schema = ", ".join(f"{name} string" for name in names)
    # The parser fails the query for a line of more fields than it has room for, whatever its mode.
    parsed = null_if_failing(F.from_csv(with_sentinel, schema, parser_options(dialect)))
    record = F.expr(f"array({', '.join(f'{RECORD}.{name}' for name in names)})")
    texts = F.when(
        is_other,
        F.transform("_at", lambda place: trimmed(F.get(RECORD, place), dialect)),
    ).otherwise(F.transform("_at", lambda place: without_null_marker(F.get(PLAIN, place), dialect)))
    is_damaged = is_other & has_damaged_text(line, dialect.encoding)
    broken = is_other & (F.coalesce(F.get(RECORD, count), F.lit("")) != sentinel)
    reason = (
        F.when(is_damaged, F.lit(f"{DAMAGED_BYTES}{dialect.encoding}"))
        .when(is_other & line.contains("\0"), F.lit(NUL_BYTE))
        .when(broken, shape_reason(line, dialect, count))
    )
    columns = (
        *[F.expr(f"{TEXTS}[{number}] AS {quoted(field.name)}") for number, field in enumerate(contract.fields)],
        F.when(is_damaged, printable(line)).otherwise(line).alias(RAW),
        F.col(HEADER),
        F.col(ROW_REASON),
        (line == F.col(HEADER)).alias(IS_HEADER),
        F.col(SOURCE_FILE),
    )
    return has_text(line), (
        given,
        (*of_line, plain),
        (*of_line, F.col(PLAIN), F.when(is_other, parsed).alias(RECORD)),
        (*of_line, F.col(PLAIN), F.when(is_other, record).alias(RECORD)),
        (*of_line, F.col(PLAIN), texts.alias(TEXTS), reason.alias(ROW_REASON)),
        columns,
    )


def is_plain(line: Column, dialect: CsvDialect) -> Column:
    """Printable ASCII without quote or escape: what stands between its separators are the fields."""
    others = re.escape(dialect.quote) + re.escape(dialect.escape)
    printable_only = line.rlike(rf"^[ -~&&[^{others}]]*\z")
    if not dialect.trim:
        return printable_only
    separator = re.escape(dialect.separator)
    return printable_only & ~line.rlike(rf"^ | \z|{separator} | {separator}")


def without_null_marker(text: Column, dialect: CsvDialect) -> Column:
    is_null = text == ""
    if dialect.null_marker:
        is_null = is_null | (text == dialect.null_marker)
    return F.when(~is_null, text)


def sentinel_of(line: Column, dialect: CsvDialect) -> Column:
    """A text that is no field of the line, for it is longer: where it is found, the line's fields end."""
    taken = dialect.separator + dialect.quote + dialect.escape + dialect.null_marker
    character = next(character for character in "#~^!_@$%&*=+" if character not in taken)
    return F.repeat(F.lit(character), F.length(line) + 1)
