"""What the tables themselves say of a query's writes: the last transaction that each has of it, read without Spark."""

from penstock.config import PipelineConfig
from penstock.retention_rules import table_names
from penstock.table_reader import opened_table
from penstock.tables import LAST_VERSION, Transaction


def last_transaction(config: PipelineConfig, table: str, application: str) -> int:
    """The highest batch of a query (Transaction.application) that is committed to a table; -1 if none is.

    Raises LedgerError.
    """
    with opened_table(config, table) as opened:
        version = opened.transaction_version(application) if opened is not None else None
    return -1 if version is None else version


def has_written(config: PipelineConfig, transaction: Transaction) -> bool:
    """Whether any table has a write of this batch, or of a later one of its query. Raises LedgerError."""
    tables = table_names(config.workload)
    return any(last_transaction(config, table, transaction.application) >= transaction.batch_id for table in tables)


def is_closed(config: PipelineConfig, query_id: str) -> bool:
    """Whether all that this query would write is dropped, since another one was resumed from the ledger.

    Raises LedgerError.
    """
    first = Transaction(pipeline=config.pipeline, query_id=query_id, batch_id=0)
    return last_transaction(config, "batches", first.application) == LAST_VERSION
