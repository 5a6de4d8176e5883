"""Makes a Delta table look as if all that happened to it had happened some days earlier."""

import json
import os
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

TIMES = {"commitInfo": "timestamp", "remove": "deletionTimestamp", "add": "modificationTime"}


def age_table(spark: SparkSession, path: Path, *, days: float) -> None:
    """Files' times, and the times that the log has of them. The table has no checkpoint yet."""
    for log in sorted((path / "_delta_log").glob("*.json")):
        actions = [aged(json.loads(line), days) for line in log.read_text().splitlines()]
        log.write_text("".join(json.dumps(action) + "\n" for action in actions))
        log.with_name(f".{log.name}.crc").unlink(missing_ok=True)
    for file in path.rglob("*"):
        if file.is_file():
            then = file.stat().st_mtime - days * 86400
            os.utime(file, (then, then))
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]


def aged(action: dict[str, Any], days: float) -> dict[str, Any]:
    for kind, field in TIMES.items():
        if field in action.get(kind, {}):
            action[kind][field] -= int(days * 86_400_000)
    return action
