"""Parses and formats human-readable durations: `5 minutes`, `90 s`, `1 hour 30 minutes`."""

import re
from typing import Annotated

from pydantic import BeforeValidator

SECONDS = {
    "ms": 0.001,
    "millisecond": 0.001,
    "s": 1,
    "sec": 1,
    "second": 1,
    "min": 60,
    "minute": 60,
    "h": 3600,
}
SECONDS |= {"hour": 3600, "d": 86400, "day": 86400, "week": 604800}
PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]+)\s*")


def parse_seconds(text: object) -> float:
    """Seconds of a duration such as `5 minutes`; a bare number is seconds. Raises ValueError."""
    written = str(text).strip()
    try:
        seconds = float(written)
    except ValueError:
        seconds = sum(part_seconds(match) for match in whole_parts(written))
    if not (0 <= seconds < float("inf")):
        raise ValueError(f"{written!r} is not a duration of 0 seconds or more")
    return seconds


def whole_parts(written: str) -> list[re.Match[str]]:
    """The number-and-unit parts of the text, which must consist of nothing else."""
    parts = list(PART.finditer(written))
    if not parts or "".join(part[0] for part in parts) != written:
        raise ValueError(f"{written!r} is not a duration; write for example '5 minutes' or '30 s'")
    return parts


def part_seconds(part: re.Match[str]) -> float:
    unit = part[2].lower()
    unit = unit if unit in SECONDS else unit.removesuffix("s")
    if unit not in SECONDS:
        raise ValueError(f"{part[0].strip()!r} has no known unit ({part[2]}); write for example '5 minutes' or '30 s'")
    return float(part[1]) * SECONDS[unit]


def written(seconds: float) -> str:
    """A duration in the form that `parse_seconds` accepts: `7 days`, `36 hours`, `1.5 s`."""
    for unit in ("day", "hour", "minute"):
        count = seconds / SECONDS[unit]
        if count >= 1 and count == int(count):
            return f"{int(count)} {unit}{'s' if count > 1 else ''}"
    return f"{seconds:f}".rstrip("0").rstrip(".") + " s"


Seconds = Annotated[float, BeforeValidator(parse_seconds)]
