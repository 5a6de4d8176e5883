"""Validates time travel and retention of tables: lower bounds, and which tables never lose rows."""

import difflib
from collections.abc import Mapping

from penstock.config.durations import written

DAY_SECONDS = 86400.0
#: The minimum of `maintenance.time_travel`.
TIME_TRAVEL_FLOOR = 7 * DAY_SECONDS
#: The tables that may have a retention, and the column that gives the age of a row.
TIME_COLUMNS = {"predictions": "scored_at", "forecasts": "scored_at", "quarantine": "quarantined_at"}
#: The tables that may not have a retention, with the reason.
KEPT_WHOLE = {
    "batches": "it is the ledger: a file that it forgot would be scored again after --resume-from-ledger",
    "observations": "lags is rebuilt from it, and late data is recomputed from it",
    "lags": "it is the state of the series, and no longer than series.keep_lags for each of them",
}
TABLES_OF = {"rows": ("predictions",), "series": ("forecasts", "observations", "lags")}
COMMON_TABLES = ("quarantine", "batches")


def table_names(workload: str) -> tuple[str, ...]:
    return (*TABLES_OF[workload], *COMMON_TABLES)


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
        if table in KEPT_WHOLE:
            raise ValueError(f"{table} can't have a retention: {KEPT_WHOLE[table]}")
        if table not in TIME_COLUMNS:
            nearest = difflib.get_close_matches(table, [*TIME_COLUMNS, *KEPT_WHOLE], n=1, cutoff=0.5)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"tables that can: {', '.join(TIME_COLUMNS)}"
            raise ValueError(f"there is no table {table!r}; {hint}")
        if seconds < time_travel:
            raise ValueError(
                f"{table}: {written(seconds)} is below maintenance.time_travel, {written(time_travel)}: for that long "
                "readers rely on every row"
            )


def check_workload_has(tables: Mapping[str, float], workload: str) -> None:
    """Raises ValueError for a table that only the other workload has."""
    strange = [table for table in tables if table not in table_names(workload)]
    if strange:
        possible = ", ".join(name for name in table_names(workload) if name in TIME_COLUMNS)
        raise ValueError(
            f"maintenance.retention: a pipeline of {workload} has no table {strange[0]!r}; "
            f"tables that can have one here: {possible}"
        )
