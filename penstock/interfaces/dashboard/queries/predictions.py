"""Queries of `predictions` by model version: counts, and the distribution of one field."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb
import pandas as pd

from penstock.storage.duckdb_tables import quoted

#: The label of a version; with its role unless that is champion.
LABEL = "coalesce(model_version, 'none') || CASE WHEN role = 'champion' THEN '' ELSE ' (' || role || ')' END"
ASKED = f"scored_at >= $since AND list_contains($versions, {LABEL})"
START = "to_timestamp(floor(epoch(scored_at) / $width) * $width)"
NUMBERS = {"tinyint", "smallint", "integer", "bigint", "float", "double", "decimal"}
WORDS = {"varchar", "boolean"}
BINS = 40


@dataclass(frozen=True, kw_only=True)
class PredictionField:
    """A number or string in the column `prediction`: the column itself (path is empty), or a field of its struct."""

    path: tuple[str, ...]
    kind: Literal["number", "word"]

    @property
    def title(self) -> str:
        return ".".join(("prediction", *self.path))

    @property
    def sql(self) -> str:
        return "predictions.prediction" + "".join(f".{quoted(name)}" for name in self.path)


def prediction_fields(tables: duckdb.DuckDBPyConnection) -> list[PredictionField]:
    """The fields that can be plotted; arrays and timestamps can't."""
    [kind] = tables.sql("SELECT prediction FROM predictions").types
    return list(drawable(kind, ()))


def drawable(kind: duckdb.sqltypes.DuckDBPyType, path: tuple[str, ...]) -> Iterator[PredictionField]:
    if kind.id == "struct":
        for name, inner in kind.children:
            if isinstance(inner, duckdb.sqltypes.DuckDBPyType):
                yield from drawable(inner, (*path, name))
    elif kind.id in NUMBERS:
        yield PredictionField(path=path, kind="number")
    elif kind.id in WORDS:
        yield PredictionField(path=path, kind="word")


def versions(tables: duckdb.DuckDBPyConnection, *, since: datetime, limit: int) -> pd.DataFrame:
    """version, model_name, rows, failed, first_at, last_at: the version that scored last comes first."""
    return tables.execute(
        f"""
        SELECT {LABEL} AS version, model_name, count(*) AS rows, count(error) AS failed,
               min(scored_at) AS first_at, max(scored_at) AS last_at
        FROM predictions WHERE scored_at >= $since
        GROUP BY ALL ORDER BY last_at DESC, version LIMIT $limit
        """,
        {"since": since, "limit": limit},
    ).df()


def rows_over_time(
    tables: duckdb.DuckDBPyConnection, *, versions: Sequence[str], since: datetime, width_seconds: int
) -> pd.DataFrame:
    """starts_at, version, rows."""
    return tables.execute(
        f"""
        SELECT {START} AS starts_at, {LABEL} AS version, count(*) AS rows
        FROM predictions WHERE {ASKED} GROUP BY ALL ORDER BY starts_at, version
        """,
        {"since": since, "versions": list(versions), "width": width_seconds},
    ).df()


def spread_over_time(
    tables: duckdb.DuckDBPyConnection,
    field: PredictionField,
    *,
    versions: Sequence[str],
    since: datetime,
    width_seconds: int,
) -> pd.DataFrame:
    """starts_at, version, tenth, median, ninetieth: approximate percentiles; exact ones would keep every value."""
    return tables.execute(
        f"""
        SELECT starts_at, version, part[1] AS tenth, part[2] AS median, part[3] AS ninetieth
        FROM (
            SELECT {START} AS starts_at, {LABEL} AS version,
                   approx_quantile({field.sql}::DOUBLE, [0.1, 0.5, 0.9]) AS part
            FROM predictions WHERE {ASKED} AND isfinite({field.sql}::DOUBLE) GROUP BY ALL
        )
        ORDER BY starts_at, version
        """,
        {"since": since, "versions": list(versions), "width": width_seconds},
    ).df()


def histogram(
    tables: duckdb.DuckDBPyConnection, field: PredictionField, *, versions: Sequence[str], since: datetime
) -> pd.DataFrame:
    """version, low, high, rows, share (of the version's rows): up to BINS bins of one width, from least to greatest."""
    values = {"since": since, "versions": list(versions)}
    condition = f"{ASKED} AND isfinite({field.sql}::DOUBLE)"
    ends = tables.execute(
        f"SELECT min({field.sql})::DOUBLE, max({field.sql})::DOUBLE FROM predictions WHERE {condition}", values
    ).fetchone()
    least, greatest = ends if ends and ends[0] is not None else (0.0, 0.0)
    width = (greatest - least) / BINS or 1.0
    return tables.execute(
        f"""
        SELECT version, $least + bin * $width AS low, $least + (bin + 1) * $width AS high, rows,
               rows / sum(rows) OVER (PARTITION BY version) AS share
        FROM (
            SELECT {LABEL} AS version, least(floor(({field.sql}::DOUBLE - $least) / $width), {BINS - 1}) AS bin,
                   count(*) AS rows
            FROM predictions WHERE {condition} GROUP BY ALL
        )
        ORDER BY version, low
        """,
        {**values, "least": least, "width": width},
    ).df()


def words(
    tables: duckdb.DuckDBPyConnection, field: PredictionField, *, versions: Sequence[str], since: datetime, limit: int
) -> pd.DataFrame:
    """version, word, rows, share (of the version's rows with a value): for the `limit` most frequent words."""
    return tables.execute(
        f"""
        WITH counted AS (
            SELECT {LABEL} AS version, {field.sql}::VARCHAR AS word, count(*) AS rows
            FROM predictions WHERE {ASKED} AND {field.sql} IS NOT NULL GROUP BY ALL
        ), frequent AS (SELECT word FROM counted GROUP BY word ORDER BY sum(rows) DESC, word LIMIT $limit)
        SELECT * FROM (SELECT *, rows / sum(rows) OVER (PARTITION BY version) AS share FROM counted)
        WHERE word IN (FROM frequent) ORDER BY version, rows DESC, word
        """,
        {"since": since, "versions": list(versions), "limit": limit},
    ).df()
