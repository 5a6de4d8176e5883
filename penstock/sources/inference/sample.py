"""Reads a sample: which columns it has, of which types, and in which dialect a CSV file is written."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

import pandas as pd

from penstock.config.pipeline import CsvDialect
from penstock.errors import ConfigError
from penstock.sources.formats import format_of
from penstock.sources.formats.compression import DAMAGED_GZIP, HEADER_BYTES, unpacked
from penstock.sources.inference.dialect import cut_records, encoding_of, find_dialect
from penstock.sources.inference.headers import refuse_doubled_headers
from penstock.sources.inference.json_lines import read_json_texts
from penstock.sources.inference.parquet import PARQUET_MAGIC, parquet_sample
from penstock.sources.inference.types import Kind, kind_of, null_marker_of, wants_trim

ROWS_LOOKED_AT = 100_000
#: Types of which no column's name is.
VALUES_ONLY = ("double", "date", "timestamp")
REPLACEMENT_CHARACTER = "\ufffd"
CONTROL_LETTERS = frozenset(map(chr, range(0x80, 0xA0)))


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The columns that a contract can have, by their headers, and what else was found.

    frame: the rows looked at: texts (None where missing), or Parquet's own types. notes: what the reader
    should know, each beginning with what it is about.
    """

    path: Path
    format: Literal["csv", "json", "parquet"]
    kinds: dict[str, Kind]
    frame: pd.DataFrame
    dialect: CsvDialect = field(default_factory=CsvDialect)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """The rows of a CSV file as texts, None where missing. malformed: the rows without the header's fields."""

    header: tuple[str, ...]
    frame: pd.DataFrame
    malformed: int


def read_sample(path: Path) -> Sample:
    """Looks at the first 100,000 rows. Raises ConfigError, beginning with the path, if it is no usable sample."""
    refuse_no_file(path)
    try:
        name = format_of(path.name, default="csv").name
        if name == "parquet" or begins_with_magic(path):
            kinds, frame, notes = parquet_sample(path, rows=ROWS_LOOKED_AT)
            return Sample(path=path, format="parquet", kinds=kinds, frame=frame, notes=notes)
        if name == "json":
            return json_sample(path)
        return csv_sample(path)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror or error}") from None


def refuse_no_file(path: Path) -> None:
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file; name a CSV, JSON lines or Parquet file")
    if not path.is_file():
        raise ConfigError(f"{path}: is no file; name one CSV, JSON lines or Parquet file")
    if path.stat().st_size == 0:
        raise ConfigError(f"{path}: is empty; expected a header and rows")


def begins_with_magic(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC


def json_sample(path: Path) -> Sample:
    with opened_bytes(path) as file:
        frame, malformed = read_json_texts(file, first_rows=ROWS_LOOKED_AT)
    notes = (f"rows: {malformed:,} are no JSON object; the stream puts such into quarantine",) if malformed else ()
    kinds = {name: kind_of(frame[name]) for name in frame.columns}
    return Sample(path=path, format="json", kinds=kinds, frame=frame, notes=notes)


def csv_sample(path: Path) -> Sample:
    dialect = dialect_of(path)
    table = read_texts(path, dialect, first_rows=ROWS_LOOKED_AT)
    if wants_trim(table.header, (table.frame[name] for name in table.header)):
        dialect = dialect.model_copy(update={"trim": True})
        table = read_texts(path, dialect, first_rows=ROWS_LOOKED_AT)
    marker = null_marker_of(table.frame[name] for name in table.header)
    if marker:
        dialect = dialect.model_copy(update={"null_marker": marker})
        table = read_texts(path, dialect, first_rows=ROWS_LOOKED_AT)
    if table.frame.empty:
        found = "none of its rows has the header's fields" if table.malformed else "has a header and no rows"
        raise ConfigError(f"{found}; expected rows to see the types by")
    kinds = {name: kind_of(table.frame[name]) for name in table.header if name}
    refuse_data_as_header(kinds)
    return Sample(
        path=path,
        format="csv",
        kinds=kinds,
        frame=table.frame,
        dialect=dialect,
        notes=tuple(csv_notes(table, dialect)),
    )


def csv_notes(table: TextTable, dialect: CsvDialect) -> Iterator[str]:
    if "" in table.header:
        yield f"column {table.header.index('') + 1}: has no name in the header, and is left out"
    if table.malformed:
        yield f"rows: {table.malformed:,} do not have the header's fields; the stream puts such into quarantine"
    if dialect.encoding == "ISO-8859-1" and has_control_letters(table):
        yield "encoding: some letters are none in ISO-8859-1; if this is Windows-1252, save the file as UTF-8"


def has_control_letters(table: TextTable) -> bool:
    texts = (text for name in table.header for text in (name, *table.frame[name].unique()))
    return any(not CONTROL_LETTERS.isdisjoint(text) for text in texts if text)


def refuse_data_as_header(kinds: dict[str, Kind]) -> None:
    """A header cell that is a value of the column's own type: the file begins with its data. (2019 may be a name.)"""
    own = {name: kind_of([name]).type for name in kinds}
    telling = [
        name for name, kind in own.items() if kind in ("double", "date", "timestamp") and kind == kinds[name].type
    ]
    if telling or all(kind != "string" for kind in own.values()):
        raise ConfigError(
            f"has no header: its first line is data ({(telling or list(own))[0]!r}); write a line with names above it"
        )


def dialect_of(path: Path) -> CsvDialect:
    with opened_bytes(path) as file:
        head = file.read(HEADER_BYTES)
    with opened_bytes(path) as file:
        # Bounded by lines as the rows are, and by bytes for a file without line ends.
        encoding = encoding_of(islice(iter(lambda: file.readline(HEADER_BYTES), b""), ROWS_LOOKED_AT))
    return find_dialect(head, encoding=encoding, is_whole=len(head) < HEADER_BYTES)


def read_texts(path: Path, dialect: CsvDialect, *, first_rows: int | None = None) -> TextTable:
    """The rows as the stream cuts them; those that it would reject as a whole are counted and left out.

    Raises ConfigError for a header with a column twice.
    """
    encoding = "utf-8-sig" if dialect.encoding == "UTF-8" else dialect.encoding
    missing = {"", dialect.null_marker}
    rows, malformed = [], 0
    with opened_bytes(path) as file:
        lines = io.TextIOWrapper(file, encoding=encoding, errors="replace", newline=None)
        records = cut_records(lines, dialect)
        first = next(records, None)
        if not first:
            raise ConfigError("its header can't be cut into fields; a quote in it is opened and never closed")
        header = tuple(first)
        refuse_doubled_headers([name for name in header if name])
        for fields in islice(records, first_rows):
            if fields is None or len(fields) != len(header) or any(REPLACEMENT_CHARACTER in text for text in fields):
                malformed += 1
            else:
                rows.append([None if text in missing else text for text in fields])
    # A column without a name can't be distinguished from another one, and no field has it.
    named = {name: index for index, name in enumerate(header)}
    columns = {name: [row[index] for row in rows] for name, index in named.items()}
    return TextTable(header=tuple(named), frame=pd.DataFrame(columns, dtype="object"), malformed=malformed)


@contextmanager
def opened_bytes(path: Path) -> Iterator[BinaryIO]:
    """A file's bytes, unpacked if its name ends in .gz. Raises ConfigError if it is no whole gzip file."""
    with path.open("rb") as file:
        if not path.name.lower().endswith(".gz"):
            yield file
            return
        try:
            yield unpacked(file)
        except DAMAGED_GZIP as error:
            raise ConfigError(f"is not a whole gzip file: {error}") from None
