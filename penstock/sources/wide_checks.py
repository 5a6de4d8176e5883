"""The checks of a contract with many fields: fields of one kind are one array, so that a plan hardly grows with them.

Spark analyzes, optimizes and compiles each expression of a plan. With a cast, a check and a reason for each field that
takes seconds for some dozens of fields, and minutes for some hundreds. Here a kind of field is cast, checked and
reported by one expression over the elements of an array. That is slower for each value, since Spark does not compile
such expressions, so that contracts of few fields are checked column by column (penstock.sources.row_checks).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, ROW_REASON, SOURCE_FILE
from penstock.spark.functions import all_of, quoted

ROW_COLUMNS = (RAW, HEADER, ROW_REASON, IS_HEADER, SOURCE_FILE)
#: A contract with more fields and rules than this is wide.
MAX_NARROW = 40
#: Of Spark's optimizer, for the session: what compares each column of a plan with each other one.
SETTINGS = {
    "spark.sql.constraintPropagation.enabled": "false",
    "spark.sql.optimizer.expression.nestedPruning.enabled": "false",
}
PLACE = "place"
REASON = "reason"


@dataclass(frozen=True)
class Kind:
    """Fields that differ in their names only. given: the Spark type that they come as, or JSON_TEXT. places: where each
    stands in the contract."""

    number: int
    given: str
    fields: tuple[Field, ...]
    places: tuple[int, ...]

    @property
    def field(self) -> Field:
        """One of them, for all that is the same."""
        return self.fields[0]

    @property
    def texts(self) -> str:
        """The column of their values as they came."""
        return f"_given_{self.number}"

    @property
    def values(self) -> str:
        return f"_values_{self.number}"

    @property
    def bad(self) -> str:
        return f"_bad_{self.number}"


def is_wide(contract: Contract) -> bool:
    return len(contract.fields) + len(contract.rules) > MAX_NARROW


def check_wide_rows(rows: DataFrame, contract: Contract, types: tuple[tuple[str, str], ...]) -> DataFrame:
    """As `row_checks.check_rows`. types: the columns of the rows and their types, see `wide_expressions`."""
    for key, value in SETTINGS.items():
        rows.sparkSession.conf.set(key, value)
    for columns in wide_expressions(contract, types):
        rows = rows.select(*columns)
    return rows


@lru_cache(maxsize=32)
def wide_expressions(contract: Contract, types: tuple[tuple[str, str], ...]) -> tuple[tuple[Column, ...], ...]:
    """As `row_checks.check_expressions`, with the same columns in the end."""
    kinds = kinds_of(contract, dict(types))
    others = tuple(F.col(name) for name in ROW_COLUMNS)
    packed = (*[packed_column(kind) for kind in kinds], *others)
    cast = (*[F.col(kind.texts) for kind in kinds], *[cast_column(kind) for kind in kinds], *others)
    judged = (F.col("*"), *[bad_column(kind) for kind in kinds], *ruled_columns(contract, kinds))
    accepted = (F.col("*"), is_accepted(contract, kinds).alias(ACCEPTED))
    is_rejected = ~F.col(ACCEPTED)
    verdict = (
        *field_columns(contract, kinds),
        F.col(ACCEPTED),
        F.when(is_rejected, all_reasons(contract, kinds)).alias(REASONS),
        F.when(is_rejected, F.col(RAW)).alias(RAW),
        F.when(is_rejected, F.col(HEADER)).alias(HEADER),
        F.col(IS_HEADER),
        F.col(SOURCE_FILE),
    )
    return packed, cast, judged, accepted, verdict


def kinds_of(contract: Contract, given: dict[str, str]) -> tuple[Kind, ...]:
    found: dict[tuple[str, Field], list[int]] = defaultdict(list)
    for place, field in enumerate(contract.fields):
        # Whatever a field has besides its names makes a kind.
        kind = replace(field, name="x", source="x", model="x")
        found[given[field.name], kind].append(place)
    return tuple(
        Kind(
            number=number,
            given=given_type,
            fields=tuple(contract.fields[place] for place in places),
            places=tuple(places),
        )
        for number, ((given_type, _), places) in enumerate(found.items())
    )


def packed_column(kind: Kind) -> Column:
    # As SQL: each part of an expression that is made in Python is a call of the JVM.
    return F.expr(f"array({', '.join(quoted(field.name) for field in kind.fields)})").alias(kind.texts)


def cast_column(kind: Kind) -> Column:
    cast = F.transform(kind.texts, lambda text: cast_field(text, kind.given, kind.field))
    finite = F.transform(cast, lambda value: without_infinity(value, kind.field)) if kind.field.is_floating else cast
    return finite.alias(kind.values)


def bad_column(kind: Kind) -> Column:
    """An array of booleans."""
    return F.zip_with(kind.values, kind.texts, lambda value, text: is_bad(kind.field, kind.given, value, text)).alias(
        kind.bad
    )


def field_columns(contract: Contract, kinds: Sequence[Kind]) -> list[Column]:
    """Every field under its name, in the contract's order."""
    columns = {
        place: f"{kind.values}[{index}] AS {quoted(field.name)}"
        for kind in kinds
        for index, (field, place) in enumerate(zip(kind.fields, kind.places, strict=True))
    }
    return [F.expr(columns[place]) for place in range(len(contract.fields))]


def ruled_columns(contract: Contract, kinds: Sequence[Kind]) -> list[Column]:
    """The fields that rules are about."""
    columns = field_columns(contract, kinds) if contract.rules else []
    return [
        column
        for column, field in zip(columns, contract.fields, strict=False)
        if any(rule.mentions(field.name) for rule in contract.rules)
    ]


def is_accepted(contract: Contract, kinds: Sequence[Kind]) -> Column:
    fields_are_good = [~F.exists(kind.bad, lambda is_bad: is_bad) for kind in kinds]
    # Not by `&`: a filter is taken apart at each, and put together again as a list that is as deep as it is long.
    rules = [~F.array_contains(F.array(*map(holds, contract.rules)), F.lit(False))] if contract.rules else []
    return all_of([F.col(ROW_REASON).isNull(), ~F.col(IS_HEADER), *fields_are_good, *rules])


def all_reasons(contract: Contract, kinds: Sequence[Kind]) -> Column:
    """Every reason against a row, of the fields in the contract's order, then of the rules."""
    of_fields = F.filter(F.concat(*map(field_reasons, kinds)), lambda found: found.isNotNull())
    ordered = F.array_sort(of_fields) if len(kinds) > 1 else of_fields
    reasons = F.transform(ordered, lambda found: found[REASON])
    if contract.rules:
        in_rules = [F.when(~holds(rule) & is_judgeable(rule, kinds), reason_of(rule)) for rule in contract.rules]
        reasons = F.concat(reasons, F.filter(F.array(*in_rules), lambda reason: reason.isNotNull()))
    return with_row_reasons(reasons)


def field_reasons(kind: Kind) -> Column:
    """An array of structs of the field's place in the contract and the reason; null for a field that is good."""
    names = F.expr(f"array({', '.join(repr(field.name) for field in kind.fields)})")
    places = F.expr(f"array({', '.join(map(str, kind.places))})")

    def reason(is_bad: Column, index: Column) -> Column:
        text = reason_against(kind.field, F.get(names, index), F.get(kind.texts, index))
        return F.when(is_bad, F.struct(F.get(places, index).alias(PLACE), text.alias(REASON)))

    return F.transform(kind.bad, reason)


def is_judgeable(rule: Rule, kinds: Sequence[Kind]) -> Column:
    """As in `row_checks`: none of its fields is bad."""
    return all_of(
        [
            ~F.get(kind.bad, F.lit(index))
            for kind in kinds
            for index, field in enumerate(kind.fields)
            if rule.mentions(field.name)
        ]
    )
