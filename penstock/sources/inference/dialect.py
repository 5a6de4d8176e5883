"""How the text of an unknown CSV file is cut into fields: its encoding, separator and quote."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, product
from typing import Any

from penstock.config.csv_dialect import CsvDialect
from penstock.errors import ConfigError
from penstock.sources.blanks import BLANKS
from penstock.sources.formats.csv_header import SEPARATOR_LINE
from penstock.sources.formats.signatures import UTF8_MARK, binary_kind
from penstock.sources.inference.types import NULL_MARKERS, NUMBER, kind_of

#: Where several separators fit equally well: a comma is the one that stands in texts and numbers, too.
SEPARATORS = ("\t", ";", "|", ",")
QUOTES = (('"', '"'), ("'", "'"), ('"', "\\"))
LINES_LOOKED_AT = 200
#: Of the lines looked at, how many must have the header's number of fields.
MIN_FITTING = 0.7
LONGEST_SINGLE_HEADER = 100
#: How many lines above a header are looked through.
MAX_SKIPPED = 30
#: How many values of a column tell whether it has numbers or dates.
VALUES_LOOKED_AT = 20
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
EXPECTED = "expected a CSV file, its columns separated by ',', ';', tab or '|'; JSON lines (.jsonl), or a Parquet file"


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What comes of cutting the lines with one dialect. fitting: the share with the header's number of fields."""

    dialect: CsvDialect
    header: tuple[str, ...]
    fitting: float
    fields_in_quotes: int

    @property
    def rank(self) -> tuple[bool, float, int, int]:
        return self.is_table, self.fitting, -self.fields_in_quotes, len(self.header)

    @property
    def has_names(self) -> bool:
        """Whether the header's fields can be names: at most one is empty, as that of a data frame's index, none twice
        and not one number among them."""
        given = self.given_names
        return len(given) >= len(self.header) - 1 and len(set(given)) == len(given) and not any(map(is_number, given))

    @property
    def has_two_names(self) -> bool:
        """Whether at least two of the header's fields are names, and not the same: a title has one."""
        return len({name for name in self.given_names if not is_number(name)}) > 1

    @property
    def given_names(self) -> list[str]:
        return [name for field in self.header if (name := field.strip())]

    @property
    def is_table(self) -> bool:
        return len(self.header) > 1 and self.fitting >= MIN_FITTING


def find_dialect(head: bytes, *, encoding: str, is_whole: bool) -> CsvDialect:
    """head: the beginning of the file; is_whole: it is all of it. Raises ConfigError if it is no CSV."""
    refuse_no_text(head)
    text = head.decode(encoding, errors="replace")
    every = list(io.StringIO(text.removeprefix("\ufeff"), newline=None))
    every = (every if is_whole else every[:-1])[: LINES_LOOKED_AT + MAX_SKIPPED]
    lines = [line for line in every if line.strip()]
    if not lines:
        what = "has only blank lines" if is_whole else "has no line end within its first megabyte"
        raise ConfigError(f"{what}; {EXPECTED}")
    if lines[0].lstrip().startswith(("{", "[", "<")):
        raise ConfigError(f"looks like JSON or XML; {EXPECTED}")
    start = lines_naming_a_separator(every)
    dialect, below = dialect_of_lines(every[start:], encoding=encoding)
    number = start + below
    if number and dialect.multi_line:
        raise ConfigError(
            f"has lines above its header, which is line {number + 1}, and fields that span lines; "
            "remove the lines above the header, for Spark can't read both"
        )
    return dialect.model_copy(update={"skip_lines": number})


def lines_naming_a_separator(lines: Sequence[str]) -> int:
    """How many lines end with those such as `sep=;` that the file begins with; 0 where it begins with none."""
    number = 0
    for at, line in enumerate(lines):
        if names_a_separator(line):
            number = at + 1
        elif line.strip():
            break
    return number


def names_a_separator(line: str) -> bool:
    return SEPARATOR_LINE.fullmatch(line.rstrip("\r\n").encode(errors="replace")) is not None


def dialect_of_lines(every: Sequence[str], *, encoding: str) -> tuple[CsvDialect, int]:
    """The dialect, and how many lines are above the header. Raises ConfigError if they are no CSV."""
    lines = [line for line in every if line.strip()]
    if not lines:
        raise ConfigError(f"has only a line that names the separator; {EXPECTED}")
    attempts = all_attempts(lines, encoding=encoding)
    best = max(attempts, key=lambda one: one.rank)
    if best.is_table and (best.has_names or best.has_two_names):
        return best.dialect, 0
    if below := below_other_lines(every, encoding=encoding):
        return below
    if best.is_table:
        return best.dialect, 0
    if all(len(one.header) == 1 and one.fitting >= MIN_FITTING for one in attempts) and is_short(best.header[0]):
        return CsvDialect(encoding=encoding), 0
    raise ConfigError(f"is no CSV: with no separator do its lines have the same number of fields; {EXPECTED}")


def all_attempts(lines: Sequence[str], *, encoding: str) -> "list[Attempt]":
    plain = [
        CsvDialect(separator=separator, quote=quote, escape=escape, encoding=encoding)
        for (quote, escape), separator in product(QUOTES, SEPARATORS)
    ]
    spanning = [dialect.model_copy(update={"multi_line": True}) for dialect in plain]
    # Where a blank stands before a quote, the quote is one only if blanks are trimmed.
    trimming = [dialect.model_copy(update={"trim": True}) for dialect in (*plain, *spanning)]
    return [attempt(lines[:LINES_LOOKED_AT], dialect) for dialect in (*plain, *spanning, *trimming)]


def below_other_lines(lines: Sequence[str], *, encoding: str) -> tuple[CsvDialect, int] | None:
    """The dialect of a table that begins below some lines, such as a title, and how many they are; None where none
    does."""
    for number in range(1, min(MAX_SKIPPED + 1, len(lines))):
        if not lines[number].strip() or names_a_separator(lines[number]):
            continue
        rest = [line for line in lines[number:] if line.strip()]
        best = max(all_attempts(rest, encoding=encoding), key=lambda one: one.rank)
        above = [line for line in lines[:number] if line.strip()]
        if best.is_table and best.has_names and none_is_row(above, best) and has_measures(rest, best):
            return best.dialect, number
    return None


def none_is_row(lines: Sequence[str], table: Attempt) -> bool:
    """Whether each of the lines has fewer values than the table has columns: a title, and no row of data."""
    records = (cut_line(line.rstrip("\r\n"), table.dialect, reader_options(table.dialect)) for line in lines)
    return all(sum(bool(field.strip()) for field in record or ()) < len(table.header) for record in records)


def has_measures(lines: Sequence[str], table: Attempt) -> bool:
    """Whether a column has numbers or dates below a name that is neither. In a table of texts only, any line could be
    the header."""
    _, *records = cut_records(lines[:LINES_LOOKED_AT], table.dialect)
    rows = [record for record in records if record is not None and len(record) == len(table.header)]
    columns = zip(table.header, zip(*rows, strict=True), strict=True) if rows else ()
    return any(name.strip() and are_measures(texts) and not are_measures([name]) for name, texts in columns)


def are_measures(texts: Iterable[str]) -> bool:
    """Whether most of the texts are numbers or dates; a few may be damaged, or be quoted in an odd way."""
    given = [text.strip(BLANKS) for text in texts]
    values = [text for text in given if text and text not in NULL_MARKERS][:VALUES_LOOKED_AT]
    return bool(values) and sum(map(is_measure, values)) > len(values) / 2


def is_measure(text: str) -> bool:
    # A string with a note is of digits in a form that no number type takes.
    kind = kind_of([text], commas=True)
    return kind.type != "boolean" and (kind.type != "string" or bool(kind.note))


def is_number(name: str) -> bool:
    return NUMBER.fullmatch(name.replace(",", ".")) is not None


def is_short(name: str) -> bool:
    return len(name) <= LONGEST_SINGLE_HEADER


def refuse_no_text(head: bytes) -> None:
    if head.startswith(UTF16_MARKS):
        raise ConfigError("is UTF-16, which the stream does not read; save it as UTF-8")
    if head.startswith(b"PK\x03\x04"):
        raise ConfigError(f"is a zip archive or a workbook; save it as CSV. Penstock {EXPECTED}")
    if kind := binary_kind(head):
        raise ConfigError(f"is {kind.name}; {kind.remedy}")
    if b"\x00" in head:
        raise ConfigError(f"is a binary file; {EXPECTED}")


def attempt(lines: Sequence[str], dialect: CsvDialect) -> Attempt:
    records = list(cut_records(lines, dialect))
    header = tuple(records[0] or ("",))
    rows = records[1:]
    fitting = [row for row in rows if row is not None and len(row) == len(header)]
    return Attempt(
        dialect=dialect,
        header=header,
        fitting=len(fitting) / len(rows) if rows else 1.0,
        fields_in_quotes=sum(is_in_quotes(field) for row in (list(header), *fitting) for field in row),
    )


def is_in_quotes(field: str) -> bool:
    return len(field) > 1 and field[0] == field[-1] and field[0] in "\"'"


def cut_records(lines: Iterable[str], dialect: CsvDialect) -> Iterator[list[str] | None]:
    """The fields of each record, None for one whose quotes are wrong. Blank lines are no records, nor are those above
    the header that the dialect skips.

    Without multi_line a line is a record, whatever its quotes.
    """
    options = reader_options(dialect)
    if not dialect.multi_line:
        for line in islice(lines, dialect.skip_lines, None):
            if line.strip(" \t\r\n"):
                yield trimmed(cut_line(line.rstrip("\r\n"), dialect, options), dialect)
        return
    # One record at a time, so that wrong quotes cost that record.
    source = iter(lines)
    for line in source:
        if line.strip(" \t\r\n"):
            yield trimmed(cut_one(chain([line], source), options), dialect)


def cut_line(line: str, dialect: CsvDialect, options: Mapping[str, Any]) -> list[str] | None:
    """As Spark's parser does: an escape counts within quotes only, and only before a quote or itself."""
    if dialect.quote not in line:
        return line.split(dialect.separator)
    quote, escape, separator = map(re.escape, (dialect.quote, dialect.escape, dialect.separator))
    if dialect.escape == dialect.quote:
        fields = cut_one([line], options)
        # Spark's parser passes over blanks behind a closing quote.
        return cut_one([re.sub(rf"{quote}[ \t]+(?={separator}|$)", quote, line)], options) if fields is None else fields
    field = re.compile(
        rf"(?:{quote}(?P<quoted>(?:[^{quote}{escape}]|{escape}.)*){quote}|(?P<plain>(?!{quote})[^{separator}]*))"
        rf"(?P<end>{separator}|$)"
    )
    cut: list[str] = []
    at, is_last = 0, False
    while not is_last:
        found = field.match(line, at)
        if found is None:
            return None
        quoted = found["quoted"]
        cut.append(found["plain"] if quoted is None else re.sub(rf"{escape}({escape}|{quote})", r"\1", quoted))
        at, is_last = found.end(), not found["end"]
    return cut


def cut_one(lines: Iterable[str], options: Mapping[str, Any]) -> list[str] | None:
    try:
        return next(csv.reader(lines, **options), None)
    except csv.Error:
        return None


def trimmed(fields: list[str] | None, dialect: CsvDialect) -> list[str] | None:
    return [field.strip(BLANKS) for field in fields] if fields is not None and dialect.trim else fields


def reader_options(dialect: CsvDialect) -> dict[str, Any]:
    doubled = dialect.escape == dialect.quote
    return {
        "delimiter": dialect.separator,
        "quotechar": dialect.quote,
        "doublequote": doubled,
        "escapechar": None if doubled else dialect.escape,
        "strict": True,
        "skipinitialspace": dialect.trim,
    }


def encoding_of(lines: Iterable[bytes]) -> str:
    """UTF-8 if more of the lines with other letters than ASCII are valid in it than not, else ISO-8859-1."""
    valid = damaged = 0
    for line in lines:
        if not line.isascii():
            try:
                line.removeprefix(UTF8_MARK).decode("utf-8")
                valid += 1
            except UnicodeDecodeError:
                damaged += 1
    return "ISO-8859-1" if damaged > valid else "UTF-8"
