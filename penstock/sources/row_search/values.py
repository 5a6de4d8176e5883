"""Whether a value of a file is that of a table, as the contract casts it.

For a search, which may take a value for equal that the stream would have rejected: the row looked for was accepted.
"""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from penstock.schemas.contract import Field
from penstock.sources.inference.types import FALSE, TRUE
from penstock.sources.quarters import QuarterFormat

#: True, False, or None: not known.
Match = bool | None
Matcher = Callable[[Any], Match]
#: Letters of Spark's datetime patterns, as Python's strptime has them.
DIRECTIVES = {
    "yyyy": "%Y",
    "MM": "%m",
    "M": "%m",
    "dd": "%d",
    "d": "%d",
    "HH": "%H",
    "H": "%H",
    "mm": "%M",
    "m": "%M",
    "ss": "%S",
    "s": "%S",
}
PART = re.compile(r"'(?P<quoted>[^']*)'|(?P<letters>([A-Za-z])\3*)|(?P<mark>[^A-Za-z'])")


def matcher(field: Field, wanted: Any) -> Matcher:
    """Compares values of a file, as texts or in a type of their own, with the table's value."""
    if wanted is None:
        return lambda given: is_missing(given, field)
    by_kind: dict[str, Callable[[Field, Any], Matcher]] = {
        "number": number_matcher,
        "boolean": boolean_matcher,
        "time": time_matcher,
        "text": lambda _, value: lambda given: bool(str(given) == value),
    }
    if field.facts.kind == "time" and isinstance(wanted, str):
        # A time that Python has none for.
        return lambda _: None
    compare = by_kind[field.facts.kind](field, wanted)
    return lambda given: False if given is None else compare(given)


def is_missing(given: Any, field: Field) -> Match:
    return given is None or (field.is_floating and field.nan == "null" and str(given).strip().lower() == "nan")


def number_matcher(field: Field, wanted: Any) -> Matcher:
    is_float = isinstance(wanted, float)

    def compare(given: Any) -> Match:
        text = str(given)
        if isinstance(given, str) and field.decimal == ",":
            text = text.replace(",", ".")
        try:
            number = Decimal(text.strip())
        except InvalidOperation:
            return False
        if not is_float:
            return bool(number == wanted)
        found = float(number)
        if field.type == "float":
            with np.errstate(over="ignore"):
                found = float(np.float32(found))
        return found == wanted or (math.isnan(found) and math.isnan(wanted))

    return compare


def boolean_matcher(field: Field, wanted: Any) -> Matcher:  # noqa: ARG001 - the matchers have one signature
    words = TRUE if wanted else FALSE
    return lambda given: str(given).lower() in words


def time_matcher(field: Field, wanted: Any) -> Matcher:
    expected = moment_of(wanted)

    def compare(given: Any) -> Match:
        found = moment_of(given) if isinstance(given, date) else read_time(str(given), field.format)
        if found is None:
            return None
        return found.date() == expected.date() if field.type == "date" else found == expected

    return compare


def moment_of(value: date) -> datetime:
    """In UTC; of a date its midnight, and of a time without a zone as if it were UTC."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def read_time(text: str, form: str | None) -> datetime | None:
    """None for a text that can't be read here."""
    try:
        if form is None:
            return moment_of(datetime.fromisoformat(re.sub(r" ?(UTC|GMT)$", "Z", text.strip())))
        if quarters := QuarterFormat.of(form):
            found = re.fullmatch(quarters.regex, text)
            if found is None:
                return None
            return datetime(int(found[quarters.year_group]), int(found[quarters.quarter_group]) * 3 - 2, 1, tzinfo=UTC)
        directives = strptime_format(form)
        return moment_of(datetime.strptime(text, directives)) if directives else None
    except ValueError:
        return None


def strptime_format(form: str) -> str | None:
    """Spark's datetime pattern as one of Python; None where it has letters that are not known here."""
    found = ""
    for part in PART.finditer(form):
        if part["letters"]:
            if part["letters"] not in DIRECTIVES:
                return None
            found += DIRECTIVES[part["letters"]]
        else:
            found += (part["quoted"] or part["mark"] or "").replace("%", "%%")
    return found
