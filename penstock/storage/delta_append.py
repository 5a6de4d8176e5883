"""Appends single rows to a Delta table without Spark, at most once per transaction.

Two writers of one transaction: deltalake compares the transactions of all commits since the table was read, and one of
the two fails. On S3 a commit is a conditional put, as Penstock's own log store makes them (io.penstock.s3).
"""

import os
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Schema, write_deltalake
from deltalake import Transaction as DeltaTransaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.schema import PrimitiveType

from penstock.config.locations import S3_SCHEME, is_on_s3
from penstock.config.pipeline import PipelineConfig
from penstock.errors import LedgerError, TableConflictError
from penstock.schemas.table_types import Column, Table
from penstock.storage.catalog_columns import field_of
from penstock.storage.delta_reader import READ_ERRORS, open_table, reason_of, s3_options
from penstock.storage.delta_transactions import Transaction
from penstock.storage.files import sync_folder

ATTEMPTS = 10
COLOUR = re.compile(r"\x1b\[\d*m")


def append_row_once(config: PipelineConfig, table: Table, row: dict[str, Any], transaction: Transaction) -> bool:
    """Append a row, with query_id and batch_id; False if the table has this transaction, or a later one, already.

    table: of primitive columns; it is made where it does not exist. Raises LedgerError if it can't be read or written,
    whether it is damaged or its storage is away, TableConflictError.
    """
    path = config.table_path(table.name)
    try:
        for _ in range(ATTEMPTS):
            there = open_table(config, table.name) or created(config, table)
            version = there.transaction_version(transaction.application)
            if version is not None and version >= transaction.batch_id:
                return False
            try:
                append(there, table, row, transaction)
            except CommitFailedError:
                continue  # another writer's commit came first: of this transaction, or of another
            sync_commits(path)
            return True
    except OSError as error:
        raise LedgerError(
            f"the table {path} can't be written now: {storage_reason(error)}; check the disk or store and its rights"
        ) from None
    except READ_ERRORS as error:
        raise LedgerError(f"the table {path} can't be written: {reason_of(error)}; repair or remove it") from None
    raise TableConflictError(f"table {path}: {ATTEMPTS} attempts to write conflicted with other commits; try again")


def storage_reason(error: OSError) -> str:
    """In one line: deltalake colours its causes, and gives each a line."""
    text = COLOUR.sub("", str(error)).replace("\u21b3", "-")
    return " ".join(text.split())[:300]


def append(there: DeltaTable, table: Table, row: dict[str, Any], transaction: Transaction) -> None:
    stamped = {"query_id": transaction.query_id, "batch_id": transaction.batch_id, **row}
    schema = pa.schema([field_of(column) for column in table.columns if isinstance(column, Column)])
    key = DeltaTransaction(transaction.application, transaction.batch_id)
    write_deltalake(
        there,
        pa.Table.from_pylist([stamped], schema=schema),
        mode="append",
        schema_mode="merge",
        commit_properties=CommitProperties(app_transactions=[key]),
    )


def created(config: PipelineConfig, table: Table) -> DeltaTable:
    """The table, made by this process or by another one meanwhile."""
    path = config.table_path(table.name)
    location = path.replace(S3_SCHEME, "s3://", 1)
    options = s3_options(config.s3) if is_on_s3(path) else None
    schema = Schema([delta_field(column) for column in table.columns if isinstance(column, Column)])
    try:
        DeltaTable.create(
            location, schema, mode="ignore", configuration=dict(table.properties), storage_options=options
        )
    except DeltaError:
        made = open_table(config, table.name)
        if made is None:
            raise
        return made
    sync_commits(path)
    return DeltaTable(location, storage_options=options)


def delta_field(column: Column) -> Field:
    metadata = {"comment": column.comment} if column.comment else None
    return Field(column.name, PrimitiveType(str(column.type)), metadata=metadata)


def sync_commits(path: str) -> None:
    """deltalake leaves it to the system when a local file reaches the disk."""
    if is_on_s3(path):
        return
    log = Path(path) / "_delta_log"
    newest = max(log.glob("*.json"))
    data = sorted(Path(path).glob("*.parquet"), key=lambda file: file.stat().st_mtime_ns)[-1:]
    for file in (*data, newest):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    for folder in (log, log.parent, log.parent.parent):
        sync_folder(folder)
