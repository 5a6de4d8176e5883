"""The observations of one series, as the fit takes them, read from the observations table without Spark."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import duckdb
import pyarrow as pa

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.config.series_contract import check_series_contract, ids_are_integers, with_time_range
from penstock.errors import EnvironmentCheckError, FitError
from penstock.series.reasons import CONFLICT, LEAST_RECENCY, OUTVOTED, as_sql
from penstock.storage.delta_reader import READ_ERRORS, open_table, reason_of
from penstock.storage.duckdb_tables import QUERY_ERRORS, connect_tables, quoted, registered
from penstock.udfs.var.histories import RECENCY, SERIES_ID

TABLE = "observations"
NEAREST_SERIES = 5


@dataclass(frozen=True, kw_only=True)
class SeriesObservations:
    """rows: series_id, ds, recency, the variables in levels, as `FitData.frame` has them, of one series. locations:
    files and folders, or the table."""

    series_id: str | int
    rows: pa.Table
    locations: tuple[str, ...]


def has_table(config: PipelineConfig) -> bool:
    """Raises EnvironmentCheckError."""
    try:
        return open_table(config, TABLE) is not None
    except (OSError, *READ_ERRORS) as error:
        raise unreadable(config, error) from None


def integer_ids(config: PipelineConfig) -> bool:
    """Whether the ids of the contract's series are integers. Raises ConfigError."""
    contract = with_time_range(load_contract(config), config)
    check_series_contract(contract, config)
    return ids_are_integers(contract, config)


def id_of(text: str, *, is_integer: bool) -> str | int:
    """The id that a user wrote. Raises FitError."""
    if not is_integer:
        return text
    try:
        number = int(text)
    except ValueError:
        number = None
    if number is None or not -(2**63) <= number < 2**63:
        raise FitError(f"there is no series {text!r}: the ids of this pipeline are integers of 64 bits")
    return number


def read_from_table(config: PipelineConfig, series: str, *, until: datetime | None = None) -> SeriesObservations:
    """Of the newest version of the pipeline's observations; until: UTC, inclusive.

    Raises ConfigError, EnvironmentCheckError, and FitError if there is no table or no such series.
    """
    series_id = id_of(series, is_integer=integer_ids(config))
    path = config.table_path(TABLE)
    with connected(config) as connection:
        found = query_rows(connection, config, series_id, until=until)
        if not found.num_rows:
            refuse(series_id, nearest_in_table(connection, str(series_id)), until=until)
    return SeriesObservations(series_id=series_id, rows=found, locations=(path,))


@contextmanager
def connected(config: PipelineConfig) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with the observations. Raises EnvironmentCheckError, FitError."""
    try:
        with connect_tables(config, (TABLE,)) as connection:
            if TABLE not in registered(connection):
                raise FitError(
                    f"{config.table_path(TABLE)}: there is no such table yet; run the pipeline first, or name files "
                    "with --data"
                )
            yield connection
    except (OSError, *QUERY_ERRORS) as error:
        raise unreadable(config, error) from None


def unreadable(config: PipelineConfig, error: Exception) -> EnvironmentCheckError:
    path = config.table_path(TABLE)
    return EnvironmentCheckError(
        f"the table {path} can't be read: {reason_of(error)}; look for missing or damaged files there"
    )


def query_rows(
    connection: duckdb.DuckDBPyConnection, config: PipelineConfig, series_id: str | int, *, until: datetime | None
) -> pa.Table:
    variables = config.the_series.variables
    columns = connection.table(TABLE).columns
    missing = [variable for variable in variables if variable not in columns]
    if missing:
        raise FitError(
            f"{config.table_path(TABLE)}: has no column {', '.join(missing)}; expected the variables of series"
        )
    arrived = "coalesce(epoch_us(observed_at), 0)" if "observed_at" in columns else "0"
    recency = f"CASE WHEN error = '{CONFLICT}' THEN {LEAST_RECENCY} ELSE {arrived} END"
    values = ", ".join(f"{quoted(variable)}::DOUBLE AS {quoted(variable)}" for variable in variables)
    limit = "AND ds <= $until" if until else ""
    found = connection.sql(
        f"""
        SELECT ds, ({recency})::BIGINT AS {RECENCY}, {values} FROM {TABLE}
        WHERE series_id = $series AND ds IS NOT NULL AND coalesce(error, '') NOT IN ({as_sql(OUTVOTED)}) {limit}
        """,
        params={"series": str(series_id)} | ({"until": until.replace(tzinfo=UTC)} if until else {}),
    ).to_arrow_table()
    kind = pa.int64() if isinstance(series_id, int) else pa.string()
    return found.add_column(0, SERIES_ID, pa.array([series_id] * found.num_rows, kind))


def nearest_in_table(connection: duckdb.DuckDBPyConnection, series: str) -> list[str]:
    """The ids in the table with the fewest edits to `series`, upper and lower case alike; itself if it is there."""
    found: list[tuple[Any, ...]] = connection.execute(
        f"""
        SELECT series_id FROM (SELECT DISTINCT series_id FROM {TABLE} WHERE series_id IS NOT NULL)
        ORDER BY series_id <> $series, levenshtein(lower(series_id), lower($series)), series_id LIMIT {NEAREST_SERIES}
        """,
        {"series": series},
    ).fetchall()
    return [series_id for (series_id,) in found]


def refuse(series_id: str | int, nearest: Sequence[str], *, until: datetime | None) -> NoReturn:
    """Raises FitError for a series without an observation. nearest: ids that there are, the nearest first."""
    if not nearest:
        raise FitError(
            f"there is no series {series_id!r}: there are no observations at all; run the pipeline first, or name "
            "files with --data"
        )
    if nearest[0] == str(series_id):
        raise FitError(f"series {series_id!r} has no observation up to {until}; take a later --until")
    raise FitError(f"there is no series {series_id!r}; the nearest names are {', '.join(map(repr, nearest))}")
