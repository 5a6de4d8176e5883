"""What a damaged CSV file may give, found with Python's own csv module: the judge of what the pipeline made of it."""

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

COLUMNS = ("row_id", "name", "x", "n", "note")
CONTROL = "".join(map(chr, range(33)))
#: What a row may be in the tables; an empty text and none are the same to the judge.
Values = tuple[int, str, float, int | None, str]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """rows: how many there are. candidates: those that could be accepted, by their values. loose: those with a quote
    where RFC 4180 has none; their texts may be read in more than one way, but only in their own columns."""

    rows: int
    candidates: Counter[Values]
    loose: Counter[Values]

    def misplaced(self, accepted: Counter[Values]) -> int:
        """How many of the accepted rows have values that are not in the file, or not in those columns."""
        others = Counter(map(without_quotes, (accepted - self.candidates).elements()))
        return (others - self.loose).total()


def judge(content: bytes) -> Judged:
    """A CSV file with its header. Lines end as they do for Hadoop's reader; a line of blanks is none."""
    lines = [line for line in re.split(b"\r\n|\r|\n", content.removeprefix(b"\xef\xbb\xbf")) if line.strip(b" \t")]
    if not lines:
        return Judged(rows=0, candidates=Counter(), loose=Counter())
    header, *rows = lines
    columns = fields(header, strict=False) or []
    strict = [found for row in rows if (found := values(row, columns, strict=True))]
    loose = [found for row in rows if (found := values(row, columns, strict=False))]
    bent = [found for row in rows if fields(row, strict=True) is None and (found := values(row, columns, strict=False))]
    either_way = Counter(map(without_quotes, loose)) | Counter(map(without_control, bent))
    return Judged(rows=len(rows), candidates=Counter(strict), loose=either_way)


def fields(line: bytes, *, strict: bool) -> list[str] | None:
    try:
        parsed = list(csv.reader([line.decode()], strict=strict))
    except (UnicodeDecodeError, csv.Error):
        return None
    return parsed[0] if len(parsed) == 1 else None


def values(line: bytes, columns: list[str], *, strict: bool) -> Values | None:
    cells = fields(line, strict=strict)
    if cells is None or len(cells) != len(columns) or not set(COLUMNS) <= set(columns):
        return None
    text = dict(zip(columns, cells, strict=True))
    try:
        number = whole_number(text["n"]) if text["n"] else None
        return whole_number(text["row_id"]), text["name"], float(text["x"]), number, text["note"]
    except ValueError:
        return None


def whole_number(text: str) -> int:
    """A fraction of zeros is none. Raises ValueError."""
    return int(re.sub(r"(?<=[0-9])\.0*\Z", "", text))


def as_values(row: Any) -> Values:
    """A row of `predictions`."""
    return row.row_id, row.name, row.x, row.n, row.note or ""


def without_quotes(row: Values) -> Values:
    row_id, name, x, n, note = row
    return row_id, bare(name), x, n, bare(note)


def without_control(row: Values) -> Values:
    """As a parser reads it that skips blanks and control characters, like DOS's mark of a file's end, behind a quote
    that closes."""
    row_id, name, x, n, note = without_quotes(row)
    return row_id, name.strip(CONTROL), x, n, note.strip(CONTROL)


def bare(text: str) -> str:
    return text.replace('"', "").strip()
