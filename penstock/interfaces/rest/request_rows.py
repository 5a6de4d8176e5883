"""Checks the rows of a request as the stream checks rows of a CSV file: each value as text, by the contract."""

import re
from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.schemas.contract import Contract
from penstock.sources.row_checks import check_rows
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, ROW_REASON, SOURCE_FILE
from penstock.sources.text import DAMAGED_TEXT, REPLACEMENT_CHARACTER, has_damaged_one

#: A value of a JSON row: one for each field of the contract, in its order.
Value = str | int | float | bool | None
Row = Sequence[Value]
#: Unpaired surrogates, which JSON can express and UTF-8 can't.
SURROGATE = re.compile(r"[\ud800-\udfff]")


def as_text(value: Value) -> str | None:
    """A value as in a CSV file: numbers in their shortest exact form, true, false."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return SURROGATE.sub(REPLACEMENT_CHARACTER, value) if isinstance(value, str) else str(value)


def text_rows(spark: SparkSession, rows: Sequence[Row], contract: Contract) -> DataFrame:
    """The columns of `row_columns`; `source_file` is the row's number in the request.

    An Arrow table of this size becomes a local relation, and a projection of it needs no Spark job.
    """
    names = [field.name for field in contract.fields]
    columns = {
        name: pa.array([as_text(row[place]) for row in rows], pa.string()) for place, name in enumerate(names)
    } | {SOURCE_FILE: pa.array([str(number) for number in range(len(rows))], pa.string())}
    frame = spark.createDataFrame(pa.table(columns))
    is_damaged = has_damaged_one(list(map(F.col, names)))
    nothing = F.lit(None).cast("string")
    return frame.select(
        *names,
        nothing.alias(RAW),
        nothing.alias(HEADER),
        F.when(is_damaged, F.lit(DAMAGED_TEXT)).alias(ROW_REASON),
        F.lit(False).alias(IS_HEADER),
        SOURCE_FILE,
    )


def checked_request(spark: SparkSession, rows: Sequence[Row], contract: Contract) -> DataFrame:
    """The result of the contract's checks for each row, in order; see `check_rows`."""
    return check_rows(text_rows(spark, rows, contract), contract)
