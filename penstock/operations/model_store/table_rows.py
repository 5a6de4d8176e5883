"""Tables of a pipeline, or what is there of them, in a DuckDB without Spark: file by file, since a ledger has many."""

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError
from penstock.storage.catalog_columns import with_new_columns
from penstock.storage.delta_files import data_files, read_files
from penstock.storage.delta_reader import open_table, reason_of
from penstock.storage.duckdb_tables import QUERY_ERRORS


def read_columns(config: PipelineConfig, columns: Mapping[str, Sequence[str]]) -> duckdb.DuckDBPyConnection:
    """columns: by table those that are wanted. A table that does not exist yet has no rows.

    Raises EnvironmentCheckError if one can't be read.
    """
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    try:
        for name, wanted in columns.items():
            connection.register(name, rows_of(config, name, wanted))
    except (OSError, *QUERY_ERRORS) as error:
        root, reason = config.tables.root, reason_of(error)
        raise EnvironmentCheckError(
            f"the tables in {root} can't be read: {reason}; look for missing or damaged files there"
        ) from None
    return connection


def rows_of(config: PipelineConfig, name: str, wanted: Sequence[str]) -> pa.Table:
    table = open_table(config, name)
    if table is None:
        known = with_new_columns(pa.schema([]), name)
        return pa.schema([known.field(column) for column in wanted]).empty_table()
    schema = pa.schema(table.schema().to_arrow())
    present = [column for column in wanted if column in schema.names]
    batches = list(read_files(table, data_files(table), present))
    found = pa.Table.from_batches(batches, schema=pa.schema([schema.field(column) for column in present]))
    full = with_new_columns(schema, name)
    for column in wanted:
        if column not in present:
            found = found.append_column(full.field(column), pa.nulls(len(found), full.field(column).type))
    return found
