"""What the tables themselves say of a query's writes: the last transaction that each has of it, read without Spark."""

from deltalake import DeltaTable

from penstock.config import PipelineConfig
from penstock.retention_rules import table_names
from penstock.table_reader import opened_table
from penstock.tables import LAST_VERSION, Transaction


def last_transaction(table: DeltaTable | None, application: str) -> int:
    """The highest batch of a query (Transaction.application) that is committed to a table; -1 if none is."""
    version = table.transaction_version(application) if table is not None else None
    return -1 if version is None else version


def has_written(config: PipelineConfig, transaction: Transaction) -> bool:
    """Whether any table has a write of this batch, or of a later one of its query. Raises LedgerError."""
    for name in table_names(config.workload):
        with opened_table(config, name) as table:
            if last_transaction(table, transaction.application) >= transaction.batch_id:
                return True
    return False


def is_closed(batches: DeltaTable | None, *, pipeline: str, query_id: str) -> bool:
    """Whether all that this query would write is dropped, since another one was resumed from the ledger."""
    first = Transaction(pipeline=pipeline, query_id=query_id, batch_id=0)
    return last_transaction(batches, first.application) == LAST_VERSION
