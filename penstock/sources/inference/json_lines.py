"""The members of a sample of JSON lines, as the texts that the stream reads."""

import json
from collections.abc import Iterable
from itertools import islice
from typing import Any, BinaryIO

import pandas as pd

from penstock.errors import ConfigError
from penstock.sources.inference.headers import refuse_doubled_headers


def read_json_texts(file: BinaryIO, *, first_rows: int | None = None) -> tuple[pd.DataFrame, int]:
    """A column for each member that some object has, texts (None where missing or null), in the order of their first
    appearance; and how many lines are no JSON object. Raises ConfigError where no line is one."""
    rows: list[dict[str, str | None]] = []
    malformed = 0
    for line in islice(non_blank(file), first_rows):
        try:
            value = json.loads(line, parse_float=str, parse_int=str, parse_constant=str)
        except ValueError:
            value = None
        if isinstance(value, dict):
            rows.append({name: as_text(member) for name, member in value.items()})
        else:
            malformed += 1
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        raise ConfigError("has no JSON object with members; expected one object a line")
    refuse_doubled_headers(names)
    return pd.DataFrame({name: [row.get(name) for row in rows] for name in names}, dtype="object"), malformed


def non_blank(file: BinaryIO) -> Iterable[bytes]:
    return (line for line in file if line.strip())


def as_text(value: Any) -> str | None:
    """Numbers come as they are written; what has members of its own as its JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def write_lines_without(file: BinaryIO, target: str | None, to: BinaryIO) -> None:
    """Copy the lines, those that are objects without the member `target`; numbers keep their digits' value."""
    for line in file:
        if target is not None and line.strip():
            try:
                value = json.loads(line)
            except ValueError:
                value = None
            if isinstance(value, dict):
                value.pop(target, None)
                line = json.dumps(value, ensure_ascii=False).encode() + b"\n"
        to.write(line)
