"""The contract as native Spark expressions: casts of values, which of them are bad, whether rules hold, and reasons."""

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.schemas.contract import Field, Rule
from penstock.schemas.tables import spark_type
from penstock.sources.row_columns import IS_HEADER, ROW_REASON
from penstock.sources.text_casts import NOT_A_NUMBER, cast_json_text, cast_text

ACCEPTED = "_accepted"
REASONS = "reasons"
SHOWN_CHARACTERS = 60

#: A number whose thousands are set apart.
THOUSANDS = r"^[+-]?[0-9]{1,3}([,' \u00a0\u202f][0-9]{3})+(\.[0-9]*)?$"
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
    if field.decimal == ",":
        in_format = " (with a decimal comma, and without thousands separators)"
    is_null = F.concat(name, F.lit(": is null, and the contract wants a value"))
    return F.when(text.isNull(), is_null).otherwise(
        F.concat(
            name,
            F.lit(": '"),
            F.substring(text, 1, SHOWN_CHARACTERS),
            F.when(F.length(text) > SHOWN_CHARACTERS, F.lit("...")).otherwise(F.lit("")),
            F.lit(f"' is not {article} {field.type}{in_format}"),
            *([separators_hint(text)] if field.facts.kind == "number" and field.decimal == "." else []),
        )
    )


def separators_hint(text: Column) -> Column:
    """What to write in place of 1,234.5."""
    return F.when(text.rlike(THOUSANDS), F.lit("; write it without thousands separators")).otherwise(F.lit(""))


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
