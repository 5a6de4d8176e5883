"""What a damaged CSV file may give, found with Python's own csv module: the judge of what the pipeline made of it."""

import csv
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

COLUMNS = ("row_id", "name", "x", "n", "note")
#: What a row may be in the tables; an empty text and none are the same to the judge.
Values = tuple[int, str, float, int | None, str]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """rows: how many there are. candidates: the rows that could be accepted, by their values."""

    rows: int
    candidates: Counter[Values]


def judge(content: bytes) -> Judged:
    """A CSV file with its header. Lines end as they do for Hadoop's reader; a line of blanks is none."""
    lines = [line for line in re.split(b"\r\n|\r|\n", content.removeprefix(b"\xef\xbb\xbf")) if line.strip(b" \t")]
    if not lines:
        return Judged(rows=0, candidates=Counter())
    header, *rows = lines
    columns = fields(header) or []
    found = [values(row, columns) for row in rows]
    return Judged(rows=len(rows), candidates=Counter(row for row in found if row is not None))


def fields(line: bytes) -> list[str] | None:
    try:
        parsed = list(csv.reader([line.decode()]))
    except (UnicodeDecodeError, csv.Error):
        return None
    return parsed[0] if len(parsed) == 1 else None


def values(line: bytes, columns: list[str]) -> Values | None:
    cells = fields(line)
    if cells is None or len(cells) != len(columns) or not set(COLUMNS) <= set(columns):
        return None
    text = dict(zip(columns, cells, strict=True))
    try:
        number = int(text["n"]) if text["n"] else None
        return int(text["row_id"]), text["name"], float(text["x"]), number, text["note"]
    except ValueError:
        return None


def as_values(row: Any) -> Values:
    """A row of `predictions`."""
    return row.row_id, row.name, row.x, row.n, row.note or ""
