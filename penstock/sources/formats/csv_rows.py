"""Cuts lines of CSV into fields: plain ones by our own class in the JVM, all others by Spark's parser."""

import re
from collections.abc import Sequence
from functools import lru_cache

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.csv_dialect import CsvDialect
from penstock.schemas.contract import Contract
from penstock.sources.blanks import BLANKS
from penstock.sources.files import Layout
from penstock.sources.formats.csv_layouts import FILE_HEADER, places_of
from penstock.sources.row_columns import HEADER, IS_HEADER, PARSED, RAW, ROW_REASON, SOURCE_FILE
from penstock.sources.text import DAMAGED_BYTES, NUL_BYTE, decoded, has_damaged_text, has_text, printable
from penstock.spark.file_reader import file_reader
from penstock.spark.functions import null_if_failing, split_plain_line
from penstock.spark.paths import normal_path_column

LINE = "_line"
PLAIN = "_plain"
RECORD = "_record"
CORRUPT = "_corrupt"
SENTINEL = "_end"


@lru_cache(maxsize=32)
def line_expressions(
    layout: Layout, contract: Contract, dialect: CsvDialect
) -> tuple[Column, Column, Column, tuple[Column, ...]]:
    """Whether a line counts, the line as a record if it is plain, as a record, and the columns of `row_columns`; kept,
    as the next batch has the same. layout: without a header where each line has that of its file beside it.

    What Spark is asked of a line it is asked of those only that are not plain. A sentinel field is put behind each
    line: a quote that is never closed swallows it, and so is seen even in the last column, where the CSV parser takes
    it for a value.
    """
    line, header = F.col(LINE), header_column(layout)
    columns = [f"c{number}" for number in range(len(layout.columns))]
    schema = ", ".join(f"{name} string" for name in [*columns, SENTINEL, CORRUPT])
    places = positions(contract, layout)
    doubles = {
        at
        for field, (_, at) in zip(contract.fields, places, strict=True)
        if field.type == "double" and field.decimal == "."
    }
    types = dict.fromkeys(columns, "void") | {f"c{at}": "double" if at in doubles else "string" for _, at in places}
    plain = split_plain_line(line, types, dialect=dialect)
    sentinel = sentinel_of(dialect)
    with_sentinel = F.concat(line, F.lit(dialect.separator + sentinel))
    is_other = F.col(PLAIN).isNull()
    # The parser fails the query for a line of more fields than it has room for, whatever its mode.
    record = F.when(is_other, null_if_failing(F.from_csv(with_sentinel, schema, parser_options(dialect))))
    is_damaged = is_other & has_damaged_text(line, dialect.encoding)
    # Within quotes the CSV parser drops it, and "1<NUL>2" would be 12.
    has_nul = is_other & line.contains("\0")
    broken = is_other & (
        F.col(f"{RECORD}.{CORRUPT}").isNotNull() | (F.coalesce(F.col(f"{RECORD}.{SENTINEL}"), F.lit("")) != sentinel)
    )
    texts = {at: trimmed(F.col(f"{RECORD}.c{at}"), dialect) for _, at in places}
    parsed = (
        *[
            (texts[at] if at in doubles else F.coalesce(F.col(f"{PLAIN}.c{at}"), texts[at])).alias(name)
            for name, at in places
        ],
        *[F.col(f"{PLAIN}.c{at}").alias(PARSED + name) for name, at in places if at in doubles],
        F.when(is_damaged, printable(line)).otherwise(line).alias(RAW),
        header.alias(HEADER),
        F.when(is_damaged, F.lit(f"{DAMAGED_BYTES}{dialect.encoding}"))
        .when(has_nul, F.lit(NUL_BYTE))
        .when(broken, shape_reason(line, dialect, F.lit(len(columns))))
        .alias(ROW_REASON),
        (line == header).alias(IS_HEADER),
        F.col(SOURCE_FILE),
    )
    return has_text(line), plain.alias(PLAIN), record.alias(RECORD), parsed


def header_column(layout: Layout) -> Column:
    return F.lit(layout.header) if layout.header is not None else F.col(FILE_HEADER)


def read_csv_records(
    spark: SparkSession, paths: Sequence[str], *, layout: Layout, contract: Contract, dialect: CsvDialect
) -> DataFrame:
    """A row may span lines inside quotes. Spark's reader drops the header and cuts the records.

    The columns of `row_columns` without that of the header.
    """
    columns = [f"c{number}" for number in range(len(layout.columns))]
    frame = (
        file_reader(spark, paths)
        .schema(", ".join(f"{name} string" for name in [*columns, CORRUPT]))
        # ISO-8859-1 keeps every byte; the declared encoding is applied, and checked, below.
        .options(**parser_options(dialect), header="true", multiLine="true", encoding="ISO-8859-1")
        .option("lineSep", layout.line_end or "\n")
        .csv(list(paths))
    )
    if layout.line_end == "\n":
        frame = without_carriage_returns(frame, columns, null_marker=dialect.null_marker)
    record = F.coalesce(CORRUPT, F.to_csv(F.struct(*columns), parser_options(dialect)))
    texts = {**{name: F.col(name) for name in [*columns, CORRUPT]}, RAW: record}
    text = frame.select(
        *[decoded(F.encode(column, "ISO-8859-1"), dialect.encoding).alias(name) for name, column in texts.items()],
        "_metadata.file_path",
    )
    raw = F.col(RAW)
    is_damaged = has_damaged_text(raw, dialect.encoding)
    return text.select(
        *[trimmed(F.col(f"c{index}"), dialect).alias(name) for name, index in positions(contract, layout)],
        F.when(is_damaged, printable(raw)).otherwise(raw).alias(RAW),
        F.when(is_damaged, F.lit(f"{DAMAGED_BYTES}{dialect.encoding}"))
        .when(F.col(CORRUPT).isNotNull(), shape_reason(F.col(CORRUPT), dialect, F.lit(len(columns))))
        .alias(ROW_REASON),
        F.lit(False).alias(IS_HEADER),
        normal_path_column(F.col("file_path")).alias(SOURCE_FILE),
    )


def without_carriage_returns(frame: DataFrame, columns: Sequence[str], *, null_marker: str) -> DataFrame:
    """Records that were cut at "\\n", without the "\\r" before it, and without the blank lines that had it."""
    first, last = columns[0], columns[-1]
    is_blank = F.col(first).eqNullSafe("\r")
    if len(columns) > 1:
        is_blank &= F.coalesce(CORRUPT, F.lit("-")) == ""
    bare = {name: F.regexp_replace(name, "\r\\z", "") for name in (last, CORRUPT)}
    bare[last] = F.when(~bare[last].isin("", null_marker), bare[last])
    return frame.where(~is_blank).withColumns(bare)


def trimmed(text: Column, dialect: CsvDialect) -> Column:
    """A field without blanks of any kind at its ends, where the dialect trims; the parser takes those of ASCII only,
    and none within quotes."""
    if not dialect.trim:
        return text
    bare = F.btrim(text, F.lit(BLANKS))
    return F.when(~bare.isin("", dialect.null_marker), bare)


def positions(contract: Contract, layout: Layout) -> list[tuple[str, int]]:
    """Where in the file's line each contract field stands."""
    return [(field.name, place) for field, place in zip(contract.fields, places_of(layout, contract), strict=True)]


def parser_options(dialect: CsvDialect) -> dict[str, str]:
    trim = str(dialect.trim).lower()
    return {
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": CORRUPT,
        "sep": dialect.separator,
        "quote": dialect.quote,
        "escape": dialect.escape,
        "nullValue": dialect.null_marker,
        # An empty field is missing, in quotes or not.
        "emptyValue": dialect.null_marker,
        "ignoreLeadingWhiteSpace": trim,
        "ignoreTrailingWhiteSpace": trim,
    }


def sentinel_of(dialect: CsvDialect) -> str:
    """A character that the dialect has no use for."""
    taken = (dialect.separator, dialect.quote, dialect.escape, dialect.null_marker)
    return next(character for character in "#~^!_" if character not in taken)


def shape_reason(line: Column, dialect: CsvDialect, expected: Column) -> Column:
    """Why a line does not have the header's fields: an unclosed quote, or another number of fields."""
    unescaped = line
    if dialect.escape != dialect.quote:
        unescaped = F.regexp_replace(line, re.escape(dialect.escape) + "(?s).", "")
    quotes = occurrences(unescaped, dialect.quote)
    separators = occurrences(line, dialect.separator)
    counted = F.concat(F.lit("row: has "), separators + 1, F.lit(" fields where the header has "), expected)
    return (
        F.when(quotes % 2 == 1, F.lit("row: a quote is opened and never closed"))
        .when(quotes == 0, counted)
        .otherwise(F.format_string("row: does not have the header's %s fields", expected))
    )


def occurrences(text: Column, character: str) -> Column:
    return F.length(text) - F.length(F.replace(text, F.lit(character), F.lit("")))
