"""Reads the rows of planned files, uncast: text for CSV, the file's own types for Parquet.

Every frame here has one column per contract field under its table name; from CSV with one line a row also
`_number_<field>` for each double (its value where the line was plain; its text is null then); then `_raw` (string: the
row's text, for the quarantine), `_header` (string: the header line that it was read under, null for Parquet),
`_row_reason` (string: why the row as a whole can't be used, or null), `_is_header` (boolean: the line is the file's
header text) and `source_file` (string).
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import CsvDialect
from penstock.schemas.contract import Contract
from penstock.sources.files import CsvLayout, ParquetLayout
from penstock.spark.functions import split_plain_line
from penstock.spark.paths import normal_path_column
from penstock.storage.paths import literal_glob

RAW = "_raw"
HEADER = "_header"
ROW_REASON = "_row_reason"
IS_HEADER = "_is_header"
SOURCE_FILE = "source_file"
LINE = "_line"
#: Before the name of a field: its value, where the line was plain, and has not its text.
NUMBER = "_number_"
PLAIN = "_plain"
RECORD = "_record"
CORRUPT = "_corrupt"
SENTINEL = "_end"
#: The reason against a Parquet row with such text: the bytes can't be had back from what the quarantine keeps.
DAMAGED_TEXT = "row: text that is not valid UTF-8"
DAMAGED_BYTES = "row: bytes that are not valid "
NUL_BYTE = "row: a NUL byte, which no text has"
MAX_CHARACTERS = 2**31 - 1
REPLACEMENT_CHARACTER = "\ufffd"
#: How a Parquet row is kept as JSON. Spark's own formats end with the milliseconds.
JSON_OPTIONS = {
    "ignoreNullFields": "false",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
}


def read_parquet(spark: SparkSession, paths: Sequence[str], *, layout: ParquetLayout, contract: Contract) -> DataFrame:
    """Rows of Parquet files that have the same types. A column keeps its file's type until the contract casts it."""
    of_file = dict(layout.types)
    types = {source: of_file[source] for source in contract.sources}
    schema = ", ".join(f"{quoted(source)} {kind}" for source, kind in types.items())
    reader = spark.read.schema(schema).option("recursiveFileLookup", "true")
    frame = reader.parquet(*map(literal_glob, paths))
    damaged = [
        has_damaged_text(F.col(quoted(field.source))) for field in contract.fields if types[field.source] == "string"
    ]
    reason = F.when(any_of(damaged), F.lit(DAMAGED_TEXT)) if damaged else F.lit(None)
    raw = as_json(types)
    return frame.select(
        *[F.col(quoted(field.source)).alias(field.name) for field in contract.fields],
        (F.when(any_of(damaged), printable(raw)).otherwise(raw) if damaged else raw).alias(RAW),
        F.lit(None).cast("string").alias(HEADER),
        reason.cast("string").alias(ROW_REASON),
        F.lit(False).alias(IS_HEADER),
        normal_path_column(F.col("_metadata.file_path")).alias(SOURCE_FILE),
    )


def as_json(types: Mapping[str, str]) -> Column:
    """The columns as JSON, from which a replay gets the same values. types: their Spark types, by name."""
    # A float is written with the digits that tell it from other floats, which as a double are another number.
    columns = [
        F.col(quoted(name)).cast("double").alias(name) if kind == "float" else F.col(quoted(name))
        for name, kind in types.items()
    ]
    return F.to_json(F.struct(*columns), JSON_OPTIONS)


def read_csv(
    spark: SparkSession, paths: Sequence[str], *, layout: CsvLayout, contract: Contract, dialect: CsvDialect
) -> DataFrame:
    """Rows of CSV files that have the same header line, as text. Blank lines are no rows."""
    reader = read_csv_records if dialect.multi_line else read_csv_lines
    return reader(spark, paths, layout=layout, contract=contract, dialect=dialect)


def read_csv_lines(
    spark: SparkSession, paths: Sequence[str], *, layout: CsvLayout, contract: Contract, dialect: CsvDialect
) -> DataFrame:
    """One line, one row. The lines are read as text and parsed here, so that a rejected row keeps its exact text."""
    reader = spark.read.option("recursiveFileLookup", "true")
    lines = reader.text(list(map(literal_glob, paths))).select(
        decoded(F.col("value"), dialect).alias(LINE),
        normal_path_column(F.col("_metadata.file_path")).alias(SOURCE_FILE),
    )
    return parse_lines(lines, layout=layout, contract=contract, dialect=dialect)


def parse_lines(lines: DataFrame, *, layout: CsvLayout, contract: Contract, dialect: CsvDialect) -> DataFrame:
    """Rows of lines of text (`_line`, `source_file`) under one header.

    A sentinel field is put behind each line: a quote that is never closed swallows it, and so is seen even in the
    last column, where the CSV parser takes it for a value. The header is a line like any other, marked `_is_header`.
    """
    is_row, plain, record, parsed = line_expressions(layout, contract, dialect)
    return lines.where(is_row).select(LINE, SOURCE_FILE, plain).select("*", record).select(*parsed)


@lru_cache(maxsize=32)
def line_expressions(
    layout: CsvLayout, contract: Contract, dialect: CsvDialect
) -> tuple[Column, Column, Column, tuple[Column, ...]]:
    """Whether a line counts, the line as a record if it is plain, as a record, and the columns of `parse_lines`; kept,
    as the next batch has the same.

    What Spark is asked of a line it is asked of those only that are not plain.
    """
    line = F.col(LINE)
    columns = [f"c{number}" for number in range(len(layout.columns))]
    schema = ", ".join(f"{name} string" for name in [*columns, SENTINEL, CORRUPT])
    places = positions(contract, layout)
    doubles = {at for field, (_, at) in zip(contract.fields, places, strict=True) if field.type == "double"}
    types = dict.fromkeys(columns, "void") | {f"c{at}": "double" if at in doubles else "string" for _, at in places}
    plain = split_plain_line(line, types, dialect=dialect)
    sentinel = sentinel_of(dialect)
    with_sentinel = F.concat(line, F.lit(dialect.separator + sentinel))
    is_other = F.col(PLAIN).isNull()
    record = F.when(is_other, F.from_csv(with_sentinel, schema, parser_options(dialect)))
    is_damaged = is_other & has_damaged_text(line)
    # Within quotes the CSV parser drops it, and "1<NUL>2" would be 12.
    has_nul = is_other & line.contains("\0")
    broken = is_other & (
        F.col(f"{RECORD}.{CORRUPT}").isNotNull() | (F.coalesce(F.col(f"{RECORD}.{SENTINEL}"), F.lit("")) != sentinel)
    )
    parsed = (
        *[
            (F.col(f"{RECORD}.c{at}") if at in doubles else F.coalesce(f"{PLAIN}.c{at}", f"{RECORD}.c{at}")).alias(name)
            for name, at in places
        ],
        *[F.col(f"{PLAIN}.c{at}").alias(NUMBER + name) for name, at in places if at in doubles],
        F.when(is_damaged, printable(line)).otherwise(line).alias(RAW),
        F.lit(layout.header_line).alias(HEADER),
        F.when(is_damaged, F.lit(f"{DAMAGED_BYTES}{dialect.encoding}"))
        .when(has_nul, F.lit(NUL_BYTE))
        .when(broken, shape_reason(line, dialect, len(columns)))
        .alias(ROW_REASON),
        (line == F.lit(layout.header_line)).alias(IS_HEADER),
        F.col(SOURCE_FILE),
    )
    return has_text(line), plain.alias(PLAIN), record.alias(RECORD), parsed


def read_csv_records(
    spark: SparkSession, paths: Sequence[str], *, layout: CsvLayout, contract: Contract, dialect: CsvDialect
) -> DataFrame:
    """A row may span lines inside quotes. Spark's reader drops the header and cuts the records."""
    columns = [f"c{number}" for number in range(len(layout.columns))]
    frame = (
        spark.read.schema(", ".join(f"{name} string" for name in [*columns, CORRUPT]))
        # ISO-8859-1 keeps every byte; the declared encoding is applied, and checked, below.
        .options(**parser_options(dialect), header="true", multiLine="true", encoding="ISO-8859-1")
        .option("recursiveFileLookup", "true")
        .csv(list(map(literal_glob, paths)))
    )
    record = F.coalesce(CORRUPT, F.to_csv(F.struct(*columns), parser_options(dialect)))
    texts = {**{name: F.col(name) for name in [*columns, CORRUPT]}, RAW: record}
    text = frame.select(
        *[decoded(F.encode(column, "ISO-8859-1"), dialect).alias(name) for name, column in texts.items()],
        "_metadata.file_path",
    )
    raw = F.col(RAW)
    is_damaged = has_damaged_text(raw)
    return text.select(
        *[F.col(f"c{index}").alias(name) for name, index in positions(contract, layout)],
        F.when(is_damaged, printable(raw)).otherwise(raw).alias(RAW),
        F.lit(layout.header_line).alias(HEADER),
        F.when(is_damaged, F.lit(f"{DAMAGED_BYTES}{dialect.encoding}"))
        .when(F.col(CORRUPT).isNotNull(), shape_reason(F.col(CORRUPT), dialect, len(columns)))
        .alias(ROW_REASON),
        F.lit(False).alias(IS_HEADER),
        normal_path_column(F.col("file_path")).alias(SOURCE_FILE),
    )


def positions(contract: Contract, layout: CsvLayout) -> list[tuple[str, int]]:
    """Where in the file's line each contract field stands."""
    return [(field.name, layout.columns.index(field.source)) for field in contract.fields]


def parser_options(dialect: CsvDialect) -> dict[str, str]:
    trim = str(dialect.trim).lower()
    return {
        "mode": "PERMISSIVE",
        "columnNameOfCorruptRecord": CORRUPT,
        "sep": dialect.separator,
        "quote": dialect.quote,
        "escape": dialect.escape,
        "nullValue": dialect.null_marker,
        "ignoreLeadingWhiteSpace": trim,
        "ignoreTrailingWhiteSpace": trim,
    }


def sentinel_of(dialect: CsvDialect) -> str:
    """A character that the dialect has no use for."""
    taken = (dialect.separator, dialect.quote, dialect.escape, dialect.null_marker)
    return next(character for character in "#~^!_" if character not in taken)


def has_text(line: Column) -> Column:
    """A line that is a row, or the header: one that is not blank. Hardly any begins with a blank and has to be trimmed
    for it."""
    return (line >= "!") | (F.length(F.btrim(line, F.lit(" \t"))) > 0)


def decoded(content: Column, dialect: CsvDialect) -> Column:
    """Bytes as text. UTF-8 and ASCII keep their bytes as they are, so that invalid ones can still be seen."""
    if dialect.encoding == "ISO-8859-1":
        return F.decode(content.cast("binary"), "ISO-8859-1")
    return content.cast("string")


def has_damaged_text(text: Column) -> Column:
    """Bytes that are no UTF-8, or the character that another program left in place of such bytes."""
    return ~F.is_valid_utf8(text) | text.contains(REPLACEMENT_CHARACTER)


def printable(text: Column) -> Column:
    """Damaged text with every byte above 127, and the backslash, as \\xNN: nothing is lost, and it is valid UTF-8."""

    def escaped(character: Column) -> Column:
        code = F.ascii(character)
        hexadecimal = F.concat(F.lit("\\x"), F.lower(F.lpad(F.hex(code), 2, "0")))
        return F.when((code > 127) | (character == "\\"), hexadecimal).otherwise(character)

    one_character_a_byte = F.decode(text.cast("binary"), "ISO-8859-1")
    return F.array_join(F.transform(F.split(one_character_a_byte, ""), escaped), "")


def unprintable(text: Column) -> Column:
    """The bytes that `printable` made `text` from."""

    def hexadecimal(part: Column, index: Column) -> Column:
        escaped = F.concat(F.substring(part, 1, 2), F.hex(F.substring(part, 3, MAX_CHARACTERS)))
        return F.when(index == 0, F.hex(part)).otherwise(escaped)

    return F.unhex(F.array_join(F.transform(F.split(text, r"\\x"), hexadecimal), ""))


def shape_reason(line: Column, dialect: CsvDialect, expected: int) -> Column:
    """Why a line does not have the header's fields: an unclosed quote, or another number of fields."""
    unescaped = line
    if dialect.escape != dialect.quote:
        unescaped = F.regexp_replace(line, re.escape(dialect.escape) + "(?s).", "")
    quotes = occurrences(unescaped, dialect.quote)
    separators = occurrences(line, dialect.separator)
    counted = F.concat(F.lit("row: has "), separators + 1, F.lit(f" fields where the header has {expected}"))
    return (
        F.when(quotes % 2 == 1, F.lit("row: a quote is opened and never closed"))
        .when(quotes == 0, counted)
        .otherwise(F.lit(f"row: does not have the header's {expected} fields"))
    )


def occurrences(text: Column, character: str) -> Column:
    return F.length(text) - F.length(F.replace(text, F.lit(character), F.lit("")))


def any_of(conditions: Sequence[Column]) -> Column:
    found = F.lit(False)
    for condition in conditions:
        found = found | condition
    return found


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
