"""Queries of `quarantine`: counts by reason and by file, and the rows themselves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import pandas as pd

#: A reason with its values masked, so that equal causes are counted together.
CAUSE = "regexp_replace({}, '''.*''', '''...''', 's')"
RAW_CHARACTERS = 2000


@dataclass(frozen=True, kw_only=True)
class Entries:
    """A filter of entries; None is no condition. reason: masked, as returned by `reasons`. file: a source_file.

    waiting: only entries not yet replayed.
    """

    since: datetime
    stage: str | None = None
    reason: str | None = None
    file: str | None = None
    waiting: bool = False

    @property
    def condition(self) -> tuple[str, dict[str, Any]]:
        """As SQL with only the given conditions, so that they are pushed down into the files."""
        meant = {
            "quarantined_at >= $since": self.since,
            "stage = $stage": self.stage,
            "source_file = $file": self.file,
            f"list_contains([{CAUSE.format('one')} FOR one IN reasons], $reason)": self.reason,
        }
        asked = {sql: value for sql, value in meant.items() if value is not None}
        values = {sql.rpartition("$")[2].rstrip(")"): value for sql, value in asked.items()}
        return " AND ".join([*asked, *(["replayed_in IS NULL"] if self.waiting else [])]), values


def reasons(tables: duckdb.DuckDBPyConnection, *, of: Entries, limit: int) -> pd.DataFrame:
    """stage, reason, entries: the most frequent first. An entry counts once under each of its reasons."""
    condition, values = of.condition
    return tables.execute(
        f"""
        SELECT stage, reason, count(*) AS entries
        FROM (
            SELECT stage, unnest(list_distinct([{CAUSE.format("one")} FOR one IN reasons])) AS reason
            FROM quarantine WHERE {condition}
        )
        GROUP BY ALL ORDER BY entries DESC, reason, stage LIMIT {limit:d}
        """,
        values,
    ).df()


def files(tables: duckdb.DuckDBPyConnection, *, of: Entries, limit: int) -> pd.DataFrame:
    """source_file, entries: those with the most first."""
    condition, values = of.condition
    return tables.execute(
        f"""
        SELECT source_file, count(*) AS entries FROM quarantine WHERE {condition}
        GROUP BY ALL ORDER BY entries DESC, source_file LIMIT {limit:d}
        """,
        values,
    ).df()


def count(tables: duckdb.DuckDBPyConnection, *, of: Entries) -> int:
    condition, values = of.condition
    [(entries,)] = tables.execute(f"SELECT count(*) FROM quarantine WHERE {condition}", values).fetchall()
    return int(entries)


def newest(tables: duckdb.DuckDBPyConnection, *, of: Entries, limit: int) -> pd.DataFrame:
    """The entries themselves, the newest first. raw: the text, cut at RAW_CHARACTERS; header: its header line."""
    condition, values = of.condition
    return tables.execute(
        f"""
        SELECT quarantined_at, stage, array_to_string(reasons, '; ') AS reasons, left(raw, {RAW_CHARACTERS}) AS raw,
               left(header, {RAW_CHARACTERS}) AS header, source_file, batch_id, replayed_in
        FROM quarantine WHERE {condition}
        ORDER BY quarantined_at DESC, source_file, raw LIMIT {limit:d}
        """,
        values,
    ).df()
