"""The columns of a Parquet file against the contract: how Spark reads them, and which of them cast without loss.

What counts is the physical and the logical type in the footer, not the type that Arrow makes of them: both readers take
types that the other one does not.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.schemas.contract import Contract, Field
from penstock.schemas.types import EXACT_BITS, INTEGER_BITS, decimal_precision_scale
from penstock.sources.column_names import column_hints

#: The most digits of a decimal in Spark.
MAX_DIGITS = 38
#: Kinds of nanoseconds since 1970, which Spark reads as whole numbers: the type that they become (see `parquet_times`).
NANOSECONDS = {"timestamp(9)": "timestamp", "timestamp_ntz(9)": "timestamp_ntz"}
BITS = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}
#: Physical types without a logical one: how Spark reads them.
PLAIN = {
    "BOOLEAN": "boolean",
    "INT32": "int",
    "INT64": "bigint",
    "INT96": "timestamp",
    "FLOAT": "float",
    "DOUBLE": "double",
}
#: Annotations of BYTE_ARRAY that Spark reads as text.
TEXTS = ("STRING", "ENUM", "JSON")
SIGNED = {8: "tinyint", 16: "smallint", 32: "int", 64: "bigint"}
UNSIGNED = {8: "smallint", 16: "int", 32: "bigint", 64: "decimal(20,0)"}
SHOWN = {"BOOLEAN": "bool", "BYTE_ARRAY": "binary", "FIXED_LEN_BYTE_ARRAY": "binary", "INT96": "timestamp (INT96)"}
UNITS = {"milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}
#: The kind of a column that has no type, for it has no values.
NOTHING = "void"
TYPED = "write the column with its type also where all its values are missing"
#: Of a file that pyarrow raises UnicodeDecodeError for: one such name is enough, also of a column that is not read.
NAMES_NOT_UTF8 = "the name of a column is not UTF-8; write the file with names in UTF-8"
IN_FOLDER = "it is in the folder's name alone, which is not read; write it into the files, too"


@dataclass(frozen=True, kw_only=True)
class ParquetColumn:
    """shown: its type in messages. read_as: the Spark type (DDL) that it is read as, a kind of NANOSECONDS, or NOTHING;
    None where no field of a contract can have its values. bits: of a whole number, without a sign. advice: how to write
    the values instead, where `read_as` is None or too narrow. leaf: where its chunks are; None if it is nested.
    """

    shown: str
    read_as: str | None = None
    bits: int | None = None
    advice: str = ""
    leaf: int | None = None


NESTED = ParquetColumn(shown="a list, map or struct", advice="give each of its values a column")


def parquet_columns(file: Any) -> tuple[list[str], dict[str, ParquetColumn]]:
    """The names at the top of a pyarrow.parquet.ParquetFile in their order, and what is known by name."""
    names = list(file.schema_arrow.names)
    columns = dict.fromkeys(names, NESTED)
    for index in range(len(file.schema.names)):
        leaf = file.schema.column(index)
        if leaf.path == leaf.name:  # else it is below a column
            columns[leaf.name] = replace(column_of(leaf), leaf=index)
    return names, columns


def column_of(leaf: Any) -> ParquetColumn:
    """leaf: a pyarrow.parquet.ColumnSchema at the top of its schema."""
    if leaf.max_repetition_level:
        return NESTED
    details = json.loads(leaf.logical_type.to_json())
    match leaf.logical_type.type:
        case "NONE":
            return plain_column(leaf.physical_type)
        case "INT":
            return whole_number(details["bitWidth"], is_signed=details["isSigned"])
        case "DECIMAL":
            return decimal_column(details["precision"], details["scale"])
        case "DATE":
            return ParquetColumn(shown="date", read_as="date")
        case "TIMESTAMP":
            return timestamp_column(UNITS[details["timeUnit"]], is_utc=details["isAdjustedToUTC"])
        case kind if kind in TEXTS and leaf.physical_type == "BYTE_ARRAY":
            return ParquetColumn(shown=kind.lower(), read_as="string")
        case "TIME":
            return ParquetColumn(shown="a time of day", advice="write it with its date, as a timestamp, or as text")
        case "FLOAT16":
            return ParquetColumn(shown="float16", advice="write it as float32")
        case "UNKNOWN" if leaf.physical_type == "INT32":
            return ParquetColumn(shown="null", read_as=NOTHING, advice=f"{TYPED}, or make the field nullable")
        case kind:
            return ParquetColumn(shown=kind.lower(), advice="write it as text")


def plain_column(physical: str) -> ParquetColumn:
    read_as = PLAIN.get(physical)
    shown = SHOWN.get(physical, physical.lower())
    advice = "" if read_as else "write it as text: with the logical type String"
    return ParquetColumn(shown=shown, read_as=read_as, bits=BITS.get(read_as or ""), advice=advice)


def whole_number(width: int, *, is_signed: bool) -> ParquetColumn:
    read_as = (SIGNED if is_signed else UNSIGNED)[width]
    shown = f"{'' if is_signed else 'u'}int{width}"
    advice = "write it as int64, or make the field a decimal(20,0)" if shown == "uint64" else ""
    return ParquetColumn(shown=shown, read_as=read_as, bits=width - is_signed, advice=advice)


def decimal_column(precision: int, scale: int) -> ParquetColumn:
    shown = f"decimal({precision},{scale})"
    if precision > MAX_DIGITS:
        return ParquetColumn(shown=shown, advice=f"write it with {MAX_DIGITS} digits at most, as Spark has them")
    return ParquetColumn(shown=shown, read_as=shown)


def timestamp_column(unit: str, *, is_utc: bool) -> ParquetColumn:
    read_as = "timestamp" if is_utc else "timestamp_ntz"
    return ParquetColumn(
        shown=f"timestamp[{unit}{', UTC' if is_utc else ''}]", read_as=f"{read_as}(9)" if unit == "ns" else read_as
    )


def schema_reasons(
    names: Sequence[str], columns: Mapping[str, ParquetColumn], contract: Contract, *, path: str = ""
) -> list[str]:
    """Every way in which the columns (see `parquet_columns`) of the file `path` are not the contract's."""
    known = set(contract.sources)
    others = [name for name in names if name not in known]
    hints = column_hints([source for source in contract.sources if source not in columns], others)
    # Case does not count where Spark looks for a column.
    counts = Counter(name.lower() for name in names)
    reasons = []
    for field in contract.fields:
        count = counts[field.source.lower()]
        if field.source not in columns:
            hint = f"; {IN_FOLDER}" if f"/{field.source}=" in path else hints[field.source]
            reasons.append(f"schema: column {field.source!r} is missing{hint}")
        elif count > 1:
            reasons.append(f"schema: column {field.source!r} stands {count} times")
        elif not is_castable(columns[field.source], field):
            reasons.append(type_reason(columns[field.source], field))
    if contract.extra_columns == "refuse":
        reasons += [f"schema: column {name!r} is not in the contract" for name in others]
    return reasons


def type_reason(column: ParquetColumn, field: Field) -> str:
    advice = f"; {column.advice}" if column.advice else ""
    return f"schema: column {field.source!r} is {column.shown}, which can't be a {field.type} without loss{advice}"


def is_castable(column: ParquetColumn, field: Field) -> bool:
    """Whether every value of the column has its place in the field's type."""
    read_as = column.read_as
    if read_as is None:
        return False
    if read_as == NOTHING:
        return field.nullable
    if field.type in ("string", "boolean", "date"):
        return read_as == field.type
    if field.type == "timestamp":
        return NANOSECONDS.get(read_as, read_as) in ("timestamp", "timestamp_ntz")
    if read_as in ("float", "double"):
        return field.type == "double" or field.type == read_as
    if column.bits is not None:
        return integer_fits(column.bits, field)
    return read_as.startswith("decimal") and decimal_fits(read_as, field)


def integer_fits(bits: int, field: Field) -> bool:
    if field.type in INTEGER_BITS:
        return bits <= INTEGER_BITS[field.type] - 1
    if field.type in EXACT_BITS:
        # Whole numbers above 2^53 are rare enough in a 64-bit column to be taken; their last digits are not kept.
        return bits <= EXACT_BITS[field.type] or field.type == "double"
    precision_scale = field.decimal_precision_scale
    return precision_scale is not None and 10 ** (precision_scale[0] - precision_scale[1]) > 2**bits


def decimal_fits(read_as: str, field: Field) -> bool:
    wanted, found = field.decimal_precision_scale, decimal_precision_scale(read_as)
    if wanted is None or found is None:
        return field.type == "double"
    precision, scale = wanted
    return found[1] <= scale and found[0] - found[1] <= precision - scale
