"""Tables `batches` made by hand, one Delta commit a call, without Spark."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

FILE = pa.struct(
    {"path": pa.string(), "length": pa.int64(), "modification_time": pa.timestamp("us", "UTC"), "rows": pa.int64()}
)
SCHEMA = pa.schema({"query_id": pa.string(), "batch_id": pa.int64(), "files": pa.list_(FILE)})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ledger_file(path: str, milliseconds: int | None, *, rows: int | None = 1) -> dict[str, object]:
    """An entry of `files`; a file that an earlier query had has neither time nor rows."""
    modified = None if milliseconds is None else EPOCH + timedelta(milliseconds=milliseconds)
    return {"path": path, "length": 1, "modification_time": modified, "rows": rows}


def commit_batches(
    table: Path, *batches: tuple[str, int, Iterable[dict[str, object]]], statistics: str = "query_id,batch_id"
) -> None:
    """Append rows (query_id, batch_id, files) as one file. statistics: the columns with bounds in the log."""
    rows = [{"query_id": query, "batch_id": number, "files": list(files)} for query, number, files in batches]
    content = pa.Table.from_pylist(rows, schema=SCHEMA)
    configuration = {"delta.dataSkippingStatsColumns": statistics} if statistics else {}
    options = {} if DeltaTable.is_deltatable(str(table)) else {"configuration": configuration}
    write_deltalake(table, content, mode="append", **options)


def edit_bounds(table: Path, **bounds: object) -> None:
    """Rewrite the bounds of each file in the log; None removes them, as tables without statistics have it."""
    for commit in sorted((table / "_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        for action in actions:
            if "add" in action:
                edit_action(action["add"], bounds)
        commit.write_text("\n".join(map(json.dumps, actions)))


def edit_action(add: dict[str, object], bounds: dict[str, object]) -> None:
    if bounds.get("stats", "") is None:
        add.pop("stats")
        return
    stats = json.loads(str(add["stats"]))
    query_ids = stats["minValues"]["query_id"], stats["maxValues"]["query_id"]
    # Delta keeps 32 characters; the upper bound ends with a character above all others.
    stats["minValues"]["query_id"], stats["maxValues"]["query_id"] = query_ids[0][:32], query_ids[1][:32] + "\U0010ffff"
    add["stats"] = json.dumps(stats)
