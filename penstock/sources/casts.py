"""The contract as native Spark expressions: cast every field, apply every rule, collect every reason."""

from functools import lru_cache

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.schemas.contract import Contract, Field, Rule
from penstock.schemas.tables import spark_type
from penstock.sources.row_columns import HEADER, IS_HEADER, PARSED, RAW, ROW_REASON, SOURCE_FILE
from penstock.sources.text_casts import NOT_A_NUMBER, cast_json_text, cast_text
from penstock.spark.functions import all_of

ACCEPTED = "_accepted"
REASONS = "reasons"
TEXT = "_text_"
SHOWN_CHARACTERS = 60

#: A number whose thousands are set apart.
THOUSANDS = r"^[+-]?[0-9]{1,3}([,' \u00a0\u202f][0-9]{3})+(\.[0-9]*)?$"
#: In place of a type: a text that the JSON of a Parquet row has for a value.
JSON_TEXT = "json"


def check_rows(rows: DataFrame, contract: Contract, *, text_type: str = "string") -> DataFrame:
    """The rows with typed fields and a verdict. text_type: what columns of text are, "string" or JSON_TEXT.

    Columns: the contract's fields with their types (null where the cast failed), `_accepted` (boolean), `reasons`
    (array<string>, null if accepted), `_raw` and `_header` (string, null if accepted), `_is_header`, `source_file`.
    """
    frame = rows
    types = tuple((name, text_type if kind == "string" else kind) for name, kind in rows.dtypes)
    for columns in check_expressions(contract, types):
        frame = frame.select(*columns)
    return frame


@lru_cache(maxsize=32)
def check_expressions(contract: Contract, types: tuple[tuple[str, str], ...]) -> tuple[tuple[Column, ...], ...]:
    """The columns of one projection after the other: the fields cast, and as they came; without infinite numbers; with
    `_accepted`; those of `check_rows`. What a projection uses twice the one before it has made: Spark evaluates an
    expression again wherever it stands in a condition.

    types: the columns of the rows and their Spark types. Kept, for each part of an expression is a call of the JVM,
    and the next batch has the same.
    """
    given = dict(types)
    names = [F.col(field.name) for field in contract.fields]
    casts = [typed(field, given).alias(field.name) for field in contract.fields]
    finite = [without_infinity(field).alias(field.name) for field in contract.fields]
    texts = [F.col(field.name).alias(TEXT + field.name) for field in contract.fields]
    kept = [F.col(TEXT + field.name) for field in contract.fields]
    is_rejected = ~F.col(ACCEPTED)
    verdict = [
        F.col(ACCEPTED),
        # Reasons are made for rejected rows only: the accepted pay for one boolean.
        F.when(is_rejected, all_reasons(contract, given)).alias(REASONS),
        F.when(is_rejected, F.col(RAW)).alias(RAW),
        F.when(is_rejected, F.col(HEADER)).alias(HEADER),
        F.col(IS_HEADER),
        F.col(SOURCE_FILE),
    ]
    others = [F.col(name) for name in (RAW, HEADER, ROW_REASON, IS_HEADER, SOURCE_FILE)]
    accepted = is_accepted(contract, given).alias(ACCEPTED)
    return (*casts, *texts, *others), (*finite, *kept, *others), (F.col("*"), accepted), (*names, *verdict)


def is_accepted(contract: Contract, given: dict[str, str]) -> Column:
    fields_are_good = [~is_bad(field, given[field.name]) for field in contract.fields]
    rules_hold = [holds(rule) for rule in contract.rules]
    return all_of([F.col(ROW_REASON).isNull(), ~F.col(IS_HEADER), *fields_are_good, *rules_hold])


def all_reasons(contract: Contract, given: dict[str, str]) -> Column:
    """Every reason against a row; one on the whole row stands alone, for its fields can't be trusted."""
    in_fields = [F.when(is_bad(field, given[field.name]), reason_against(field)) for field in contract.fields]
    in_rules = [
        F.when(
            ~holds(rule) & is_judgeable(rule, contract, given),
            F.lit(f"rule {rule.name}: not true: {rule.sql}"),
        )
        for rule in contract.rules
    ]
    reasons = F.filter(F.array(*in_fields, *in_rules), lambda reason: reason.isNotNull())
    return (
        F.when(F.col(ROW_REASON).isNotNull(), F.array(F.col(ROW_REASON)))
        .when(F.col(IS_HEADER), F.array(F.lit("row: is the header line again")))
        .otherwise(reasons)
    )


def is_judgeable(rule: Rule, contract: Contract, given: dict[str, str]) -> Column:
    """A rule over a field that is bad already says nothing new."""
    return all_of([~is_bad(field, given[field.name]) for field in contract.fields if rule.mentions(field.name)])


def holds(rule: Rule) -> Column:
    return F.coalesce(F.expr(rule.sql), F.lit(False))


def is_bad(field: Field, given: str) -> Column:
    """Null where the contract wants a value, or a text that is not of the field's type."""
    missing_now = F.col(field.name).isNull()
    if not field.nullable:
        return missing_now
    came_as_null = F.col(TEXT + field.name).isNull()
    if field.nan == "null" and field.is_floating:
        came_as_null = came_as_null | is_nan_text(F.col(TEXT + field.name), given)
    return missing_now & ~came_as_null


def is_nan_text(text: Column, given: str) -> Column:
    return F.isnan(text) if given in ("double", "float") else F.coalesce(text.rlike(NOT_A_NUMBER), F.lit(False))


def reason_against(field: Field) -> Column:
    text = F.col(TEXT + field.name).cast("string")
    article = "an" if field.type[0] in "aeiou" else "a"
    in_format = f" (format {field.format})" if field.format else ""
    if field.decimal == ",":
        in_format = " (with a decimal comma, and without thousands separators)"
    return F.when(text.isNull(), F.lit(f"{field.name}: is null, and the contract wants a value")).otherwise(
        F.concat(
            F.lit(f"{field.name}: '"),
            F.substring(text, 1, SHOWN_CHARACTERS),
            F.when(F.length(text) > SHOWN_CHARACTERS, F.lit("...")).otherwise(F.lit("")),
            F.lit(f"' is not {article} {field.type}{in_format}"),
            *([separators_hint(text)] if field.facts.kind == "number" and field.decimal == "." else []),
        )
    )


def separators_hint(text: Column) -> Column:
    """What to write in place of 1,234.5."""
    return F.when(text.rlike(THOUSANDS), F.lit("; write it without thousands separators")).otherwise(F.lit(""))


def typed(field: Field, given: dict[str, str]) -> Column:
    """The field's value: read as a number with its line, or cast."""
    cast = cast_field(F.col(field.name), given[field.name], field)
    parsed = PARSED + field.name
    return F.coalesce(F.col(parsed), cast) if parsed in given else cast


def cast_field(value: Column, given: str, field: Field) -> Column:
    """The value as the field's type; null where it is not one. `given` is the Spark type it comes as, or JSON_TEXT."""
    if given == JSON_TEXT:
        return cast_json_text(value, field)
    return cast_text(value, field) if given == "string" else value.try_cast(spark_type(field))


def without_infinity(field: Field) -> Column:
    """The cast value; null where it is infinite, or NaN and the contract does not keep that."""
    value = F.col(field.name)
    if not field.is_floating:
        return value
    if field.nan == "keep":
        return F.when(F.abs(value) != float("inf"), value)  # Spark: NaN = NaN, and NaN is greater than any number
    return F.when(F.abs(value) < float("inf"), value)
