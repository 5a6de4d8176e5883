"""Writes that meet with another commit: Delta refuses the later of two that touch the same files; it is made again.

Maintenance runs beside the stream: a compaction that commits during a merge takes away files that the merge has read,
and a changed table property is new metadata under every append.
"""

import logging
import time
from collections.abc import Callable

from delta.exceptions import (
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
    ConcurrentWriteException,
    DeltaConcurrentModificationException,
    MetadataChangedException,
    ProtocolChangedException,
)

from penstock.errors import TableConflictError

#: Nothing of the refused write is in the table. The one of the transaction is for two writers of the same batch: made
#: again, the write finds the other's there and does nothing.
CONFLICTS = (
    ConcurrentAppendException,
    ConcurrentDeleteDeleteException,
    ConcurrentDeleteReadException,
    ConcurrentTransactionException,
    ConcurrentWriteException,
    DeltaConcurrentModificationException,
    MetadataChangedException,
    ProtocolChangedException,
)
ATTEMPTS = 6
#: Before the second attempt; before each further one as much more.
PAUSE_SECONDS = 0.5
log = logging.getLogger(__name__)


def commit(path: str, write: Callable[[], object]) -> None:
    """Run `write`, a write of the table at `path`, and again while it meets with other commits.

    Raises TableConflictError after ATTEMPTS.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            write()
        except CONFLICTS as error:
            met = type(error).__name__.removesuffix("Exception")
            if attempt == ATTEMPTS:
                raise TableConflictError(
                    f"table {path}: {ATTEMPTS} attempts to write met with other commits (the last with {met}); nothing "
                    "of them is in the table. Find out who else writes there so often, and start again"
                ) from None
            log.info("table %s: met with another commit (%s), writing again", path, met)
            time.sleep(PAUSE_SECONDS * attempt)
        else:
            return
