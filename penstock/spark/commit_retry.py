"""Retries Delta commits that lose optimistic concurrency control.

Maintenance runs beside the stream: a compaction that commits during a merge removes files that the merge has read, and
a changed table property is a metadata change that conflicts with every append.
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

#: Conflicts after which a retry is safe, since nothing was committed. ConcurrentTransactionException means that another
#: writer committed the same batch: the retry finds its transaction and is a no-op.
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
#: The pause before the second attempt; each further pause is longer by as much (linear backoff).
PAUSE_SECONDS = 0.5
log = logging.getLogger(__name__)


def commit(path: str, write: Callable[[], object]) -> None:
    """Run `write`, a write to the table at `path`, and retry it while it conflicts with other commits.

    Raises TableConflictError after ATTEMPTS.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            write()
        except CONFLICTS as error:
            conflict = type(error).__name__.removesuffix("Exception")
            if attempt == ATTEMPTS:
                raise TableConflictError(
                    f"table {path}: {ATTEMPTS} attempts to write conflicted with other commits (the last: {conflict}); "
                    "nothing of them is in the table. Find out who else writes there so often, and start again"
                ) from None
            log.info("table %s: write conflict (%s), retrying", path, conflict)
            time.sleep(PAUSE_SECONDS * attempt)
        else:
            return
