"""What a run of the stream returns: its last micro-batches, and totals over all of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from penstock.pipeline.batch_record import BatchRecord

#: A record holds its batch's plan, about 3 KB a file: a run over a million files would keep them all in memory.
KEPT_RECORDS = 100


@dataclass(frozen=True, kw_only=True)
class RunTotals:
    """Sums over all finished micro-batches of a run. failed: accepted rows for which the model gave an error."""

    batches: int = 0
    files: int = 0
    files_refused: int = 0
    rows_in: int = 0
    accepted: int = 0
    failed: int = 0
    quarantined: int = 0

    def plus(self, record: BatchRecord) -> Self:
        return type(self)(
            batches=self.batches + 1,
            files=self.files + len(record.plan.files),
            files_refused=self.files_refused + record.files_refused,
            rows_in=self.rows_in + record.rows_in,
            accepted=self.accepted + record.accepted,
            failed=self.failed + record.failed,
            quarantined=self.quarantined + record.quarantined,
        )


class RunRecords(list[BatchRecord]):
    """The last KEPT_RECORDS finished micro-batches of a run, in their order. totals: of all of them, those that are
    not kept included."""

    def __init__(self, records: Iterable[BatchRecord] = ()) -> None:
        super().__init__()
        self.totals = RunTotals()
        for record in records:
            self.add(record)

    def add(self, record: BatchRecord) -> None:
        """Count a finished micro-batch; the oldest kept one goes if there are too many."""
        self.totals = self.totals.plus(record)
        self.append(record)
        del self[:-KEPT_RECORDS]
