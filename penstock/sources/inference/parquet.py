"""The columns of a Parquet sample, from its schema and its first rows."""

from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from penstock.errors import ConfigError
from penstock.sources.formats.parquet_types import spark_type_of
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
}


def parquet_sample(path: Path, *, rows: int) -> tuple[dict[str, Kind], pd.DataFrame, tuple[str, ...]]:
    """The types by column, the first rows, and notes on columns that no contract can have. Raises ConfigError."""
    table = first_rows_of(path, rows=rows)
    if table.num_rows == 0:
        raise ConfigError("has no rows; expected some to see what may be missing")
    refuse_doubled_headers(table.schema.names)
    usable = {field.name: contract_type(field.type) for field in table.schema}
    kinds = {name: kind_of_column(table[name], kind) for name, kind in usable.items() if name and kind}
    if not kinds:
        raise ConfigError("has no column of a type that a contract knows")
    notes = tuple(why_left_out(field) for field in table.schema if not field.name or not usable[field.name])
    return kinds, table.select(list(kinds)).to_pandas(), notes


def first_rows_of(path: Path, *, rows: int | None) -> Any:
    """A pyarrow.Table. Raises ConfigError if the file can't be read."""
    try:
        with pq.ParquetFile(path) as file:
            if rows is None:
                return file.read()
            batch = next(file.iter_batches(batch_size=rows), None)
            return pa.Table.from_batches([batch] if batch else [], schema=file.schema_arrow)
    except pa.ArrowException as error:
        raise ConfigError(f"is not a readable Parquet file: {str(error).splitlines()[0]}") from None


def contract_type(found: Any) -> str | None:
    """The contract's type for an Arrow type; None where it has none."""
    spark = spark_type_of(found)
    return spark if spark is not None and spark.startswith("decimal") else CONTRACT_TYPES.get(spark or "")


def kind_of_column(values: Any, kind: str) -> Kind:
    nullable = values.null_count > 0
    if kind in ("double", "float") and pc.any(pc.is_nan(values)).as_py():
        return Kind(type=kind, nullable=True, nan="null", note="has NaN in the sample, taken as missing")
    return Kind(type=kind, nullable=nullable)


def why_left_out(field: Any) -> str:
    mend = ", which Spark can't read; write it in microseconds" if pa.types.is_timestamp(field.type) else ""
    return f"column {field.name!r}: is {field.type}{mend or ', which no contract knows'}; it is left out"
