"""Compares the two versions of a canary: on the rows that both answered, and, of rows, on those that one alone did."""

from dataclasses import dataclass, replace
from typing import Any

import duckdb

from penstock.config.evaluation_defaults import loss_of
from penstock.config.label_contract import labels_config
from penstock.config.pipeline import PipelineConfig
from penstock.errors import AnswerNotFoundError, ConfigError
from penstock.models.accuracy.welch import Difference, Sample, welch
from penstock.operations.compare.compare import ROWS_TABLES, SERIES_TABLES, compare
from penstock.operations.compare.report import Comparison
from penstock.operations.compare.request import Request
from penstock.operations.compare.row_pairs import loss_sql, prediction_sql, row_time_sql
from penstock.operations.explain.tables import opened_tables, rows_of
from penstock.storage.duckdb_tables import quoted, register_table, registered

LEVEL = 0.95
#: The newest pair of a canary. A row that the candidate answered has the champion's version beside it. time: what the
#: window is of.
NEWEST_PAIR = """
SELECT shadow_version AS champion, arg_max(model_version, scored_at) AS candidate
FROM {table} WHERE role LIKE 'candidate%' AND shadow_version IS NOT NULL AND model_name = $name
  AND ($since::TIMESTAMPTZ IS NULL OR {time} >= $since::TIMESTAMPTZ)
  AND ($until::TIMESTAMPTZ IS NULL OR {time} <= $until::TIMESTAMPTZ)
GROUP BY shadow_version ORDER BY max(scored_at) DESC LIMIT 1
"""


#: Rows of the candidate's keys that it failed on: the champion's answer stands, and neither side has them.
FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class RoleScore:
    """Of the rows that one version alone stands for. n: with a label and a loss. loss: their mean, None without any."""

    role: str
    version: str
    n: int
    loss: float | None


@dataclass(frozen=True, kw_only=True)
class ByRole:
    """paired: on the rows that both versions answered. scores: on different rows, champion first; empty for series.
    difference: of their means, candidate less champion, with its interval of `level`. failed: the rows with a label of
    the candidate's keys that it failed on, which neither of the scores counts."""

    champion: str
    candidate: str
    paired: Comparison
    scores: tuple[RoleScore, ...] = ()
    difference: Difference | None = None
    level: float = LEVEL
    failed: int = 0


def compare_roles(config: PipelineConfig, request: Request) -> ByRole:
    """The newest canary in the window. request: without versions. As `compare`; raises AnswerNotFoundError where no
    canary has answered."""
    if config.workload not in ("rows", "series"):
        raise ConfigError(f"compare: {config.pipeline} is a pipeline of {config.workload}, which gives no answers")
    names = SERIES_TABLES if config.workload == "series" else ROWS_TABLES
    with opened_tables(config, names) as tables:
        champion, candidate = newest_pair(tables, config, request, names[0])
        sides = sides_of(tables, config, request, champion, candidate)
    paired = compare(config, replace(request, versions=(champion, candidate)))
    alone = on_different_rows(sides, champion, candidate) if sides is not None else ()
    return ByRole(
        champion=champion,
        candidate=candidate,
        paired=paired,
        scores=alone,
        difference=difference_of(sides) if sides is not None else None,
        failed=sides[FAILED]["n"] if sides is not None and FAILED in sides else 0,
    )


def window_time(config: PipelineConfig) -> str:
    """What --from and --to are of, as in the paired comparison: of a forecast its ds, of a row labels.time, or when it
    was scored."""
    return "ds" if config.workload == "series" else row_time_sql(config) or "scored_at"


def newest_pair(
    tables: duckdb.DuckDBPyConnection, config: PipelineConfig, request: Request, table: str
) -> tuple[str, str]:
    found = []
    if "shadow_version" in tables.table(table).columns:
        found = rows_of(
            tables,
            NEWEST_PAIR.format(table=table, time=window_time(config)),
            name=config.the_model.name,
            since=request.since,
            until=request.until,
        )
    if not found:
        raise AnswerNotFoundError(
            f"no canary of {config.the_model.name} has answered in this window: --by-role compares the rows that its "
            "candidate answered with the champion's; set experiment.mode to canary, or compare by --versions"
        )
    return found[0]["champion"], found[0]["candidate"]


def sides_of(
    tables: duckdb.DuckDBPyConnection, config: PipelineConfig, request: Request, champion: str, candidate: str
) -> dict[str, dict[str, Any]] | None:
    """n, mean and variance of the losses of the candidate's rows (`candidate`), of those of the same time that the
    champion alone was asked for (`champion`), and FAILED; without a side that has no row.

    None for series: the loss of a forecast is in units of its own interval, which only the same forecast of another
    version shares; and where there are no labels.
    """
    if config.labels is None or config.workload != "rows":
        return None
    labels = labels_config(config)
    register_table(tables, labels, "labels")
    if "labels" not in registered(tables):
        return None
    loss = loss_sql(loss_of(config), prediction=prediction_sql(config, tables), label="label")
    keys = [f"key_{number}" for number, _ in enumerate(config.labels.key)]
    own_keys = ", ".join(f"{quoted(column)} AS {key}" for column, key in zip(config.labels.key, keys, strict=True))
    found = rows_of(
        tables,
        # The columns of a contract may have any name, such as `label`: only what is named here is joined.
        f"""
        WITH truth AS (SELECT {own_keys}, {quoted(config.labels.value)} AS label FROM labels WHERE error IS NULL),
        given AS (
          SELECT {own_keys}, prediction, scored_at,
            CASE
              WHEN role = 'candidate' AND model_version = $candidate AND shadow_version = $champion THEN 'candidate'
              WHEN role = 'champion' AND model_version = $champion AND shadow_version IS NULL THEN 'champion'
              WHEN role = 'champion' AND model_version = $champion AND shadow_version = $candidate
                AND shadow_error IS NOT NULL THEN '{FAILED}'
            END AS side,
            {window_time(config)} AS made_at
          FROM predictions WHERE model_name = $name
        ),
        span AS (SELECT min(scored_at) AS first, max(scored_at) AS last FROM given WHERE side = 'candidate'),
        judged AS (
          SELECT side, {loss} AS loss FROM given JOIN truth USING ({", ".join(keys)})
          WHERE side IS NOT NULL
            AND scored_at BETWEEN (SELECT first FROM span) AND (SELECT last FROM span)
            AND ($since::TIMESTAMPTZ IS NULL OR made_at >= $since::TIMESTAMPTZ)
            AND ($until::TIMESTAMPTZ IS NULL OR made_at <= $until::TIMESTAMPTZ)
        )
        SELECT side, count(*) AS n, avg(loss) AS mean, var_samp(loss) AS variance
        FROM judged WHERE isfinite(loss) GROUP BY side
        """,
        name=config.the_model.name,
        champion=champion,
        candidate=candidate,
        since=request.since,
        until=request.until,
    )
    return {row["side"]: row for row in found}


def on_different_rows(sides: dict[str, dict[str, Any]], champion: str, candidate: str) -> tuple[RoleScore, ...]:
    return tuple(
        RoleScore(
            role=role,
            version=version,
            n=sides[role]["n"] if role in sides else 0,
            loss=sides[role]["mean"] if role in sides else None,
        )
        for role, version in (("champion", champion), ("candidate", candidate))
    )


def difference_of(sides: dict[str, dict[str, Any]]) -> Difference | None:
    """None where a side has too few rows."""
    if "champion" not in sides or "candidate" not in sides:
        return None
    first, second = (
        Sample(n=sides[role]["n"], mean=sides[role]["mean"], variance=sides[role]["variance"])
        for role in ("champion", "candidate")
    )
    return welch(first, second, level=LEVEL)
