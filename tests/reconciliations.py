"""What a reconciliation found, in short, and tables that are changed beside the pipeline."""

from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import functions as F
from sandbox import Sandbox, wine

from penstock.operations.reconcile.reconcile import Reconciliation, reconcile

BAD = wine(alcohol="abc")


def reconciled(sandbox: Sandbox, **options: Any) -> Reconciliation:
    return reconcile(sandbox.spark, sandbox.config(), **options)


def files_and_rows(found: Reconciliation) -> dict[str, tuple[int, int]]:
    return {str(state): (total.files, total.rows) for state, total in found.totals.items() if total.files}


def equation(found: Reconciliation) -> tuple[int, int, int, int, int, int]:
    """inbox + elsewhere = scored + quarantined + pending + unaccounted."""
    balance = found.balance
    return (
        balance.inbox,
        balance.elsewhere,
        balance.scored,
        balance.quarantined,
        balance.pending,
        balance.unaccounted,
    )


def kinds(found: Reconciliation) -> list[tuple[str, str]]:
    """kind and file (or batch) of each difference."""
    return [(one.kind, one.subject.rsplit("/", 1)[-1]) for one in found.differences]


def delta(sandbox: Sandbox, table: str) -> DeltaTable:
    return DeltaTable.forPath(sandbox.spark, str(sandbox.root / "tables" / table))


def is_from(name: str) -> Any:
    return F.col("source_file").endswith(f"/{name}")


def append(sandbox: Sandbox, table: str, frame: Any) -> None:
    frame.write.format("delta").mode("append").save(str(sandbox.root / "tables" / table))
