"""Texts as values of the contract's types, natively in Spark: what a text must look like to be one."""

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.schemas.contract import Field
from penstock.schemas.tables import spark_type
from penstock.sources.quarters import QuarterFormat
from penstock.spark.functions import parse_number

NOT_A_NUMBER = r"^[nN][aA][nN]$"
#: As databases and spreadsheets write them, in capital or small letters.
TRUE, FALSE = "true|t|yes|y|on|1", "false|f|no|n|off|0"
BOOLEAN = rf"^(?i)({TRUE}|{FALSE})\z"
IS_TRUE = rf"^(?i)({TRUE})\z"
#: An integer that is written with a fraction of zeros only.
WHOLE = r"^[+-]?[0-9]+\.0*\z"
YEAR = "[0-9]{4}"
#: As Java writes it: with a sign before the year 0 and after 9999.
ANY_YEAR = r"([0-9]{4}|\+[0-9]{5,7}|-[0-9]{4,7})"
MONTH_AND_DAY = "-[0-9]{2}-[0-9]{2}"
TIME_OF_DAY = r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
ISO_DATE = f"^{YEAR}{MONTH_AND_DAY}$"
ISO_TIMESTAMP = f"^{YEAR}{MONTH_AND_DAY}{TIME_OF_DAY}$"
#: With a time zone as other programs write it: PostgreSQL's +00, or UTC as a word behind a blank.
ZONED_TIMESTAMP = (
    f"^{YEAR}{MONTH_AND_DAY}[T ][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}(\\.[0-9]{{1,6}})?)?"
    " ?(Z|UTC|GMT|[+-][0-9]{2}(:?[0-9]{2})?)\\z"
)
#: Of a ZONED_TIMESTAMP: Z for UTC, no blank before the offset, minutes in the offset, and seconds before a zone.
AS_SPARK_READS_IT = (
    (" ?(Z|UTC|GMT)$", "Z"),
    (" ([+-][0-9]{2}:?[0-9]{2})$", "$1"),
    (" ?([+-][0-9]{2})$", "$1:00"),
    ("([T ][0-9]{2}:[0-9]{2})(Z|[+-][0-9]{2}:?[0-9]{2})$", "$1:00$2"),
)
JSON_DATE = f"^{ANY_YEAR}{MONTH_AND_DAY}$"
JSON_TIMESTAMP = f"^{ANY_YEAR}{MONTH_AND_DAY}{TIME_OF_DAY}$"
#: A decimal with an exponent, as programs write those below a millionth: 1.2E-7.
SCIENTIFIC = r"^([+-]?)(?=\.?[0-9])([0-9]*)\.?([0-9]*)[eE]([+-]?[0-9]{1,2})\z"


def cast_text(text: Column, field: Field) -> Column:
    """The text as the field's type; a number with a decimal comma as if with a point. Null where it is not one."""
    written = with_point(text) if field.decimal == "," else text
    if field.decimal_precision_scale:
        return cast_decimal(written, field)
    return TEXT_CASTS[field.type](written, field)


def with_point(text: Column) -> Column:
    """A number with a decimal comma, with a point; null where there is one: 1.234 could be either."""
    return F.when(~text.contains("."), F.translate(text, ",", "."))


def cast_json_text(text: Column, field: Field) -> Column:
    """As `cast_text`, and whatever else Java writes for a value of the type: years of any length."""
    if field.type == "date":
        return F.when(text.rlike(JSON_DATE), text.try_cast("date"))
    if field.type == "timestamp":
        return F.when(text.rlike(JSON_TIMESTAMP), text.try_cast("timestamp"))
    return cast_text(text, field)


def without_exponent(text: Column) -> Column:
    """0.00000012 for the SCIENTIFIC 1.2E-7."""
    sign, whole, fraction, exponent = (F.regexp_extract(text, SCIENTIFIC, group) for group in range(1, 5))
    right, left = F.greatest(exponent.cast("int"), F.lit(0)), F.greatest(-exponent.cast("int"), F.lit(0))
    zero, one = F.lit("0"), F.lit(1)
    fraction = F.concat(fraction, F.repeat(zero, right))
    digits = F.concat(F.repeat(zero, left), whole, F.substring(fraction, one, right))
    at = F.length(digits) - left
    behind = F.concat(F.substring(digits, at + 1, left), F.substring(fraction, right + 1, F.length(fraction)))
    return F.concat(sign, F.substring(digits, one, at), F.lit("."), behind)


def cast_number(text: Column, field: Field) -> Column:
    """Digits, in floating numbers a point and an exponent, signs. Spark's cast takes `7.4f` and `Infinity` too."""
    name = spark_type(field).simpleString()
    number = parse_number(text, name)
    if field.facts.is_whole:
        whole = F.when(text.rlike(WHOLE), F.substring_index(text, ".", 1))
        return F.coalesce(number, parse_number(whole, name))
    if field.nan == "keep":
        no_number = F.lit(float("nan")).cast(spark_type(field))
        return F.coalesce(number, F.when(text.rlike(NOT_A_NUMBER), no_number))
    return number


def cast_decimal(text: Column, field: Field) -> Column:
    """Only texts whose digits all have their place: Spark's own cast would round."""
    _, scale = field.decimal_precision_scale or (0, 0)
    pattern = rf"^[+-]?(?=\.?[0-9])[0-9]*(\.[0-9]{{0,{scale}}}0*)?\z"

    def exact(digits: Column) -> Column:
        return F.when(digits.rlike(pattern), digits.try_cast(spark_type(field)))

    return F.coalesce(exact(text), exact(F.when(text.rlike(SCIENTIFIC), without_exponent(text))))


def cast_boolean(text: Column, field: Field) -> Column:
    return F.when(text.rlike(BOOLEAN), text.rlike(IS_TRUE))


def cast_date(text: Column, field: Field) -> Column:
    if field.format:
        return F.to_date(by_format(text, field.format))
    return F.when(text.rlike(ISO_DATE), text.try_cast("date"))


def by_format(text: Column, form: str) -> Column:
    """A time as the field's format has it; a quarter's is its beginning."""
    quarters = QuarterFormat.of(form)
    return quarters.first_day(text).cast("timestamp") if quarters else F.try_to_timestamp(text, F.lit(form))


def cast_timestamp(text: Column, field: Field) -> Column:
    """A time without a date is none: Spark's cast would put it on today."""
    if field.format:
        return by_format(text, field.format)
    iso = F.when(text.rlike(ISO_TIMESTAMP), text.try_cast("timestamp"))
    written = text
    for pattern, replacement in AS_SPARK_READS_IT:
        written = F.regexp_replace(written, pattern, replacement)
    return F.coalesce(iso, F.when(text.rlike(ZONED_TIMESTAMP), written.try_cast("timestamp")))


def as_is(text: Column, field: Field) -> Column:
    return text


TEXT_CASTS: dict[str, Callable[[Column, Field], Column]] = {
    "double": cast_number,
    "float": cast_number,
    "integer": cast_number,
    "long": cast_number,
    "boolean": cast_boolean,
    "date": cast_date,
    "timestamp": cast_timestamp,
    "string": as_is,
}
