"""The columns of a Parquet file against the contract: which Spark types they are, and which cast without loss."""

from typing import Any

import pyarrow as pa

from penstock.schemas.contract import Contract, Field
from penstock.schemas.types import EXACT_BITS, INTEGER_BITS
from penstock.sources.column_names import column_hint

#: The most digits of a decimal in Spark.
MAX_DIGITS = 38


def schema_reasons(schema: Any, contract: Contract) -> list[str]:
    names = list(schema.names)
    reasons = []
    for field in contract.fields:
        count = names.count(field.source)
        if count == 0:
            others = [name for name in names if name not in contract.sources]
            reasons.append(f"schema: column {field.source!r} is missing{column_hint(field.source, others)}")
        elif same_name(names, field.source) > 1:
            reasons.append(f"schema: column {field.source!r} stands {same_name(names, field.source)} times")
        elif not is_castable(schema.field(field.source).type, field):
            found = schema.field(field.source).type
            reasons.append(f"schema: column {field.source!r} is {found}, which can't be a {field.type} without loss")
    if contract.extra_columns == "refuse":
        extra = [name for name in names if name not in contract.sources]
        reasons += [f"schema: column {name!r} is not in the contract" for name in extra]
    return reasons


def same_name(names: list[str], name: str) -> int:
    """How many columns Spark takes for `name`: case does not count there."""
    return [column.lower() for column in names].count(name.lower())


def is_castable(found: Any, field: Field) -> bool:
    """Whether every value of the Arrow type `found` has its place in the field's type."""
    found = found.value_type if pa.types.is_dictionary(found) else found
    if spark_type_of(found) is None:
        return False
    if field.type == "string":
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
    if field.type == "boolean":
        return bool(pa.types.is_boolean(found))
    if field.type == "timestamp":
        return bool(pa.types.is_timestamp(found))
    if field.type == "date":
        return bool(pa.types.is_date32(found))
    if pa.types.is_floating(found):
        return field.is_floating and (field.type == "double" or found.bit_width <= 32)
    if pa.types.is_integer(found):
        return integer_fits(found, field)
    return bool(pa.types.is_decimal(found)) and decimal_fits(found, field)


def integer_fits(found: Any, field: Field) -> bool:
    bits = found.bit_width - (0 if pa.types.is_unsigned_integer(found) else 1)
    if field.type in INTEGER_BITS:
        return bool(bits <= INTEGER_BITS[field.type] - 1)
    if field.type in EXACT_BITS:
        # Whole numbers above 2^53 are rare enough in a 64-bit column to be taken; their last digits are not kept.
        return bool(bits <= EXACT_BITS[field.type] or field.type == "double")
    precision_scale = field.decimal_precision_scale
    return precision_scale is not None and 10 ** (precision_scale[0] - precision_scale[1]) > 2**bits


def decimal_fits(found: Any, field: Field) -> bool:
    precision_scale = field.decimal_precision_scale
    if precision_scale is None:
        return field.type == "double"
    precision, scale = precision_scale
    return bool(found.scale <= scale and found.precision - found.scale <= precision - scale)


def spark_type_of(found: Any) -> str | None:
    """The Spark type that a Parquet column of this Arrow type is read as, in DDL; None where Spark can't."""
    found = found.value_type if pa.types.is_dictionary(found) else found
    if pa.types.is_decimal(found):
        return f"decimal({found.precision},{found.scale})" if found.precision <= MAX_DIGITS else None
    if pa.types.is_timestamp(found):
        if found.unit == "ns":
            return None
        return "timestamp" if found.tz else "timestamp_ntz"
    names = {
        pa.int8(): "tinyint",
        pa.int16(): "smallint",
        pa.int32(): "int",
        pa.int64(): "bigint",
        pa.uint8(): "smallint",
        pa.uint16(): "int",
        pa.uint32(): "bigint",
        pa.float32(): "float",
        pa.float64(): "double",
        pa.bool_(): "boolean",
        pa.string(): "string",
        pa.large_string(): "string",
        pa.date32(): "date",
    }
    return names.get(found)
