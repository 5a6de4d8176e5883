"""The tables that an explanation reads, in DuckDB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from penstock.config.pipeline import PipelineConfig
from penstock.errors import AnswerNotFoundError, ConfigError, EnvironmentCheckError
from penstock.models.explanation.row_arguments import microseconds, spark_text
from penstock.storage.delta_reader import reason_of
from penstock.storage.duckdb_tables import QUERY_ERRORS, connect_tables, registered

ROWS_TABLES = ("predictions", "batches", "quarantine", "rescored_predictions")
SERIES_TABLES = ("forecasts", "observations", "batches", "quarantine")
#: What a condition that a user wrote may raise, when it is planned and when it meets the rows.
SQL_ERRORS = (
    duckdb.ProgrammingError,
    duckdb.DataError,
    duckdb.NotSupportedError,
    duckdb.PermissionException,
)


@contextmanager
def opened_tables(config: PipelineConfig, names: Sequence[str]) -> Iterator[duckdb.DuckDBPyConnection]:
    """Raises AnswerNotFoundError where the first of them is not there, EnvironmentCheckError where one can't be
    read."""
    try:
        with connect_tables(config, names) as connection:
            if names[0] not in registered(connection):
                raise AnswerNotFoundError(
                    f"{config.table_path(names[0])}: there is no such table yet; run the pipeline first (penstock "
                    "backfill or stream)"
                )
            yield connection
    except (OSError, *QUERY_ERRORS) as error:
        raise EnvironmentCheckError(
            f"the tables in {config.tables.root} can't be read: {reason_of(error)}; look for missing or damaged files "
            "there"
        ) from None


def rows_where(connection: duckdb.DuckDBPyConnection, condition: str, *, limit: int) -> pa.Table:
    """Rows of predictions, the newest first. condition: in DuckDB's SQL. Raises ConfigError for one that can't be
    used."""
    try:
        # DuckDB takes one expression as a filter, and nothing that would end the statement and begin another one.
        found = connection.table("predictions").filter(condition)
        return found.order("scored_at DESC, batch_id DESC").limit(limit).to_arrow_table()
    except SQL_ERRORS as error:
        raise ConfigError(
            f"--where {condition!r}: {reason_of(error)}; expected a condition in SQL over the columns of predictions, "
            'such as --where "order_id = 17"'
        ) from None


def rows_of(connection: duckdb.DuckDBPyConnection, sql: str, **parameters: Any) -> list[dict[str, Any]]:
    """The rows of a query; see `as_python`."""
    return as_python(connection.sql(sql, params=parameters or None).to_arrow_table())


def as_python(rows: pa.Table) -> list[dict[str, Any]]:
    """The rows as Python has them; a date or time that it has none for (before year 1, after 9999) as text."""
    columns = {name: values_of(rows[name]) for name in rows.column_names}
    return [{name: values[row] for name, values in columns.items()} for row in range(len(rows))]


def values_of(column: pa.ChunkedArray) -> list[Any]:
    values: list[Any] = []
    for value in column:
        try:
            values.append(value.as_py())
        except (OverflowError, ValueError):
            # Of times and dates alone.
            (micros,) = microseconds(pa.chunked_array([pa.array([value])]))
            values.append(None if micros is None else spark_text(micros, is_date=pa.types.is_date(value.type)))
    return values
