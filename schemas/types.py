"""The types that a contract's Field may have, and what each of them means to Spark, models, JSON and Parquet."""

import re
from dataclasses import dataclass
from typing import Literal

DECIMAL = re.compile(r"decimal\((\d{1,2}),\s*(\d{1,2})\)")


@dataclass(frozen=True, kw_only=True)
class FieldType:
    """Its name is Spark's too. kind: what its values are. feeds: the types in a model's signature that take it.

    bits: of a whole number; exact_bits: up to this size a whole number has its place in a floating one.
    """

    name: str
    kind: Literal["number", "text", "boolean", "time"]
    feeds: frozenset[str]
    bits: int | None = None
    exact_bits: int | None = None

    @property
    def is_whole(self) -> bool:
        return self.bits is not None

    @property
    def is_floating(self) -> bool:
        return self.exact_bits is not None


FLOATING = frozenset({"double", "float"})
TYPES = {
    each.name: each
    for each in (
        FieldType(name="double", kind="number", feeds=FLOATING, exact_bits=53),
        FieldType(name="float", kind="number", feeds=FLOATING, exact_bits=24),
        FieldType(name="integer", kind="number", feeds=FLOATING | {"integer", "long"}, bits=32),
        FieldType(name="long", kind="number", feeds=FLOATING | {"long"}, bits=64),
        FieldType(name="string", kind="text", feeds=frozenset({"string"})),
        FieldType(name="boolean", kind="boolean", feeds=frozenset({"boolean"})),
        FieldType(name="timestamp", kind="time", feeds=frozenset({"datetime"})),
        FieldType(name="date", kind="time", feeds=frozenset({"datetime"})),
    )
}
NUMBERS = tuple(each.name for each in TYPES.values() if each.kind == "number")
TIMES = tuple(each.name for each in TYPES.values() if each.kind == "time")
INTEGER_BITS = {each.name: each.bits for each in TYPES.values() if each.bits}
EXACT_BITS = {each.name: each.exact_bits for each in TYPES.values() if each.exact_bits}


def decimal_precision_scale(name: str) -> tuple[int, int] | None:
    match = DECIMAL.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def field_type(name: str) -> FieldType | None:
    """None for a name that is no type."""
    if DECIMAL.fullmatch(name):
        return FieldType(name=name, kind="number", feeds=FLOATING)
    return TYPES.get(name)
