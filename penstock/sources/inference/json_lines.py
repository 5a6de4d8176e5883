"""The members of a sample of JSON lines, as the texts that the stream reads."""

import re
from collections.abc import Iterable
from itertools import islice
from json import JSONDecoder
from typing import BinaryIO

import pandas as pd

from penstock.errors import ConfigError
from penstock.sources.inference.headers import refuse_doubled_headers

BLANKS = re.compile(r"[ \t\r\n]*")
DECODER = JSONDecoder()
#: By its name as it stands in the line: a member's name, its value as it stands there, and its text (None for null).
Members = dict[str, tuple[str, str, str | None]]


def read_json_texts(file: BinaryIO, *, first_rows: int | None = None) -> tuple[pd.DataFrame, int]:
    """A column for each member that some object has, texts (None where missing or null), in the order of their first
    appearance; and how many lines are no JSON object. Raises ConfigError where no line is one."""
    rows: list[dict[str, str | None]] = []
    malformed = 0
    for line in islice(non_blank(file), first_rows):
        members = members_of(line)
        if members is None:
            malformed += 1
        else:
            rows.append({name: text for name, (_, _, text) in members.items()})
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        raise ConfigError("has no JSON object with members; expected one object a line")
    refuse_doubled_headers(names)
    return pd.DataFrame({name: [row.get(name) for row in rows] for name in names}, dtype="object"), malformed


def non_blank(file: BinaryIO) -> Iterable[bytes]:
    """Lines end as they do for the stream: at a carriage return, too."""
    return (part for line in file for part in line.splitlines() if part.strip())


def members_of(line: bytes) -> Members | None:
    """None for a line that is not one JSON object with each name once. Of a string the text is its content."""
    try:
        text = line.decode("utf-8-sig")
        return parsed(text)
    except (ValueError, RecursionError):
        return None


def parsed(text: str) -> Members | None:
    """Raises ValueError where the text is no JSON."""
    members: Members = {}
    at = after(text, 0, "{")
    while not text.startswith("}", at):
        if members:
            at = after(text, at, ",")
        at = skipped(text, at)
        name, end = DECODER.raw_decode(text, at)
        written, value_at = text[at:end], after(text, end, ":")
        value, at = DECODER.raw_decode(text, value_at)
        if not isinstance(name, str) or name in members:
            return None
        raw = text[value_at:at]
        members[name] = (written, raw, value if value is None or isinstance(value, str) else raw)
        at = skipped(text, at)
    return members if skipped(text, at + 1) == len(text) else None


def after(text: str, at: int, character: str) -> int:
    """The place behind a character that comes next, and behind blanks. Raises ValueError where another one does."""
    at = skipped(text, at)
    if not text.startswith(character, at):
        raise ValueError(f"no {character!r} at character {at}")
    return skipped(text, at + 1)


def skipped(text: str, at: int) -> int:
    blanks = BLANKS.match(text, at)
    return blanks.end() if blanks else at


def write_lines_without(file: BinaryIO, target: str | None, to: BinaryIO) -> None:
    """Copy the lines, those that are objects without the member `target`; values stay as they are written."""
    for line in file:
        members = members_of(line) if target is not None and line.strip() else None
        if members is None:
            to.write(line)
        else:
            kept = (f"{name}: {value}" for key, (name, value, _) in members.items() if key != target)
            to.write(f"{{{', '.join(kept)}}}\n".encode())
