"""Runs the queries and views of queries/ by DuckDB over deltalake, without Spark and Java."""

from collections.abc import Iterable
from typing import Any

import duckdb
import sqlglot
from sqlglot import ErrorLevel

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.sql.query_files import read_query
from penstock.interfaces.sql.views import View, views_of
from penstock.storage.duckdb_tables import connect_tables, registered


def connect_duckdb(config: PipelineConfig) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory with the pipeline's tables and views, each under its name. It reads and writes files, too, as
    its user likes."""
    connection = connect_tables(config, is_closed=False)
    add_views(connection, views_of(config, registered(connection)))
    return connection


def run_duckdb_query(config: PipelineConfig, name: str) -> Any:
    """The result of queries/<name>.sql as a pyarrow Table. Raises ConfigError, EnvironmentCheckError."""
    query = read_query(config, name)
    with connect_tables(config, sorted(query.tables)) as connection:
        query.require(config, registered(connection))
        add_views(connection, query.views)
        return connection.sql(as_duckdb(query.sql)).to_arrow_table()


def as_duckdb(sql: str) -> str:
    """Spark SQL translated to DuckDB's dialect. Raises sqlglot's UnsupportedError."""
    [statement] = sqlglot.transpile(sql, read="spark", write="duckdb", unsupported_level=ErrorLevel.RAISE)
    return statement


def add_views(connection: duckdb.DuckDBPyConnection, views: Iterable[View]) -> None:
    for view in views:
        connection.execute(f'CREATE TEMP VIEW "{view.name}" AS {as_duckdb(view.select)}')
