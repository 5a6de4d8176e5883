"""Deletes rows beyond their retention, and records the time from which a table is complete."""

import json
from datetime import UTC, datetime, timedelta

from delta.tables import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError
from penstock.schemas.catalog import time_column
from penstock.storage.files import Storage
from penstock.storage.routing import storage_of


def delete_expired(spark: SparkSession, config: PipelineConfig, table: str, now: datetime) -> int:
    """Delete the rows of a table beyond its retention; returns how many. Write conflicts are raised to the caller."""
    kept_seconds = config.maintenance.retention.get(table)
    if kept_seconds is None:
        return 0
    path, column = config.table_path(table), F.col(time_column(table))
    cutoff = now - timedelta(seconds=kept_seconds)
    if spark.read.format("delta").load(path).where(column < F.lit(cutoff)).isEmpty():
        return 0
    # Recorded before the deletion, so that a concurrent reconciliation does not report the rows as missing.
    remember(storage_of(config), config, table, cutoff)
    DeltaTable.forPath(spark, path).delete(column < F.lit(cutoff))
    metrics = DeltaTable.forPath(spark, path).history(1).select("operation", "operationMetrics").first()
    if metrics is None or metrics["operation"] != "DELETE":
        return 0  # another commit came in between; the table's history has the number of deleted rows
    return int(metrics["operationMetrics"].get("numDeletedRows") or 0)


def complete_since(config: PipelineConfig, table: str, now: datetime) -> datetime | None:
    """The time from which a table has every row, by its time column (scored_at, quarantined_at: when the batch was
    planned). None: no row was ever deleted.

    Maintenance may run concurrently, so rows beyond their retention at `now` count as deleted.
    """
    moments = []
    kept_seconds = config.maintenance.retention.get(table)
    if kept_seconds is not None:
        moments.append(now - timedelta(seconds=kept_seconds))
    remembered = deletions(storage_of(config), config).get(table)
    if remembered is not None:
        moments.append(remembered)
    return max(moments, default=None)


def deletions(storage: Storage, config: PipelineConfig) -> dict[str, datetime]:
    """By table, the time up to which rows were deleted. Raises EnvironmentCheckError."""
    path = deletions_path(config)
    content = storage.read(path)
    if content is None:
        return {}
    try:
        return {table: datetime.fromisoformat(moment) for table, moment in json.loads(content).items()}
    except (ValueError, TypeError, AttributeError):
        raise EnvironmentCheckError(
            f"{path}: is not a record of deletions; restore it (it says up to when rows were deleted from each table)"
        ) from None


def remember(storage: Storage, config: PipelineConfig, table: str, cutoff: datetime) -> None:
    known = deletions(storage, config)
    known[table] = max(cutoff, known.get(table, cutoff))
    lines = {name: moment.astimezone(UTC).isoformat() for name, moment in known.items()}
    storage.replace(deletions_path(config), json.dumps(lines).encode())


def deletions_path(config: PipelineConfig) -> str:
    return f"{config.tables.root}/_deleted_before.json"
