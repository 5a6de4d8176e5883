"""Durations as people write them: `5 minutes`, `90 s`, `1 hour 30 minutes`."""

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
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    found, position = 0.0, 0
    written = str(text)
    while match := PART.match(written, position):
        unit = match[2].lower()
        unit = unit if unit in SECONDS else unit.removesuffix("s")
        if unit not in SECONDS:
            raise ValueError(f"{written!r} has no known unit ({match[2]}); write for example '5 minutes' or '30 s'")
        found, position = found + float(match[1]) * SECONDS[unit], match.end()
    if position == 0 or position != len(written):
        raise ValueError(f"{written!r} is not a duration; write for example '5 minutes' or '30 s'")
    return found


Seconds = Annotated[float, BeforeValidator(parse_seconds)]
