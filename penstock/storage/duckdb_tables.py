"""Registers a pipeline's tables in DuckDB."""

from collections.abc import Mapping, Sequence

import duckdb

from penstock.config.pipeline import PipelineConfig
from penstock.schemas.catalog import BESIDE, CATALOG
from penstock.storage.catalog_columns import with_new_columns
from penstock.storage.deletion_vectors import DELETION_VECTORS, register_undeleted
from penstock.storage.delta_reader import READ_ERRORS, open_table

#: What connecting and querying may raise besides OSError.
QUERY_ERRORS = (*READ_ERRORS, duckdb.Error)
READABLE = tuple(table.name for table in (*CATALOG, *BESIDE) if not table.is_state)


def connect_tables(
    config: PipelineConfig,
    names: Sequence[str] = READABLE,
    *,
    settings: Mapping[str, str | bool] | None = None,
    is_closed: bool = True,
) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory that knows those of these tables that are there, by name, as their newest commits have them.

    Filters are pushed down into the tables' files. settings: of DuckDB, by name. is_closed: whether its SQL can read
    and write no file, and change no setting: a condition that somebody typed then reads these tables and nothing else.
    Raises QUERY_ERRORS, OSError.
    """
    connection = duckdb.connect()
    for setting, value in {"TimeZone": "UTC", **(settings or {})}.items():
        connection.execute(f"SET {setting} = $value", {"value": value})
    if is_closed:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
    for name in names:
        register_table(connection, config, name)
    return connection


def register_table(connection: duckdb.DuckDBPyConnection, config: PipelineConfig, name: str) -> None:
    """Register the pipeline's table under its name, if it is there. Raises as `connect_tables`."""
    table = open_table(config, name)
    if table is None:
        return
    if DELETION_VECTORS in (table.protocol().reader_features or ()):
        register_undeleted(connection, name, table)
    else:
        dataset = table.to_pyarrow_dataset()
        connection.register(name, dataset.replace_schema(with_new_columns(dataset.schema, name)))


def registered(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
    """The tables registered in the connection."""
    found = connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    return frozenset(name for (name,) in found)


def quoted(name: str) -> str:
    """As an identifier of DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'
