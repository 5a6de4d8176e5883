"""Of which contract type are the texts of a sample's column? By the contract's own strict rules."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

# As penstock.sources.casts casts them natively.
INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
NOT_A_NUMBER = re.compile("nan", re.IGNORECASE)
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ISO_TIMESTAMP = re.compile(
    rf"{ISO_DATE.pattern}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?(Z|[+-][0-9]{{2}}:?[0-9]{{2}})?)?"
)
LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
DECIMAL_COMMA = re.compile(r"[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+)(,[0-9]+)?")
INTEGER_LIMIT, LONG_LIMIT = 2**31, 2**63
LONGEST_LONG = len("-9223372036854775808")
#: What programs write where a value is missing. Only one of them can be the config's null_marker.
NULL_MARKERS = ("NA", "N/A", "n/a", "NULL", "null", "None", "NaN", "nan", "?", "-", "\\N")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A column's type, as a contract's Field has it. note: what its reader should know; may be empty."""

    type: str
    nullable: bool = False
    format: str | None = None
    nan: Literal["reject", "null"] = "reject"
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class DateFormat:
    """A common way to write dates: its Spark pattern, its strptime format, and what a text looks like."""

    spark: str
    python: str
    looks: re.Pattern[str]
    has_time: bool

    def fits(self, text: str) -> bool:
        return bool(self.looks.fullmatch(text)) and is_date(text, lambda given: datetime.strptime(given, self.python))


def date_formats() -> tuple[DateFormat, ...]:
    """The likelier first: months before days with '/', days before months with '.' and '-'."""
    orders = {"/": ("mdy", "dmy", "ymd"), ".": ("dmy", "mdy", "ymd"), "-": ("dmy", "mdy", "ymd")}
    times = {"": ("", ""), " HH:mm": (" %H:%M", r" \d\d:\d\d"), " HH:mm:ss": (" %H:%M:%S", r" \d\d:\d\d:\d\d")}
    found = []
    for is_padded in (True, False):
        spark = {"d": "dd" if is_padded else "d", "m": "MM" if is_padded else "M", "y": "yyyy"}
        looks = dict.fromkeys("dm", r"\d\d" if is_padded else r"\d{1,2}") | {"y": r"\d{4}"}
        for separator, its_orders in orders.items():
            for order in its_orders:
                for time, (python_time, time_looks) in times.items():
                    found.append(
                        DateFormat(
                            spark=separator.join(spark[part] for part in order) + time,
                            python=separator.join(f"%{part}".replace("y", "Y") for part in order) + python_time,
                            looks=re.compile(re.escape(separator).join(looks[part] for part in order) + time_looks),
                            has_time=bool(time),
                        )
                    )
    return tuple(found)


DATE_FORMATS = date_formats()


def python_format(spark: str) -> str:
    """The strptime format of one of these Spark patterns."""
    return next(form.python for form in DATE_FORMATS if form.spark == spark)


def kind_of(texts: Iterable[str | None]) -> Kind:
    """The strictest type that all texts have; None is a missing value."""
    different = set(texts)
    nullable = None in different
    values = {text for text in different if text is not None}
    if not values:
        return Kind(type="string", nullable=True, note="has no value in the sample; give it its type")
    return number_kind(values, nullable) or boolean_kind(values, nullable) or time_kind(values, nullable)


def number_kind(values: set[str], nullable: bool) -> Kind | None:
    if all(map(INTEGER.fullmatch, values)):
        return whole_kind(values, nullable)
    numbers = {text for text in values if not NOT_A_NUMBER.fullmatch(text)}
    if not numbers or not all(NUMBER.fullmatch(text) and math.isfinite(float(text)) for text in numbers):
        return None
    if len(numbers) < len(values):
        return Kind(type="double", nullable=True, nan="null", note="has NaN in the sample, taken as missing")
    return Kind(type="double", nullable=nullable)


def whole_kind(values: set[str], nullable: bool) -> Kind:
    if any(map(LEADING_ZERO.fullmatch, values)):
        return Kind(type="string", nullable=nullable, note="are digits with leading zeros, which a number would lose")
    if max(map(len, values)) > LONGEST_LONG:
        return Kind(type="string", nullable=nullable, note="has whole numbers beyond 64 bits")
    low, high = min(map(int, values)), max(map(int, values))
    if low >= -INTEGER_LIMIT and high < INTEGER_LIMIT:
        return Kind(type="integer", nullable=nullable)
    if low >= -LONG_LIMIT and high < LONG_LIMIT:
        return Kind(type="long", nullable=nullable)
    return Kind(type="string", nullable=nullable, note="has whole numbers beyond 64 bits")


def boolean_kind(values: set[str], nullable: bool) -> Kind | None:
    return Kind(type="boolean", nullable=nullable) if {text.lower() for text in values} <= {"true", "false"} else None


def time_kind(values: set[str], nullable: bool) -> Kind:
    """A date, a timestamp, or just text."""
    if all(ISO_TIMESTAMP.fullmatch(text) and is_date(text, datetime.fromisoformat) for text in values):
        is_day = all(map(ISO_DATE.fullmatch, values))
        return Kind(type="date" if is_day else "timestamp", nullable=nullable)
    fitting = fitting_formats(values)
    if not fitting:
        comma = all(map(DECIMAL_COMMA.fullmatch, values))
        note = "has numbers with a decimal comma, which no contract type takes; write a decimal point" if comma else ""
        return Kind(type="string", nullable=nullable, note=note)
    first = fitting[0]
    # The padded and the free pattern of one order are the same date; another order is another one.
    others = [other.spark for other in fitting[1:] if other.python != first.python]
    note = f"could be written as {others[0]} just as well as {first.spark}; check its format" if others else ""
    kind = "timestamp" if first.has_time else "date"
    return Kind(type=kind, nullable=nullable, format=first.spark, note=note)


def fitting_formats(values: set[str]) -> list[DateFormat]:
    one = next(iter(values))
    return [form for form in DATE_FORMATS if form.fits(one) and all(map(form.fits, values))]


def is_date(text: str, read: Callable[[str], datetime]) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def null_marker_of(columns: Iterable[Iterable[str | None]]) -> str:
    """The text without which most columns are more than text; empty if there is none."""
    texts = [set(column) for column in columns]
    plain = [column for column in texts if column & set(NULL_MARKERS) and kind_of(column).type == "string"]
    gains = {
        marker: sum(
            marker in column and not column <= {marker, None} and kind_of(column - {marker}).type != "string"
            for column in plain
        )
        for marker in NULL_MARKERS
    }
    best = max(NULL_MARKERS, key=lambda marker: gains[marker])
    return best if gains[best] else ""


def wants_trim(header: Iterable[str], columns: Iterable[Iterable[str | None]]) -> bool:
    """Whether blanks around the fields hide names or types."""
    if any(name != name.strip() for name in header):
        return True
    for column in map(set, columns):
        stripped = {text and text.strip() for text in column}
        if stripped != column and kind_of(column).type == "string" != kind_of({s or None for s in stripped}).type:
            return True
    return False
