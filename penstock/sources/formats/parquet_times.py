"""Parquet's timestamps in nanoseconds, which Spark has no type for: read as whole numbers, they become microseconds.

A time with a fraction of a microsecond is no value of a contract's timestamp, as it is none in CSV: its row is
rejected. (INT96 is read by Spark itself, which cuts such a fraction off.)
"""

from pyspark.sql import Column
from pyspark.sql import functions as F

from penstock.sources.formats.parquet_types import NANOSECONDS, NOTHING
from penstock.spark.functions import quoted

#: How `nanosecond_text` writes what is finer than a microsecond.
FINER_TEXT = r"\.[0-9]{9}Z?\z"


def read_type(kind: str) -> str:
    """The type (DDL) in the read schema. kind: the column's in the layout."""
    return "bigint" if kind in NANOSECONDS else "int" if kind == NOTHING else kind


def microseconds(name: str, kind: str) -> Column:
    """The column `name` of nanoseconds as a timestamp, rounded down."""
    number = quoted(name)
    rounded_down = F.expr(f"{number} div 1000 - if({number} % 1000 < 0, 1, 0)")
    return F.timestamp_micros(rounded_down).cast(NANOSECONDS[kind])


def is_finer(name: str) -> Column:
    return F.expr(f"{quoted(name)} % 1000 <> 0")


def nanosecond_text(name: str, kind: str) -> Column:
    """In ISO 8601, with nine digits of a second where six do not do."""
    fraction = F.lpad(F.expr(f"pmod({quoted(name)}, 1000)").cast("string"), 3, "0")
    return F.concat(
        F.date_format(microseconds(name, kind), "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"),
        F.when(is_finer(name), fraction).otherwise(F.lit("")),
        F.lit("Z" if NANOSECONDS[kind] == "timestamp" else ""),
    )


def too_fine(name: str, kind: str) -> Column:
    return too_fine_text(name, nanosecond_text(name, kind))


def too_fine_text(name: str, text: Column) -> Column:
    return F.concat(
        F.lit(f"row: column {name!r} has nanoseconds ("),
        text,
        F.lit("), and a timestamp has microseconds; round them, or write coerce_timestamps='us'"),
    )
