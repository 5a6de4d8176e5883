"""Checks the rows of a request as the stream checks those of a file in the pipeline's format: each value as text."""

import re
from collections.abc import Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.interfaces.rest.exact_numbers import WrittenFloat, WrittenInt
from penstock.schemas.contract import Contract, Field
from penstock.sources.blanks import BLANKS
from penstock.sources.reading import contract_of
from penstock.sources.row_checks import check_rows
from penstock.sources.row_columns import HEADER, IS_HEADER, RAW, ROW_REASON, SOURCE_FILE
from penstock.sources.text import DAMAGED_TEXT, NUL_BYTE, REPLACEMENT_CHARACTER

#: A value of a JSON row: one for each field of the contract, in its order.
Value = str | int | float | bool | None
Row = Sequence[Value]
#: Unpaired surrogates, which JSON can express and UTF-8 can't.
SURROGATE = re.compile(r"[\ud800-\udfff]")


def as_text(value: Value) -> str | None:
    """A value as in a file: numbers as they are written, else in their shortest exact form; true, false."""
    if value is None:
        return None
    if type(value) is float:
        return str(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, WrittenFloat | WrittenInt):
        return value.text
    return SURROGATE.sub(REPLACEMENT_CHARACTER, value) if isinstance(value, str) else str(value)


def file_text(value: Value, field: Field, source: SourceConfig) -> str | None:
    """A value as a file of the pipeline's format has it: in CSV, trimmed and missing as the dialect says."""
    text = as_text(value)
    if text is None or source.format != "csv":
        return text
    if isinstance(value, str):
        text = text.strip(BLANKS) if source.csv.trim else text
    elif field.decimal == ",":
        text = text.replace(".", ",")
    return None if text in ("", source.csv.null_marker) else text


def row_reason(texts: Sequence[str | None]) -> str | None:
    """Why a row can't be used as a whole; None where it can."""
    if any(text and REPLACEMENT_CHARACTER in text for text in texts):
        return DAMAGED_TEXT
    return NUL_BYTE if any(text and "\0" in text for text in texts) else None


def texts_of(rows: Sequence[Row], contract: Contract, source: SourceConfig) -> list[list[str | None]]:
    """The columns of `text_columns`."""
    found: list[list[str | None]] = []
    for number, row in enumerate(rows):
        texts = [file_text(value, field, source) for value, field in zip(row, contract.fields, strict=True)]
        found.append([*texts, row_reason(texts), str(number)])
    return found


def text_columns(contract: Contract) -> list[str]:
    """A request's columns of text: the contract's fields, why a row can't be used, and its number."""
    return [*[field.name for field in contract.fields], ROW_REASON, SOURCE_FILE]


def checked(texts: DataFrame, contract: Contract, source: SourceConfig) -> DataFrame:
    """The result of the contract's checks for each row of `text_columns`; see `check_rows`."""
    nothing = F.lit(None).cast("string")
    rows = texts.select(
        *[field.name for field in contract.fields],
        nothing.alias(RAW),
        nothing.alias(HEADER),
        ROW_REASON,
        F.lit(False).alias(IS_HEADER),
        SOURCE_FILE,
    )
    return check_rows(rows, contract_of(source.format, contract))


def checked_request(spark: SparkSession, rows: Sequence[Row], contract: Contract, source: SourceConfig) -> DataFrame:
    """The result of the contract's checks for each row, in order, by a query without a job: an Arrow table of this
    size is a local relation."""
    columns = zip(*texts_of(rows, contract, source), strict=True)
    arrays = [pa.array(column, pa.string()) for column in columns]
    return checked(spark.createDataFrame(pa.table(arrays, names=text_columns(contract))), contract, source)
