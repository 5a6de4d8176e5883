"""The classes of an input contract: fields with types, and rules."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Literal

from penstock.schemas.catalog import PREDICTIONS, ROW_ID
from penstock.schemas.types import TYPES, FieldType, decimal_precision_scale, field_type

SNAKE_CASE = re.compile(r"[a-z][a-z0-9_]*")

#: Columns that the tables add to a contract's own; a field must not take one of these names.
#: A contract may have a row_id of its own, which then stands in place of ours.
RESERVED_NAMES = frozenset({*PREDICTIONS.column_names, "prediction", "reasons"}) - {ROW_ID.name}


#: Spark's CSV parser takes a line of 20,480 columns, and a row goes through several plans of each column.
MAX_FIELDS = 10_000


class ContractDefinitionError(ValueError):
    """A contract that contradicts itself; the message names the field or rule and what to change."""


@dataclass(frozen=True, kw_only=True)
class Field:
    """One column of the input.

    name: the column in the tables, snake_case. source: its name in the file's header (default: name).
    model: its name in the model's signature (default: name); a field that is not a model input is
    kept in the tables. type: double, float, integer, long, string, boolean, timestamp, date, decimal(p,s).
    format: Spark datetime pattern for timestamp and date in CSV; default ISO 8601. A quarter may be q (yyyy'Q'q).
    decimal: the decimal mark of a number in CSV: "." or ","; with a comma no point is taken, nor a thousands separator.
    nan: how to treat a NaN in a double or float: reject the row, convert it to null, or keep it.
    """

    name: str
    type: str
    source: str = ""
    model: str = ""
    nullable: bool = False
    format: str | None = None
    nan: Literal["reject", "null", "keep"] = "reject"
    decimal: Literal[".", ","] = "."

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", self.source or self.name)
        object.__setattr__(self, "model", self.model or self.name)
        if not SNAKE_CASE.fullmatch(self.name):
            raise ContractDefinitionError(
                f"field {self.name!r}: a table column is snake_case (a-z, 0-9, _); "
                f"keep the header's spelling in source={self.name!r}"
            )
        if self.name in RESERVED_NAMES:
            raise ContractDefinitionError(f"field {self.name!r}: the tables use this name; choose another")
        if field_type(self.type) is None:
            raise ContractDefinitionError(
                f"field {self.name!r}: unknown type {self.type!r}; expected one of {', '.join(TYPES)} or decimal(p,s)"
            )
        decimal = self.decimal_precision_scale
        if decimal and not (1 <= decimal[0] <= 38 and decimal[1] <= decimal[0]):
            raise ContractDefinitionError(
                f"field {self.name!r}: {self.type} can't be; expected a precision of 1 to 38 and a scale within it"
            )
        if self.nan not in ("reject", "null", "keep"):
            raise ContractDefinitionError(f"field {self.name!r}: nan={self.nan!r}; expected reject, null or keep")
        if self.format and self.facts.kind != "time":
            raise ContractDefinitionError(f"field {self.name!r}: format is for timestamp and date only")
        if self.decimal not in (".", ","):
            raise ContractDefinitionError(f"field {self.name!r}: decimal={self.decimal!r}; expected '.' or ','")
        if self.decimal == "," and self.facts.kind != "number":
            raise ContractDefinitionError(f"field {self.name!r}: decimal is for numbers only")

    def __repr__(self) -> str:
        """The hash of a contract is that of its text, which is as it was before there was a decimal mark."""
        shown = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.decimal == ".":
            del shown["decimal"]
        return f"Field({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    @property
    def facts(self) -> FieldType:
        """What its type means."""
        found = field_type(self.type)
        assert found is not None
        return found

    @property
    def is_floating(self) -> bool:
        return self.facts.is_floating

    @property
    def decimal_precision_scale(self) -> tuple[int, int] | None:
        return decimal_precision_scale(self.type)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A condition on a row, in Spark SQL over the table's column names, that must be true.

    NULL is not true: a rule on a nullable field must allow it (`x IS NULL OR x > 0`). Division by zero
    gives NULL and thus rejects the row.
    """

    name: str
    sql: str

    def mentions(self, field_name: str) -> bool:
        return field_name in self.words

    @cached_property
    def words(self) -> frozenset[str]:
        """Of its SQL, in small letters as the names of fields are; without what stands behind a point."""
        return frozenset(re.findall(r"(?<![\w.])\w+", self.sql.lower()))


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The input schema of a pipeline. extra_columns: whether columns without a field are ignored or refuse the file;
    members of a JSON line: the line."""

    fields: tuple[Field, ...]
    rules: tuple[Rule, ...] = ()
    extra_columns: Literal["ignore", "refuse"] = "ignore"

    def __post_init__(self) -> None:
        if not self.fields:
            raise ContractDefinitionError("a contract needs at least one field")
        if len(self.fields) > MAX_FIELDS:
            raise ContractDefinitionError(
                f"a contract has at most {MAX_FIELDS:,} fields, this one {len(self.fields):,}; leave out those that "
                "the model has no use for"
            )
        if self.extra_columns not in ("ignore", "refuse"):
            raise ContractDefinitionError(f"extra_columns={self.extra_columns!r}; expected ignore or refuse")
        for what in ("name", "source", "model"):
            refuse_doubled(f"field {what}", (getattr(field, what) for field in self.fields))
        refuse_doubled("rule name", (rule.name for rule in self.rules))

    @property
    def content_hash(self) -> str:
        """SHA-256, in hex; dataclasses of plain values print the same everywhere."""
        return hashlib.sha256(repr(self).encode()).hexdigest()

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(field.source for field in self.fields)

    @property
    def with_decimal_points(self) -> "Contract":
        """The contract for formats other than CSV, whose numbers have a decimal point."""
        if all(field.decimal == "." for field in self.fields):
            return self
        return replace(self, fields=tuple(replace(field, decimal=".") for field in self.fields))

    def field_for_model_input(self, model_input: str) -> Field | None:
        return self.by_model_input.get(model_input)

    @cached_property
    def by_model_input(self) -> dict[str, Field]:
        return {field.model: field for field in self.fields}


def refuse_doubled(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise ContractDefinitionError(f"{what} {name!r} stands twice (case does not count); rename one")
        seen.add(name.lower())
