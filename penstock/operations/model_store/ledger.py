"""What the ledger knows of each version: when it answered, and why it was refused."""

from dataclasses import dataclass
from datetime import datetime

import duckdb

from penstock.config.pipeline import PipelineConfig
from penstock.errors import PlanError
from penstock.pipeline.plan import newest_plan
from penstock.storage.routing import storage_of

COLUMNS = ("started_at", "finished_at", "accepted", "versions", "refused_versions")
USES = """
SELECT versions['champion'] AS version, count(*)::BIGINT AS batches, coalesce(sum(accepted), 0)::BIGINT AS accepted,
       min(started_at) AS first_at, max(finished_at) AS last_at
FROM batches WHERE versions['champion'] IS NOT NULL GROUP BY ALL
"""
#: The newest reason; a version that answered later is refused no more.
REFUSALS = """
SELECT entry.key, arg_max(entry.value, finished_at), max(finished_at)
FROM (SELECT unnest(map_entries(refused_versions)) AS entry, finished_at FROM batches)
GROUP BY entry.key
"""


@dataclass(frozen=True, kw_only=True)
class Use:
    """The micro-batches that a version answered. accepted: their rows or observations."""

    version: str
    batches: int
    accepted: int
    first_at: datetime
    last_at: datetime


def uses(tables: duckdb.DuckDBPyConnection) -> dict[str, Use]:
    """By version. tables: with `batches`, or no rows of it."""
    found = tables.execute(USES)
    names = [column[0] for column in found.description or ()]
    rows = [Use(**dict(zip(names, row, strict=True))) for row in found.fetchall()]
    return {use.version: use for use in rows}


def refusals(tables: duckdb.DuckDBPyConnection, used: dict[str, Use]) -> dict[str, str]:
    """The reasons of the versions that were refused and have not answered since."""
    return {
        version: reason
        for version, reason, at in tables.execute(REFUSALS).fetchall()
        if version not in used or used[version].last_at < at
    }


def answering(config: PipelineConfig, used: dict[str, Use]) -> str | None:
    """The version that answers now: that of the newest plan, else of the batch that finished last. None before the
    first batch, and where the plan is of another model than the config names now. Raises OSError."""
    try:
        plan = newest_plan(storage_of(config), config.checkpoint)
    except PlanError:
        plan = None
    if plan is not None:
        return plan.champion.version if plan.champion.name == config.the_model.name else None
    last = max(used.values(), key=lambda use: use.last_at, default=None)
    return last.version if last else None
