"""Validates time travel and retention of tables: lower bounds, and which tables never lose rows."""

import difflib
from collections.abc import Iterable, Mapping

from penstock.config.durations import written
from penstock.schemas.catalog import BY_NAME, CATALOG, possible_tables
from penstock.schemas.table_types import Table

DAY_SECONDS = 86400.0
#: The minimum of `maintenance.time_travel`.
TIME_TRAVEL_FLOOR = 7 * DAY_SECONDS


def check_time_travel(seconds: float) -> None:
    """Raises ValueError."""
    if seconds < TIME_TRAVEL_FLOOR:
        raise ValueError(
            f"{written(seconds)} is below the floor of {written(TIME_TRAVEL_FLOOR)}: a replay reads lags at the "
            "version that its plan names, and a reader that has begun reads files that are replaced meanwhile; both "
            "rely on that time"
        )


def check_retention(retention: Mapping[str, float], *, time_travel: float) -> None:
    """Raises ValueError for a table that is unknown or may not have a retention, and for a time below `time_travel`."""
    for table, seconds in retention.items():
        if table not in BY_NAME:
            nearest = difflib.get_close_matches(table, BY_NAME, n=1, cutoff=0.5)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"tables that can: {trimmable(CATALOG)}"
            raise ValueError(f"there is no table {table!r}; {hint}")
        if BY_NAME[table].kept_whole:
            raise ValueError(f"{table} can't have a retention: {BY_NAME[table].kept_whole}")
        if seconds < time_travel:
            raise ValueError(
                f"{table}: {written(seconds)} is below maintenance.time_travel, {written(time_travel)}: for that long "
                "readers rely on every row"
            )


def check_workload_has(tables: Mapping[str, float], workload: str) -> None:
    """Raises ValueError for a table that only the other workload has."""
    possible = possible_tables(workload)
    strange = [table for table in tables if table not in {each.name for each in possible}]
    if strange:
        raise ValueError(
            f"maintenance.retention: a pipeline of {workload} has no table {strange[0]!r}; "
            f"tables that can have one here: {trimmable(possible)}"
        )


def trimmable(tables: Iterable[Table]) -> str:
    """The names of those that may lose old rows."""
    return ", ".join(table.name for table in tables if not table.kept_whole)
