"""Describes differences between inbox and ledger: what was found and what to do."""

from collections import defaultdict
from datetime import UTC, datetime

from penstock.operations.reconcile.balance import File
from penstock.operations.reconcile.files import Delivery, State
from penstock.operations.reconcile.ledger_rows import Batch
from penstock.operations.reconcile.tables import Difference
from penstock.storage.files import FileStatus

LOST = (
    "the checkpoint has it as done, the ledger does not have it: its rows are missing",
    "deliver it again under a new name",
)
LOST_WITH_ROWS = (
    "the checkpoint has it as done, the ledger does not have it, the tables hold rows of it without a marker",
    "see `left behind` below before it is delivered again",
)
VANISHED = (
    "the stream has listed it, and it was gone before its batch was finished",
    "put it back as it was, with its modification time",
)


def difference_of_state(file: File, *, has_rows: bool) -> Difference | None:
    """The difference that a file's state implies; None if the state is as expected.

    has_rows: the tables hold rows of it without a marker.
    """
    if file.state is State.CHANGED:
        found, remedy = changed(file)
    elif file.state is State.TOO_OLD:
        found, remedy = too_old(file)
    elif file.state is State.LOST:
        found, remedy = LOST_WITH_ROWS if has_rows else LOST
    elif file.state is State.VANISHED:
        found, remedy = VANISHED
    else:
        return None
    return Difference(kind=str(file.state), subject=file.path, found=found, remedy=remedy)


def changed(file: File) -> tuple[str, str]:
    delivery = file.classification.delivery
    then = describe(delivery.status) if delivery and delivery.status else "gone when it was looked at"
    now = describe(file.status) if file.status else "gone"
    batch = f" in {delivery.batch}" if delivery else ""
    remedy = "deliver the new content under a new name"
    if delivery and delivery.rows is None:
        remedy = f"{remedy}, or let jobs/replay_quarantine.py read it, for it was refused"
    return f"was {then}{batch}, is {now}", f"the stream will not see it again: {remedy}"


def too_old(file: File) -> tuple[str, str]:
    when = describe(file.status) if file.status else "gone"
    return (
        f"is {when}, and so further behind the newest file than source.max_file_age: the stream overlooks it",
        "deliver it again with a new modification time, or raise source.max_file_age and start the stream again",
    )


def miscounted(file: File, delivery: Delivery) -> Difference:
    return Difference(
        kind="miscounted",
        subject=file.path,
        found=f"has {file.counted:,} rows, the ledger says {delivery.rows:,} in {delivery.batch}",
        remedy="if the ledger was not edited (DESCRIBE HISTORY of batches), please report this with the file",
    )


def taken_twice(file: File) -> Difference | None:
    """The difference of a file whose content was processed by two batches; None if there is none."""
    batches: dict[FileStatus, set[Batch]] = defaultdict(set)
    for delivery in file.deliveries:
        if delivery.status is not None and delivery.rows:
            batches[delivery.status].add(delivery.batch)
    doubled = {status: taken for status, taken in batches.items() if len(taken) > 1}
    if not doubled:
        return None
    found = "; ".join(
        f"{describe(status)} in {' and in '.join(map(str, sorted(taken)))}" for status, taken in doubled.items()
    )
    return Difference(
        kind="taken twice",
        subject=file.path,
        found=f"the same content was taken by more than one batch: {found}",
        remedy="its rows are doubled: delete those of the later batch, and please report how it came",
    )


def unaccounted(rows: int) -> Difference:
    return Difference(
        kind="balance",
        subject="all files",
        found=f"{abs(rows):,} rows too {'few' if rows > 0 else 'many'} in the tables, though no file shows why",
        remedy="run it again; if it stays, please report this",
    )


def describe(status: FileStatus) -> str:
    when = datetime.fromtimestamp(status.modified_milliseconds / 1000, tz=UTC).isoformat(" ", "milliseconds")
    return f"{status.length:,} bytes of {when.removesuffix('+00:00')} UTC"
