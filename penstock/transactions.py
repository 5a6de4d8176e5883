"""What the tables themselves say of a query's writes, read without Spark."""

from deltalake import DeltaTable

from penstock.tables import LAST_VERSION, Transaction


def is_closed(batches: DeltaTable | None, *, pipeline: str, query_id: str) -> bool:
    """Whether all that this query would write is dropped, since another one was resumed from the ledger."""
    application = Transaction(pipeline=pipeline, query_id=query_id, batch_id=0).application
    return batches is not None and batches.transaction_version(application) == LAST_VERSION
