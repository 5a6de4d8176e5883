"""Are the tables as new as the checkpoint, and as new as each other? A table restored from a backup, or one that lost
its last commits in a power cut, is not.

The checkpoint says which batches are done, so that nobody would look at their files again; the rows that the table has
no more would be missing without a message.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import deltalake

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LedgerError, PlanError
from penstock.pipeline.last_batch import BATCH, QUERY, highest
from penstock.pipeline.workload import workload_of
from penstock.sources.checkpoint import arrivals
from penstock.storage.delta_files import data_files, read_files
from penstock.storage.delta_transactions import Transaction, last_transaction
from penstock.storage.files import Storage

#: How many of a query's last batches are looked through for one with rows; older ones were looked at by their starts.
LOOK_BACK = 20
#: Names of files in a message.
SHOWN_FILES = 5


@dataclass(frozen=True, kw_only=True)
class LastWrite:
    """The last batch of a query whose marker says that it wrote rows to a table. pipeline: its name then."""

    pipeline: str
    query_id: str
    table: str
    batch_id: int


def last_writes(
    batches: deltalake.DeltaTable | None, config: PipelineConfig, queries: dict[str, int]
) -> list[LastWrite]:
    """By the ledger, of each query and each table with rows of input. queries: the last finished batch by query id."""
    if batches is None:
        return []
    files, found = data_files(batches, (QUERY, BATCH)), []
    columns = (QUERY, BATCH, "pipeline", "accepted", "quarantined", "files_refused")
    for query_id, last in queries.items():
        recent = [file for file in files if file.may_have(QUERY, query_id) and highest(file) > last - LOOK_BACK]
        rows = [
            row
            for part in read_files(batches, recent, columns)
            for row in part.to_pylist()
            if row[QUERY] == query_id and row[BATCH] > last - LOOK_BACK
        ]
        by_table = {
            workload_of(config).rows_table: [row for row in rows if row["accepted"]],
            "quarantine": [row for row in rows if row["quarantined"] or row["files_refused"]],
        }
        newest = {table: max(rows, key=batch_of) for table, rows in by_table.items() if rows}
        found += [
            LastWrite(pipeline=row["pipeline"], query_id=query_id, table=table, batch_id=row[BATCH])
            for table, row in newest.items()
        ]
    return found


def batch_of(row: dict[str, Any]) -> int:
    return int(row[BATCH])


def check_tables_agree(config: PipelineConfig, writes: Iterable[LastWrite]) -> None:
    """Raises LedgerError where a table lacks what the ledger says was written to it."""
    for write in writes:
        key = Transaction(pipeline=write.pipeline, query_id=write.query_id, batch_id=write.batch_id)
        last = last_transaction(config, write.table, key.application)
        if last is None or last < write.batch_id:
            raise LedgerError(
                f"the table {config.table_path(write.table)} is older than the table batches: it has no write of batch "
                f"{write.batch_id} of query {write.query_id}, whose rows it should hold (its last one of this query is "
                f"{'none' if last is None else last}); was it restored from an older copy? Restore all tables in "
                f"{config.tables.root} as of one time; if that is older than the checkpoint, name a new checkpoint and "
                "start with --resume-from-ledger"
            )


def check_batches_are_current(config: PipelineConfig, storage: Storage, *, done: int, committed: int) -> None:
    """Raises LedgerError where the checkpoint has finished batches that `batches` does not have."""
    if committed <= done:
        return
    raise LedgerError(
        f"the tables in {config.tables.root} are older than the checkpoint {config.checkpoint}: it has finished "
        f"batches up to {committed}, they hold batches up to {done} of this query; were they restored from an older "
        f"copy, or did they lose their last writes? {files_between(config, storage, done=done, committed=committed)} "
        "would never be scored. Restore the newer tables, or name a new checkpoint and start with "
        "--resume-from-ledger, which scores the files that the ledger does not have"
    )


def files_between(config: PipelineConfig, storage: Storage, *, done: int, committed: int) -> str:
    """The files of the batches after `done`, as far as the checkpoint still has them."""
    try:
        paths = [
            arrival.path
            for batch_id in range(done + 1, committed + 1)
            for arrival in arrivals(storage, config.checkpoint, batch_id)
        ]
    except PlanError:
        return f"The files of the batches {done + 1} to {committed}"
    names = ", ".join(path.removeprefix(f"{config.source.path}/") for path in paths[:SHOWN_FILES])
    more = f" and {len(paths) - SHOWN_FILES} more" if len(paths) > SHOWN_FILES else ""
    return f"The files between ({names}{more})"
