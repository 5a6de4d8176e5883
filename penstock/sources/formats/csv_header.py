"""The head of a CSV file: its header against the contract; and whether its quotes are closed."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from penstock.config.csv_dialect import CsvDialect
from penstock.schemas.contract import Contract
from penstock.sources.blanks import BLANKS
from penstock.sources.column_names import column_hints
from penstock.sources.files import Layout, LineEnd
from penstock.sources.formats.compression import HEADER_BYTES, chunks
from penstock.sources.formats.line_lengths import LineLengths
from penstock.sources.formats.signatures import UTF8_MARK

#: A header of more columns refuses its file: Spark's parser has room for 20,480, one of which tells where a line ends.
MAX_COLUMNS = 20_000
LINE_END = re.compile(rb"\r\n|\n|\r")
#: How far down the header is looked for, where it is not in its place.
LINES_SEARCHED = 50
#: What Excel writes and reads above a header.
SEPARATOR_LINE = re.compile(rb'"?sep=.?"?[,;\t|]*', re.IGNORECASE)
OPEN_QUOTE = (
    "header: a quote is opened and not closed on its line; for names over lines set source.csv.multi_line: true"
)
REMOVE_LINES = "remove the lines above the header, for with source.csv.multi_line none can be skipped"
REPLACEMENT_CHARACTER = "\ufffd"


class Head(NamedTuple):
    """How a CSV file begins. reasons: against its header. above: the lines above it that are not blank, if skipped."""

    reasons: list[str]
    layout: Layout | None = None
    above: tuple[str, ...] = ()


def read_header(head: bytes, *, dialect: CsvDialect, contract: Contract) -> Head:
    """The header is the first line that is not blank below those that the dialect skips; with multi_line it ends where
    its quotes are closed."""
    content = head.removeprefix(UTF8_MARK)
    lines = LINE_END.split(content)
    is_whole = len(head) < HEADER_BYTES
    number = header_line(lines, dialect)
    if number is None:
        return Head(reasons=[no_header_reason(lines, dialect, is_whole=is_whole)])
    if number == len(lines) - 1 and not is_whole:
        return Head(reasons=[f"file: has no line within its first {HEADER_BYTES} bytes; expected a header"])
    last = end_of_header(lines, number, dialect)
    try:
        text = b"\n".join(lines[number : last + 1]).decode(dialect.encoding)
    except UnicodeDecodeError as error:
        return Head(reasons=[f"header: byte {error.object[error.start]:#04x} is not {dialect.encoding}"])
    try:
        columns = split_header(text, dialect)
    except csv.Error as error:
        return Head(reasons=[f"header: can't be cut into fields: {error}"])
    if len(columns) > MAX_COLUMNS:
        found = f"header: has {len(columns):,} columns, and {MAX_COLUMNS:,} are read at most; is the separator right?"
        return Head(reasons=[found])
    reasons = header_reasons(columns, contract)
    if reasons:
        reasons += header_elsewhere(lines, number, dialect, contract)
    if reasons and QuoteCounter.is_odd(lines[number], dialect) and not dialect.multi_line:
        reasons.append(OPEN_QUOTE)
    return Head(
        reasons=reasons,
        layout=Layout(
            format="csv",
            header=text,
            columns=tuple(columns),
            line_end=record_end(content, number, last) if dialect.multi_line else None,
        ),
        above=tuple(raw_text(line, dialect.encoding) for line in lines[:number] if not is_blank(line)),
    )


def record_end(content: bytes, first: int, last: int) -> LineEnd:
    """What ends a record for Spark's parser, which would take the first line break that it meets, that of a name in
    quotes too. first, last: the numbers of the header's lines.

    At "\\n" it cuts lines that end with "\\r\\n" as well, and leaves a "\\r" that `csv_rows` takes off; not at "\\r\\n"
    those that end with "\\n". But it passes over the header, and would take a blank line with "\\r" for that.
    """
    ends = LINE_END.findall(content)[: last + 1]
    if ends and ends[-1] == b"\r":
        return "\r"
    return "\r\n" if first and ends[-1:] == [b"\r\n"] else "\n"


def raw_text(line: bytes, encoding: str) -> str:
    """A line as the column RAW has it: damaged text with each byte above 127, and the backslash, as \\xNN."""
    text = line.decode(encoding, errors="replace")
    if REPLACEMENT_CHARACTER not in text:
        return text
    return re.sub(rb"[\\\x80-\xff]", lambda found: b"\\x%02x" % ord(found[0]), line).decode("ascii")


def has_header(head: bytes, *, dialect: CsvDialect) -> bool:
    """Whether the header is whole in this beginning of a file."""
    *whole, _ = LINE_END.split(head.removeprefix(UTF8_MARK))
    first = header_line(whole, dialect)
    if first is None:
        return False
    is_open = dialect.multi_line and QuoteCounter.is_odd(whole[first], dialect)
    return not is_open or end_of_header(whole, first, dialect) > first


def lines_above(head: bytes, dialect: CsvDialect) -> int:
    """How many of the lines that the dialect skips are not blank."""
    skipped = LINE_END.split(head.removeprefix(UTF8_MARK))[: dialect.skip_lines]
    return sum(not is_blank(line) for line in skipped)


def is_blank(line: bytes) -> bool:
    return not line.strip(b" \t")


def header_line(lines: Sequence[bytes], dialect: CsvDialect) -> int | None:
    """The number of the header's first line, from 0; None if all are blank."""
    numbers = range(dialect.skip_lines, len(lines))
    return next((number for number in numbers if not is_blank(lines[number])), None)


def no_header_reason(lines: Sequence[bytes], dialect: CsvDialect, *, is_whole: bool) -> str:
    if not is_whole:
        return f"file: has no line within its first {HEADER_BYTES} bytes; expected a header"
    if dialect.skip_lines and not all(map(is_blank, lines)):
        return f"file: has no line below the {dialect.skip_lines} that source.csv.skip_lines skips; expected a header"
    return "file: has only blank lines; expected a header"


def end_of_header(lines: Sequence[bytes], first: int, dialect: CsvDialect) -> int:
    """The number of the header's last line: where rows may span lines, the one that closes its quotes."""
    if not dialect.multi_line:
        return first
    quotes = QuoteCounter(dialect)
    for number in range(first, len(lines)):
        quotes.add(lines[number] + b"\n")
        if not quotes.is_open:
            return number
    return first


def header_elsewhere(lines: Sequence[bytes], looked_at: int, dialect: CsvDialect, contract: Contract) -> list[str]:
    """Where the header stands if not in the line that was looked at, and what to set."""
    for number, line in enumerate(lines[:LINES_SEARCHED]):
        if number == looked_at:
            continue
        text = line.decode(dialect.encoding, errors="replace")
        try:
            found = set(split_header(text, dialect)) if text.strip() else set()
        except csv.Error:
            continue
        if found.issuperset(contract.sources):
            setting = f"source.csv.skip_lines: {number} (now {dialect.skip_lines})"
            advice = REMOVE_LINES if dialect.multi_line else f"for such files set {setting}"
            return [f"file: line {number + 1} has the contract's columns; {advice}"]
    for number, line in enumerate(lines[:LINES_SEARCHED]):
        if SEPARATOR_LINE.fullmatch(line):
            setting = f"the separator (now {dialect.separator!r})"
            advice = (
                f"{REMOVE_LINES}, and set" if dialect.multi_line else f"set source.csv.skip_lines: {number + 1} and"
            )
            named = f"{line.decode('ascii', errors='replace')!r}, which names the separator"
            return [f"file: line {number + 1} is {named}; {advice} {setting}"]
    return []


def split_header(text: str, dialect: CsvDialect) -> list[str]:
    doubled = dialect.escape == dialect.quote
    reader = csv.reader(
        [text],
        delimiter=dialect.separator,
        quotechar=dialect.quote,
        doublequote=doubled,
        escapechar=None if doubled else dialect.escape,
        skipinitialspace=dialect.trim,
    )
    names = next(reader)
    return [name.strip(BLANKS) for name in names] if dialect.trim else names


def header_reasons(columns: Sequence[str], contract: Contract) -> list[str]:
    """Every way in which a header does not give the contract's columns, each exactly once."""
    counts = Counter(columns)
    known = set(contract.sources)
    others = [name for name in counts if name not in known]
    hints = column_hints([source for source in contract.sources if counts[source] == 0], others)
    reasons = []
    for source in contract.sources:
        if counts[source] == 0:
            reasons.append(f"header: column {source!r} is missing{hints[source]}")
        elif counts[source] > 1:
            reasons.append(f"header: column {source!r} stands {counts[source]} times")
    if contract.extra_columns == "refuse":
        reasons += [f"header: column {name!r} is not in the contract" for name in others]
    return reasons


def check_whole(head: bytes, rest: BinaryIO, *, dialect: CsvDialect) -> list[str]:
    """Read the file to its end: a broken gzip raises here, on the driver, and an unclosed quote or a line that is too
    long is seen.

    With multiLine a quote that is never closed swallows the rest of the file, so it costs the file.
    """
    quotes, lengths = QuoteCounter(dialect), LineLengths()
    for chunk in chunks(head, rest):
        lengths.add(chunk)
        if dialect.multi_line:
            quotes.add(chunk)
    return [*lengths.reasons, *(["file: a quote is opened and never closed"] if quotes.is_open else [])]


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

    @classmethod
    def is_odd(cls, line: bytes, dialect: CsvDialect) -> bool:
        counter = cls(dialect)
        counter.add(line)
        return counter.is_open

    @property
    def is_open(self) -> bool:
        return self.quotes % 2 == 1
