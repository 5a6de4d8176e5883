"""The columns of a Parquet sample, from its schema and its first rows."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from penstock.errors import ConfigError
from penstock.sources.formats.parquet_chunks import FooterReader, chunk_reasons
from penstock.sources.formats.parquet_types import NAMES_NOT_UTF8, NANOSECONDS, ParquetColumn, parquet_columns
from penstock.sources.formats.signatures import HEAD_BYTES, PARQUET_FILE, any_kind
from penstock.sources.inference.headers import refuse_doubled_headers
from penstock.sources.inference.types import Kind

PARQUET_MAGIC = b"PAR1"
#: The contract's type for what Spark reads a column as.
CONTRACT_TYPES = {
    "tinyint": "integer",
    "smallint": "integer",
    "int": "integer",
    "bigint": "long",
    "float": "float",
    "double": "double",
    "boolean": "boolean",
    "string": "string",
    "date": "date",
    "timestamp": "timestamp",
    "timestamp_ntz": "timestamp",
    **dict.fromkeys(NANOSECONDS, "timestamp"),
}


def parquet_sample(path: Path, *, rows: int) -> tuple[dict[str, Kind], pd.DataFrame, tuple[str, ...]]:
    """The types by column, the first rows, and notes on columns that no contract can have. Raises ConfigError."""
    table, columns = first_rows_of(path, rows=rows), columns_of(path)
    if table.num_rows == 0:
        raise ConfigError("has no rows; expected some to see what may be missing")
    refuse_doubled_headers(table.schema.names)
    usable = {name: contract_type(column) for name, column in columns.items()}
    kinds = {name: kind_of_column(table[name], kind) for name, kind in usable.items() if name and kind}
    if not kinds:
        raise ConfigError("has no column of a type that a contract knows")
    notes = tuple(why_left_out(name, columns[name]) for name, kind in usable.items() if not name or not kind)
    return kinds, table.select(list(kinds)).to_pandas(), notes + unreadable_chunks(path, columns, list(kinds))


def first_rows_of(path: Path, *, rows: int | None) -> Any:
    """A pyarrow.Table. Raises ConfigError if the file can't be read."""
    with opened_parquet(path) as file:
        if rows is None:
            return file.read()
        batch = next(file.iter_batches(batch_size=rows), None)
        return pa.Table.from_batches([batch] if batch else [], schema=file.schema_arrow)


def columns_of(path: Path) -> dict[str, ParquetColumn]:
    """By name. Raises ConfigError."""
    with opened_parquet(path) as file:
        return parquet_columns(file)[1]


def unreadable_chunks(path: Path, columns: Mapping[str, ParquetColumn], names: Sequence[str]) -> tuple[str, ...]:
    """Why the stream would refuse the file, though Arrow reads it."""
    with opened_parquet(path) as file:
        return tuple(chunk_reasons(file.metadata, {name: columns[name].leaf or 0 for name in names}))


@contextmanager
def opened_parquet(path: Path) -> Iterator[Any]:
    """A pyarrow.parquet.ParquetFile. Raises ConfigError where it, or what is read of it, is no Parquet."""
    try:
        # In Arrow's own nanoseconds, times before 1677 and after 2262 would be others.
        with path.open("rb") as content:
            footer = FooterReader(content)
            file = pq.ParquetFile(footer, coerce_int96_timestamp_unit="us")
            if footer.has_encrypted_columns(file.metadata):
                raise ConfigError("is an encrypted Parquet file; expected one that can be read without keys")
            yield file
    except UnicodeDecodeError:
        raise ConfigError(f"can't be read: {NAMES_NOT_UTF8}") from None
    except pa.ArrowException as error:
        with path.open("rb") as content:
            kind = any_kind(content.read(HEAD_BYTES))
        said = str(error).splitlines()[0] if kind in (None, PARQUET_FILE) else kind.found
        raise ConfigError(f"is not a readable Parquet file: {said}") from None


def contract_type(column: ParquetColumn) -> str | None:
    """The contract's type for a column; None where it has none."""
    read_as = column.read_as or ""
    return read_as if read_as.startswith("decimal") else CONTRACT_TYPES.get(read_as)


def kind_of_column(values: Any, kind: str) -> Kind:
    nullable = values.null_count > 0
    if kind in ("double", "float") and pc.any(pc.is_nan(values)).as_py():
        return Kind(type=kind, nullable=True, nan="null", note="has NaN in the sample, taken as missing")
    return Kind(type=kind, nullable=nullable)


def why_left_out(name: str, column: ParquetColumn) -> str:
    advice = f" ({column.advice})" if column.advice else ""
    return f"column {name!r}: is {column.shown}, which no contract knows{advice}; it is left out"
