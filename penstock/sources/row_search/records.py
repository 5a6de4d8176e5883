"""The records of a file by number, as the pipeline's format cuts them, on the driver."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from penstock.config.csv_dialect import CsvDialect
from penstock.schemas.contract import Contract
from penstock.sources.blanks import BLANKS
from penstock.sources.files import Layout
from penstock.sources.formats.csv_header import split_header


class Record(NamedTuple):
    """number: of its first line, from 1 as an editor counts. values: of the contract's fields, in their order; None for
    what is missing."""

    number: int
    values: Sequence[Any]


def csv_records(content: BinaryIO, dialect: CsvDialect, contract: Contract, layout: Layout | None) -> Iterator[Record]:
    """Without the header and the lines above it. layout: as the file was planned; default that of its header."""
    encoding = "utf-8-sig" if dialect.encoding == "UTF-8" else dialect.encoding
    # Lines end as Spark has it; within quotes csv gets them as they are.
    text = io.TextIOWrapper(content, encoding=encoding, errors="replace", newline="" if dialect.multi_line else None)
    cut = multi_line_records(text, dialect) if dialect.multi_line else line_records(text, dialect)
    columns, places = layout.columns if layout else (), [0]
    for place, (number, fields) in enumerate(cut):
        if place == 0:
            columns = columns or tuple(fields)
            at = {name: position for position, name in enumerate(columns)}
            places = [at[source] for source in contract.sources]
        elif len(fields) == len(columns):
            yield Record(number, [field_value(fields[position], dialect) for position in places])


def line_records(text: io.TextIOWrapper, dialect: CsvDialect) -> Iterator[tuple[int, list[str]]]:
    for number, ended in enumerate(text, 1):
        line = ended.rstrip("\n")
        if number <= dialect.skip_lines or not line.strip(" \t"):
            continue
        try:
            yield number, split_line(line, dialect)
        except csv.Error:
            continue


def split_line(line: str, dialect: CsvDialect) -> list[str]:
    if dialect.quote not in line and dialect.escape not in line:
        fields = line.split(dialect.separator)
        return [field.strip(BLANKS) for field in fields] if dialect.trim else fields
    return split_header(line, dialect)


def multi_line_records(text: io.TextIOWrapper, dialect: CsvDialect) -> Iterator[tuple[int, list[str]]]:
    doubled = dialect.escape == dialect.quote
    reader = csv.reader(
        text,
        delimiter=dialect.separator,
        quotechar=dialect.quote,
        doublequote=doubled,
        escapechar=None if doubled else dialect.escape,
        skipinitialspace=dialect.trim,
    )
    before = 0
    try:
        for fields in reader:
            if fields:
                yield before + 1, [field.strip(BLANKS) for field in fields] if dialect.trim else fields
            before = reader.line_num
    except csv.Error:
        return


def field_value(text: str, dialect: CsvDialect) -> str | None:
    return None if text in ("", dialect.null_marker) else text


def json_records(content: BinaryIO, contract: Contract) -> Iterator[Record]:
    text = io.TextIOWrapper(content, encoding="utf-8-sig", errors="replace", newline=None)
    for number, line in enumerate(text, 1):
        try:
            # Numbers as they are written.
            found = json.loads(line, parse_float=str, parse_int=str) if line.strip() else None
        except json.JSONDecodeError:
            continue
        if isinstance(found, dict):
            yield Record(number, [found.get(source) for source in contract.sources])
