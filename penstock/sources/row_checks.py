"""Checks rows by the contract: every field cast, every rule applied, every reason against a row collected."""

from functools import lru_cache

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from penstock.schemas.contract import Contract, Field, Rule
from penstock.sources.casts import (
    ACCEPTED,
    REASONS,
    cast_field,
    holds,
    is_bad,
    reason_against,
    reason_of,
    with_row_reasons,
    without_infinity,
)
from penstock.sources.row_columns import HEADER, IS_HEADER, PARSED, RAW, ROW_REASON, SOURCE_FILE
from penstock.sources.wide_checks import check_wide_rows, is_wide
from penstock.spark.functions import all_of

TEXT = "_text_"


def check_rows(rows: DataFrame, contract: Contract, *, text_type: str = "string") -> DataFrame:
    """The rows with typed fields and a verdict. text_type: what columns of text are, "string" or JSON_TEXT.

    Columns: the contract's fields with their types (null where the cast failed), `_accepted` (boolean), `reasons`
    (array<string>, null if accepted), `_raw` and `_header` (string, null if accepted), `_is_header`, `source_file`.
    """
    frame = rows
    types = tuple((name, text_type if kind == "string" else kind) for name, kind in rows.dtypes)
    if is_wide(contract):
        return check_wide_rows(rows, contract, types)
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
    finite = [without_infinity(F.col(field.name), field).alias(field.name) for field in contract.fields]
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
    fields_are_good = [~is_bad_column(field, given[field.name]) for field in contract.fields]
    rules_hold = [holds(rule) for rule in contract.rules]
    return all_of([F.col(ROW_REASON).isNull(), ~F.col(IS_HEADER), *fields_are_good, *rules_hold])


def all_reasons(contract: Contract, given: dict[str, str]) -> Column:
    """Every reason against a row; one on the whole row stands alone, for its fields can't be trusted."""
    in_fields = [
        F.when(
            is_bad_column(field, given[field.name]),
            reason_against(field, F.lit(field.name), F.col(TEXT + field.name)),
        )
        for field in contract.fields
    ]
    in_rules = [
        F.when(
            ~holds(rule) & is_judgeable(rule, contract, given),
            reason_of(rule),
        )
        for rule in contract.rules
    ]
    return with_row_reasons(F.filter(F.array(*in_fields, *in_rules), lambda reason: reason.isNotNull()))


def is_judgeable(rule: Rule, contract: Contract, given: dict[str, str]) -> Column:
    """A rule over a field that is bad already says nothing new."""
    return all_of([~is_bad_column(field, given[field.name]) for field in contract.fields if rule.mentions(field.name)])


def is_bad_column(field: Field, given: str) -> Column:
    return is_bad(field, given, F.col(field.name), F.col(TEXT + field.name))


def typed(field: Field, given: dict[str, str]) -> Column:
    """The field's value: read as a number with its line, or cast."""
    cast = cast_field(F.col(field.name), given[field.name], field)
    parsed = PARSED + field.name
    return F.coalesce(F.col(parsed), cast) if parsed in given else cast
