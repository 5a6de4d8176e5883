"""The head of a CSV file: its header against the contract; and whether its quotes are closed."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import BinaryIO

from penstock.config.pipeline import CsvDialect
from penstock.schemas.contract import Contract
from penstock.sources.files import Layout
from penstock.sources.formats.compression import HEADER_BYTES, chunks
from penstock.sources.formats.signatures import UTF8_MARK

LINE_END = re.compile(rb"\r\n|\n|\r")


def read_header(head: bytes, *, dialect: CsvDialect, contract: Contract) -> tuple[list[str], Layout | None]:
    """The reasons against the header, and its layout. The header is the first line that is not blank."""
    line = first_line(head.removeprefix(UTF8_MARK))
    if line is None:
        return [f"file: has no line within its first {HEADER_BYTES} bytes; expected a header"], None
    if not line:
        return ["file: has only blank lines; expected a header"], None
    try:
        text = line.decode(dialect.encoding)
    except UnicodeDecodeError as error:
        return [f"header: byte {line[error.start]:#04x} is not {dialect.encoding}"], None
    try:
        columns = split_header(text, dialect)
    except csv.Error as error:
        return [f"header: can't be cut into fields: {error}"], None
    return header_reasons(columns, contract), Layout(format="csv", header=text, columns=tuple(columns))


def first_line(head: bytes) -> bytes | None:
    """The first line with something in it; b'' if all are blank; None if it is longer than `head`."""
    lines = LINE_END.split(head)
    found = next((number for number, line in enumerate(lines) if line.strip(b" \t")), None)
    if found is None:
        return b""
    cut_off = found == len(lines) - 1 and len(head) >= HEADER_BYTES - len(UTF8_MARK)
    return None if cut_off else lines[found]


def split_header(line: str, dialect: CsvDialect) -> list[str]:
    doubled = dialect.escape == dialect.quote
    reader = csv.reader(
        [line],
        delimiter=dialect.separator,
        quotechar=dialect.quote,
        doublequote=doubled,
        escapechar=None if doubled else dialect.escape,
    )
    names = next(reader)
    return [name.strip() for name in names] if dialect.trim else names


def header_reasons(columns: Sequence[str], contract: Contract) -> list[str]:
    """Every way in which a header does not give the contract's columns, each exactly once."""
    counts = Counter(columns)
    known = set(contract.sources)
    reasons = []
    for source in contract.sources:
        if counts[source] == 0:
            near = get_close_matches(source, [name for name in counts if name not in known], n=1, cutoff=0.8)
            hint = f"; is {near[0]!r} meant?" if near else ""
            reasons.append(f"header: column {source!r} is missing{hint}")
        elif counts[source] > 1:
            reasons.append(f"header: column {source!r} stands {counts[source]} times")
    if contract.extra_columns == "refuse":
        extra = [name for name in counts if name not in known]
        reasons += [f"header: column {name!r} is not in the contract" for name in extra]
    return reasons


def check_whole(head: bytes, rest: BinaryIO, *, dialect: CsvDialect) -> list[str]:
    """Read the file to its end: a broken gzip raises here, on the driver, and an unclosed quote is seen.

    With multiLine a quote that is never closed swallows the rest of the file, so it costs the file.
    """
    quotes = QuoteCounter(dialect)
    for chunk in chunks(head, rest):
        if dialect.multi_line:
            quotes.add(chunk)
    return ["file: a quote is opened and never closed"] if quotes.is_open else []


@dataclass
class QuoteCounter:
    """Counts the quotes of a text that comes in chunks, less the escaped ones.

    A doubled quote counts twice, which leaves the parity right.
    """

    dialect: CsvDialect
    quotes: int = 0
    held_back: bytes = b""

    def add(self, chunk: bytes) -> None:
        quote = self.dialect.quote.encode(self.dialect.encoding)
        escape = self.dialect.escape.encode(self.dialect.encoding)
        if escape == quote:
            self.quotes += chunk.count(quote)
            return
        escaped = re.compile(re.escape(escape) + rb".", re.DOTALL)
        plain = escaped.sub(b"", self.held_back + chunk)
        # An escape at the very end belongs to the first byte of the next chunk.
        self.held_back = escape if plain.endswith(escape) else b""
        self.quotes += plain.count(quote)

    @property
    def is_open(self) -> bool:
        return self.quotes % 2 == 1
