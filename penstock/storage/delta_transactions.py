"""A query's transactions in the tables' logs, read without Spark."""

import json
import re
from dataclasses import dataclass

from deltalake import DeltaTable

from penstock.config.pipeline import PipelineConfig
from penstock.schemas.catalog import table_names
from penstock.storage.delta_reader import opened_table
from penstock.storage.files import Storage
from penstock.storage.routing import storage_of

#: Closes a query: all its later appends are no-ops, since no version can be higher.
LAST_VERSION = 2**63 - 1
COMMIT = re.compile(r"\d{20}\.json")


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """Delta's idempotency key: a second append to a table with the same key, or a lower batch_id, is a no-op."""

    pipeline: str
    query_id: str
    batch_id: int

    @property
    def application(self) -> str:
        return f"{self.pipeline}:{self.query_id}"


def is_closed(batches: DeltaTable | None, *, pipeline: str, query_id: str) -> bool:
    """Whether the query was closed, so that all its writes are dropped: another one was resumed from the ledger."""
    application = Transaction(pipeline=pipeline, query_id=query_id, batch_id=0).application
    return batches is not None and batches.transaction_version(application) == LAST_VERSION


def has_written(config: PipelineConfig, transaction: Transaction) -> bool:
    """Whether a batch has committed to any of its tables. Raises LedgerError if one can't be read."""
    return any(is_there(config, name, transaction) for name in table_names(config.workload))


def is_there(config: PipelineConfig, name: str, transaction: Transaction) -> bool:
    version = last_transaction(config, name, transaction.application)
    return version is not None and version >= transaction.batch_id


def last_transaction(config: PipelineConfig, name: str, application: str) -> int | None:
    """The highest version that an application has committed to a table; None if there is none, or no table.

    From the checksum beside the newest commit, which has a table's transactions unless they are many; else from the
    table, whose list of files is read for it. Raises LedgerError if that can't be read.
    """
    known = checksum_transactions(storage_of(config), config.table_path(name))
    if known is not None:
        return known.get(application)
    with opened_table(config, name) as table:
        return table.transaction_version(application) if table else None


def checksum_transactions(storage: Storage, table: str) -> dict[str, int] | None:
    """By application; None where there is no such checksum (Delta's PROTOCOL.md, "Version Checksum File")."""
    log = f"{table}/_delta_log"
    versions = [name.removesuffix(".json") for name in storage.names(log) if COMMIT.fullmatch(name)]
    content = storage.read(f"{log}/{max(versions)}.crc") if versions else None
    try:
        transactions = json.loads(content or b"{}").get("setTransactions")
        return None if transactions is None else {one["appId"]: int(one["version"]) for one in transactions}
    except (ValueError, TypeError, KeyError, AttributeError):
        return None  # torn by a power cut: nobody syncs it
