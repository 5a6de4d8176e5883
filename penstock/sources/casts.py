"""The contract as native Spark expressions: casts of values, which of them are bad, whether rules hold, and reasons."""

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.schemas.contract import Field, Rule
from penstock.schemas.tables import spark_type
from penstock.sources.row_columns import IS_HEADER, ROW_REASON
from penstock.spark.functions import parse_number

ACCEPTED = "_accepted"
REASONS = "reasons"
SHOWN_CHARACTERS = 60

NOT_A_NUMBER = r"^[nN][aA][nN]$"
BOOLEAN = r"^(?i)(true|false)$"
YEAR = "[0-9]{4}"
#: As Java writes it: with a sign before the year 0 and after 9999.
ANY_YEAR = r"([0-9]{4}|\+[0-9]{5,7}|-[0-9]{4,7})"
MONTH_AND_DAY = "-[0-9]{2}-[0-9]{2}"
TIME_OF_DAY = r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
ISO_DATE = f"^{YEAR}{MONTH_AND_DAY}$"
ISO_TIMESTAMP = f"^{YEAR}{MONTH_AND_DAY}{TIME_OF_DAY}$"
JSON_DATE = f"^{ANY_YEAR}{MONTH_AND_DAY}$"
JSON_TIMESTAMP = f"^{ANY_YEAR}{MONTH_AND_DAY}{TIME_OF_DAY}$"
#: A decimal below a millionth as Java writes it: 1.2E-7.
SMALL_DECIMAL = r"^(-?)([0-9])\.?([0-9]*)E-([0-9]{1,2})$"
#: In place of a type: a text that the JSON of a Parquet row has for a value.
JSON_TEXT = "json"


def with_row_reasons(reasons: Column) -> Column:
    return (
        F.when(F.col(ROW_REASON).isNotNull(), F.array(F.col(ROW_REASON)))
        .when(F.col(IS_HEADER), F.array(F.lit("row: is the header line again")))
        .otherwise(reasons)
    )


def reason_of(rule: Rule) -> Column:
    return F.lit(f"rule {rule.name}: not true: {rule.sql}")


def holds(rule: Rule) -> Column:
    return F.coalesce(F.expr(rule.sql), F.lit(False))


def is_bad(field: Field, given: str, value: Column, text: Column) -> Column:
    """Null where the contract wants a value, or a text that is not of the field's type. text: the value as it came."""
    if not field.nullable:
        return value.isNull()
    came_as_null = text.isNull()
    if field.nan == "null" and field.is_floating:
        came_as_null = came_as_null | is_nan_text(text, given)
    return value.isNull() & ~came_as_null


def is_nan_text(text: Column, given: str) -> Column:
    return F.isnan(text) if given in ("double", "float") else F.coalesce(text.rlike(NOT_A_NUMBER), F.lit(False))


def reason_against(field: Field, name: Column, given: Column) -> Column:
    """name: of `field`, or of another one of its kind."""
    text = given.cast("string")
    article = "an" if field.type[0] in "aeiou" else "a"
    in_format = f" (format {field.format})" if field.format else ""
    is_null = F.concat(name, F.lit(": is null, and the contract wants a value"))
    return F.when(text.isNull(), is_null).otherwise(
        F.concat(
            name,
            F.lit(": '"),
            F.substring(text, 1, SHOWN_CHARACTERS),
            F.when(F.length(text) > SHOWN_CHARACTERS, F.lit("...")).otherwise(F.lit("")),
            F.lit(f"' is not {article} {field.type}{in_format}"),
        )
    )


def cast_field(value: Column, given: str, field: Field) -> Column:
    """The value as the field's type; null where it is not one. `given` is the Spark type it comes as, or JSON_TEXT."""
    if given == JSON_TEXT:
        return cast_json_text(value, field)
    return cast_text(value, field) if given == "string" else value.try_cast(spark_type(field))


def without_infinity(value: Column, field: Field) -> Column:
    """The cast value; null where it is infinite, or NaN and the contract does not keep that."""
    if not field.is_floating:
        return value
    if field.nan == "keep":
        return F.when(F.abs(value) != float("inf"), value)  # Spark: NaN = NaN, and NaN is greater than any number
    return F.when(F.abs(value) < float("inf"), value)


def cast_text(text: Column, field: Field) -> Column:
    if field.decimal_precision_scale:
        return cast_decimal(text, field)
    return TEXT_CASTS[field.type](text, field)


def cast_json_text(text: Column, field: Field) -> Column:
    """As `cast_text`, and whatever else Java writes for a value of the type: years of any length, small decimals."""
    if field.decimal_precision_scale:
        return cast_decimal(F.when(text.rlike(SMALL_DECIMAL), without_exponent(text)).otherwise(text), field)
    if field.type == "date":
        return F.when(text.rlike(JSON_DATE), text.try_cast("date"))
    if field.type == "timestamp":
        return F.when(text.rlike(JSON_TIMESTAMP), text.try_cast("timestamp"))
    return cast_text(text, field)


def without_exponent(text: Column) -> Column:
    """0.00000012 for the SMALL_DECIMAL 1.2E-7."""
    sign, first, others, exponent = (F.regexp_extract(text, SMALL_DECIMAL, group) for group in range(1, 5))
    zeros = F.repeat(F.lit("0"), exponent.cast("int") - 1)
    return F.concat(sign, F.lit("0."), zeros, first, others)


def cast_number(text: Column, field: Field) -> Column:
    """Digits, in floating numbers a point and an exponent, signs. Spark's cast takes `7.4f` and `Infinity` too."""
    number = parse_number(text, spark_type(field).simpleString())
    if field.nan == "keep" and field.is_floating:
        no_number = F.lit(float("nan")).cast(spark_type(field))
        return F.coalesce(number, F.when(text.rlike(NOT_A_NUMBER), no_number))
    return number


def cast_decimal(text: Column, field: Field) -> Column:
    """Only texts whose digits all have their place: Spark's own cast would round."""
    _, scale = field.decimal_precision_scale or (0, 0)
    pattern = rf"^[+-]?(?=\.?[0-9])[0-9]*(\.[0-9]{{0,{scale}}}0*)?$"
    return F.when(text.rlike(pattern), text.try_cast(spark_type(field)))


def cast_boolean(text: Column, field: Field) -> Column:
    return F.when(text.rlike(BOOLEAN), text.try_cast("boolean"))


def cast_date(text: Column, field: Field) -> Column:
    if field.format:
        return F.to_date(F.try_to_timestamp(text, F.lit(field.format)))
    return F.when(text.rlike(ISO_DATE), text.try_cast("date"))


def cast_timestamp(text: Column, field: Field) -> Column:
    """A time without a date is none: Spark's cast would put it on today."""
    if field.format:
        return F.try_to_timestamp(text, F.lit(field.format))
    return F.when(text.rlike(ISO_TIMESTAMP), text.try_cast("timestamp"))


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
