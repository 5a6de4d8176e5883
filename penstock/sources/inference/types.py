"""Of which contract type are the texts of a sample's column? By the contract's own strict rules."""

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

from penstock.sources.blanks import BLANKS

# As penstock.sources.casts casts them natively.
INTEGER = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
NOT_A_NUMBER = re.compile("nan", re.IGNORECASE)
WHOLE = re.compile(r"[+-]?[0-9]+(\.0*)?")
TRUE, FALSE = frozenset(["true", "t", "yes", "y", "on", "1"]), frozenset(["false", "f", "no", "n", "off", "0"])
PAIRS = tuple({yes, no} for yes, no in (("t", "f"), ("yes", "no"), ("y", "n"), ("on", "off")))
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ISO_TIMESTAMP = re.compile(
    rf"(?P<local>{ISO_DATE.pattern}([T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\.[0-9]{{1,6}})?)?)?)"
    r"( ?(?P<zone>Z|UTC|GMT|(?P<sign>[+-])(?P<hours>[0-9]{2})(:?(?P<minutes>[0-9]{2}))?))?"
)
#: The farthest time zone of Java's.
MAX_OFFSET = timedelta(hours=18)
LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
COMMA_NUMBER = re.compile(r"[+-]?([0-9]+,?[0-9]*|,[0-9]+)([eE][+-]?[0-9]+)?")
#: A comma that could set apart thousands just as well: 1,234.
AMBIGUOUS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
SET_APART = re.compile(r"[+-]?[0-9]{1,3}([.,' \u00a0\u202f][0-9]{3})+([.,][0-9]*)?")
DECIMAL_COMMA = "has numbers with a decimal comma; one with a point or a thousands separator is rejected"
WITH_COMMA = (
    "has numbers with a comma, a decimal comma or one that sets apart thousands: in CSV give the field type='double' "
    "and decimal=',' for the first, and write numbers without it for the second"
)
WITH_THOUSANDS = "has numbers with thousands separators, which no type takes; write them without, 1234.5 or 1234,5"
#: What is said of texts that look like numbers.
NUMBER_NOTES = (WITH_COMMA, WITH_THOUSANDS)
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
    decimal: Literal[".", ","] = "."
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
    times = {
        "": ("", ""),
        " HH:mm": (" %H:%M", " [0-9]{2}:[0-9]{2}"),
        " HH:mm:ss": (" %H:%M:%S", " [0-9]{2}:[0-9]{2}:[0-9]{2}"),
    }
    found = []
    for is_padded in (True, False):
        spark = {"d": "dd" if is_padded else "d", "m": "MM" if is_padded else "M", "y": "yyyy"}
        looks = dict.fromkeys("dm", "[0-9]{2}" if is_padded else "[0-9]{1,2}") | {"y": "[0-9]{4}"}
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


def kind_of(texts: Iterable[str | None], *, commas: bool = False) -> Kind:
    """The strictest type that all texts have; None is a missing value. commas: numbers may have decimal ones."""
    different = set(texts)
    nullable = None in different
    values = {text for text in different if text is not None}
    if not values:
        return Kind(type="string", nullable=True, note="has no value in the sample; give it its type")
    number = number_kind(values, nullable) or (comma_kind(values, nullable) if commas else None)
    return number or boolean_kind(values, nullable) or time_kind(values, nullable)


def number_kind(values: set[str], nullable: bool) -> Kind | None:
    if all(map(INTEGER.fullmatch, values)):
        return whole_kind(values, nullable)
    numbers = {text for text in values if not NOT_A_NUMBER.fullmatch(text)}
    if not numbers or not all(NUMBER.fullmatch(text) and math.isfinite(float(text)) for text in numbers):
        return None
    if len(numbers) < len(values):
        return Kind(type="double", nullable=True, nan="null", note="has NaN in the sample, taken as missing")
    return Kind(type="double", nullable=nullable)


def comma_kind(values: set[str], nullable: bool) -> Kind | None:
    """Numbers of which some have a decimal comma, and not only such as 1,234, which could be a thousand and more."""
    numbers = {text for text in values if not NOT_A_NUMBER.fullmatch(text)}
    with_comma = {text for text in numbers if "," in text}
    if not with_comma or not all(map(COMMA_NUMBER.fullmatch, numbers)) or all(map(AMBIGUOUS.fullmatch, with_comma)):
        return None
    if not all(math.isfinite(float(text.replace(",", "."))) for text in numbers):
        return None
    has_nan = len(numbers) < len(values)
    return Kind(
        type="double",
        nullable=nullable or has_nan,
        nan="null" if has_nan else "reject",
        decimal=",",
        note=DECIMAL_COMMA,
    )


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
    """true and false, or two words that mean them, both of them: a column of `t` may as well be one of letters."""
    words = {text.lower() for text in values}
    is_pair = len(words) == 2 and words in PAIRS
    return Kind(type="boolean", nullable=nullable) if is_pair or words <= {"true", "false"} else None


def read_boolean(text: str) -> bool | None:
    """None where a contract's boolean does not take it."""
    word = text.lower()
    return True if word in TRUE else False if word in FALSE else None


def time_kind(values: set[str], nullable: bool) -> Kind:
    """A date, a timestamp, or just text."""
    if all(read_iso(text) is not None for text in values):
        is_day = all(map(ISO_DATE.fullmatch, values))
        return Kind(type="date" if is_day else "timestamp", nullable=nullable)
    fitting = fitting_formats(values)
    if not fitting:
        return Kind(type="string", nullable=nullable, note=number_note(values))
    first = fitting[0]
    # The padded and the free pattern of one order are the same date; another order is another one.
    others = [other.spark for other in fitting[1:] if other.python != first.python]
    note = f"could be written as {others[0]} just as well as {first.spark}; check its format" if others else ""
    kind = "timestamp" if first.has_time else "date"
    return Kind(type=kind, nullable=nullable, format=first.spark, note=note)


def read_iso(text: str) -> datetime | None:
    """An ISO 8601 date or time, in UTC where it has no zone; None where a contract's timestamp does not take it."""
    found = ISO_TIMESTAMP.fullmatch(text)
    if found is None or (found["zone"] and ISO_DATE.fullmatch(found["local"])):
        return None
    offset = timedelta(hours=int(found["hours"] or 0), minutes=int(found["minutes"] or 0))
    if int(found["minutes"] or 0) >= 60 or offset > MAX_OFFSET:
        return None
    zone = timezone(-offset if found["sign"] == "-" else offset) if offset else UTC
    try:
        return datetime.fromisoformat(found["local"]).replace(tzinfo=zone)
    except ValueError:
        return None


def number_note(values: set[str]) -> str:
    """What to write where a column of texts looks like one of numbers."""
    if all(map(COMMA_NUMBER.fullmatch, values)) and any("," in text for text in values):
        return WITH_COMMA
    if all(SET_APART.fullmatch(text) or NUMBER.fullmatch(text) or COMMA_NUMBER.fullmatch(text) for text in values):
        return WITH_THOUSANDS
    return ""


def fitting_formats(values: set[str]) -> list[DateFormat]:
    one = next(iter(values))
    return [form for form in DATE_FORMATS if form.fits(one) and all(map(form.fits, values))]


def is_date(text: str, read: Callable[[str], datetime]) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def null_marker_of(columns: Iterable[Iterable[str | None]], *, commas: bool = False) -> str:
    """The text without which most columns are more than text; empty if there is none."""
    texts = [set(column) for column in columns]
    plain = [
        column for column in texts if column & set(NULL_MARKERS) and kind_of(column, commas=commas).type == "string"
    ]
    gains = {
        marker: sum(
            marker in column
            and not column <= {marker, None}
            and kind_of(column - {marker}, commas=commas).type != "string"
            for column in plain
        )
        for marker in NULL_MARKERS
    }
    best = max(NULL_MARKERS, key=lambda marker: gains[marker])
    return best if gains[best] else ""


def wants_trim(header: Iterable[str], columns: Iterable[Iterable[str | None]], *, commas: bool = False) -> bool:
    """Whether blanks around the fields hide names or types."""
    if any(name != name.strip(BLANKS) for name in header):
        return True
    for column in map(set, columns):
        stripped = {text and (text.strip(BLANKS) or None) for text in column}
        if stripped != column and (
            kind_of(column, commas=commas).type == "string" != kind_of(stripped, commas=commas).type
        ):
            return True
    return False
