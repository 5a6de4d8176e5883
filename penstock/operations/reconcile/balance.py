"""Totals of files and rows by state, and the balance of rows."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from penstock.operations.reconcile.files import Classification, Delivery, State
from penstock.operations.reconcile.ledger_rows import RowCounts
from penstock.storage.files import FileStatus


@dataclass(frozen=True, kw_only=True)
class File:
    """A file with all known facts. status: in the inbox, null if not there. counted: its row count there."""

    path: str
    status: FileStatus | None
    classification: Classification
    deliveries: tuple[Delivery, ...] = ()
    counted: int | None = None

    @property
    def state(self) -> State:
        return self.classification.state

    @property
    def rows(self) -> int | None:
        """The counted rows, else those of the ledger, else null."""
        delivery = self.classification.delivery
        if self.counted is None and delivery and self.state in (State.SCORED, State.NO_LONGER_THERE):
            return delivery.rows
        return self.counted

    @property
    def rows_in_inbox(self) -> int:
        return (self.rows or 0) if self.status else 0

    @property
    def rows_elsewhere(self) -> int:
        """Rows that the ledger has for this path beyond those of the content in the inbox."""
        delivery = self.classification.delivery
        here = (delivery.rows or 0) if delivery and self.state is State.SCORED else 0
        return sum(one.rows or 0 for one in self.deliveries) - here

    def has_expired(self, since_milliseconds: int | None) -> bool:
        """Whether retention may have deleted some of its rows."""
        if since_milliseconds is None:
            return False
        finished = [delivery.finished_milliseconds for delivery in self.deliveries]
        return self.state is State.EXPIRED or min(finished, default=since_milliseconds + 1) <= since_milliseconds


@dataclass(frozen=True, kw_only=True)
class Total:
    """Files in a state, and their rows. not_counted: how many of these files have an unknown row count."""

    files: int = 0
    rows: int = 0
    not_counted: int = 0

    def __add__(self, other: "Total") -> "Total":
        """Of the files of both."""
        return Total(
            files=self.files + other.files,
            rows=self.rows + other.rows,
            not_counted=self.not_counted + other.not_counted,
        )


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Rows: inbox + elsewhere = scored + quarantined + pending + unaccounted.

    elsewhere: rows in the ledger of deleted files, or of earlier contents of files. unaccounted: 0 if the balance
    holds, negative if the tables have too many rows. expired: rows left out, since retention may have deleted them.
    """

    inbox: int = 0
    elsewhere: int = 0
    scored: int = 0
    quarantined: int = 0
    pending: int = 0
    expired: int = 0

    def __add__(self, other: "Balance") -> "Balance":
        """Of the files of both."""
        return Balance(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    @property
    def unaccounted(self) -> int:
        return self.inbox + self.elsewhere - self.scored - self.quarantined - self.pending


def totals_by_state(files: Iterable[File]) -> dict[State, Total]:
    totals = dict.fromkeys(State, Total())
    for file in files:
        before = totals[file.state]
        is_known = file.rows is not None or file.state is State.REFUSED or file.status is None
        totals[file.state] = Total(
            files=before.files + 1,
            rows=before.rows + (file.rows or 0),
            not_counted=before.not_counted + (not is_known),
        )
    return totals


def balance_of(files: Iterable[File], row_counts: RowCounts, *, since_milliseconds: int | None) -> Balance:
    """The balance of all files without expired batches, and of the rows of finished batches in the tables."""
    expired: dict[str, File] = {}
    inbox = elsewhere = pending = 0
    for file in files:
        if file.has_expired(since_milliseconds):
            expired[file.path] = file
            continue
        inbox += file.rows_in_inbox
        elsewhere += file.rows_elsewhere
        pending += file.rows_in_inbox if file.state is State.PENDING else 0
    scored = quarantined = 0
    for tally in row_counts.tallies:
        if tally.path not in expired and tally.batch in row_counts.finished:
            scored += tally.accepted
            quarantined += tally.quarantined if row_counts.is_open(tally) else 0
    return Balance(
        inbox=inbox,
        elsewhere=elsewhere,
        scored=scored,
        quarantined=quarantined,
        pending=pending,
        expired=sum(file.rows_in_inbox for file in expired.values()),
    )
