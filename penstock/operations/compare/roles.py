"""Compares the two versions of a canary: on the rows that both answered, and, of rows, on those that one alone did."""

from dataclasses import dataclass, replace

import duckdb

from penstock.config.evaluation_defaults import loss_of
from penstock.config.label_contract import labels_config
from penstock.config.pipeline import PipelineConfig
from penstock.errors import AnswerNotFoundError, ConfigError
from penstock.models.accuracy.welch import Difference, Sample, welch
from penstock.operations.compare.compare import ROWS_TABLES, SERIES_TABLES, compare
from penstock.operations.compare.report import Comparison
from penstock.operations.compare.request import Request
from penstock.operations.compare.row_pairs import loss_sql, prediction_sql
from penstock.operations.explain.tables import opened_tables, rows_of
from penstock.storage.duckdb_tables import quoted, register_table, registered

LEVEL = 0.95
#: The newest pair of a canary. A row that the candidate answered has the champion's version beside it.
NEWEST_PAIR = """
SELECT shadow_version AS champion, arg_max(model_version, scored_at) AS candidate
FROM {table} WHERE role LIKE 'candidate%' AND shadow_version IS NOT NULL AND model_name = $name
  AND ($since::TIMESTAMPTZ IS NULL OR scored_at >= $since::TIMESTAMPTZ)
  AND ($until::TIMESTAMPTZ IS NULL OR scored_at <= $until::TIMESTAMPTZ)
GROUP BY shadow_version ORDER BY max(scored_at) DESC LIMIT 1
"""


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
    difference: of their means, candidate less champion, with its interval of `level`."""

    champion: str
    candidate: str
    paired: Comparison
    scores: tuple[RoleScore, ...] = ()
    difference: Difference | None = None
    level: float = LEVEL


def compare_roles(config: PipelineConfig, request: Request) -> ByRole:
    """The newest canary in the window. request: without versions. As `compare`; raises AnswerNotFoundError where no
    canary has answered."""
    if config.workload not in ("rows", "series"):
        raise ConfigError(f"compare: {config.pipeline} is a pipeline of {config.workload}, which gives no answers")
    names = SERIES_TABLES if config.workload == "series" else ROWS_TABLES
    with opened_tables(config, names) as tables:
        champion, candidate = newest_pair(tables, config, request, names[0])
        scores, difference = on_different_rows(tables, config, request, champion, candidate)
    paired = compare(config, replace(request, versions=(champion, candidate)))
    return ByRole(champion=champion, candidate=candidate, paired=paired, scores=scores, difference=difference)


def newest_pair(
    tables: duckdb.DuckDBPyConnection, config: PipelineConfig, request: Request, table: str
) -> tuple[str, str]:
    found = []
    if "shadow_version" in tables.table(table).columns:
        found = rows_of(
            tables,
            NEWEST_PAIR.format(table=table),
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


def on_different_rows(
    tables: duckdb.DuckDBPyConnection, config: PipelineConfig, request: Request, champion: str, candidate: str
) -> tuple[tuple[RoleScore, ...], Difference | None]:
    """The candidate's rows, and those of the same time that the champion alone was asked for. Series have none: the
    loss of a forecast is in units of its own interval, which only the same forecast of another version shares."""
    if config.labels is None or config.workload != "rows":
        return (), None
    labels = labels_config(config)
    register_table(tables, labels, "labels")
    if "labels" not in registered(tables):
        return (), None
    loss = loss_sql(loss_of(config), prediction=prediction_sql(config, tables), label="label")
    key = ", ".join(quoted(column) for column in config.labels.key)
    found = {
        row["role"]: row
        for row in rows_of(
            tables,
            f"""
            WITH truth AS (SELECT {key}, {quoted(config.labels.value)} AS label FROM labels WHERE error IS NULL),
            span AS (
              SELECT min(scored_at) AS first, max(scored_at) AS last FROM predictions
              WHERE role = 'candidate' AND model_version = $candidate AND shadow_version = $champion
            ),
            judged AS (
              SELECT role, {loss} AS loss FROM predictions JOIN truth USING ({key})
              WHERE model_name = $name
                AND scored_at BETWEEN (SELECT first FROM span) AND (SELECT last FROM span)
                AND ($since::TIMESTAMPTZ IS NULL OR scored_at >= $since::TIMESTAMPTZ)
                AND ($until::TIMESTAMPTZ IS NULL OR scored_at <= $until::TIMESTAMPTZ)
                AND ((role = 'candidate' AND model_version = $candidate)
                  OR (role = 'champion' AND model_version = $champion AND shadow_version IS NULL))
            )
            SELECT role, count(*) AS n, avg(loss) AS mean, var_samp(loss) AS variance
            FROM judged WHERE isfinite(loss) GROUP BY role
            """,
            name=config.the_model.name,
            champion=champion,
            candidate=candidate,
            since=request.since,
            until=request.until,
        )
    }
    of_role = (("champion", champion), ("candidate", candidate))
    scores = tuple(
        RoleScore(
            role=role,
            version=version,
            n=found[role]["n"] if role in found else 0,
            loss=found[role]["mean"] if role in found else None,
        )
        for role, version in of_role
    )
    if len(found) < len(of_role):
        return scores, None
    first, second = (
        Sample(n=found[role]["n"], mean=found[role]["mean"], variance=found[role]["variance"]) for role, _ in of_role
    )
    return scores, welch(first, second, level=LEVEL)
