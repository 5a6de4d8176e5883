"""Files that are overlooked for their modification time.

With `source.max_file_age` the stream ignores a new file that is older than the newest one it has seen by more than
that, whatever the clock says: one file from the future, and all later ones are too old.
"""

import logging
import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice

from penstock.config.pipeline import MAX_FILE_AGE_SECONDS, SourceConfig
from penstock.sources.checkpoint import Arrival, logged_files
from penstock.sources.listing import walk_inbox
from penstock.storage.files import Storage
from penstock.storage.key_set import KeySet

#: Clocks of hosts differ by less.
FUTURE_SECONDS = 3600.0
#: How many paths are looked up at a time.
LOOKED_UP = 10_000
log = logging.getLogger(__name__)


def has_age_limit(source: SourceConfig) -> bool:
    return source.max_file_age < MAX_FILE_AGE_SECONDS


def warn_of_future_times(arrived: Sequence[Arrival], source: SourceConfig) -> None:
    """Log files whose modification time is in the future, and what follows from it."""
    latest = 1000 * (time.time() + FUTURE_SECONDS)
    future = [arrival for arrival in arrived if arrival.modified_milliseconds > latest]
    if not future:
        return
    first = max(future, key=lambda arrival: arrival.modified_milliseconds)
    log.warning(
        "%d files have a modification time in the future, %s the latest, %.1f days ahead; %s",
        len(future),
        first.path,
        (first.modified_milliseconds / 1000 - time.time()) / 86400,
        "files older than it by more than source.max_file_age are overlooked from now on: leave that setting out, or "
        "restart with a new checkpoint from the ledger when its time is put right"
        if has_age_limit(source)
        else "correct the sender's clock",
    )


def oldest_milliseconds(source: SourceConfig, *, newest_milliseconds: int) -> float:
    """The stream does not take a new file that is older than this."""
    return newest_milliseconds - 1000 * source.max_file_age if has_age_limit(source) else -math.inf


def warn_of_overlooked(storage: Storage, source: SourceConfig, checkpoint: str) -> None:
    """Log the files of the inbox that the stream has not seen, and will never take. Of all that it has seen, 16 bytes
    each are held.

    Raises PlanError, EnvironmentCheckError.
    """
    newest = 0

    def paths() -> Iterator[str]:
        nonlocal newest
        for entry in logged_files(storage, checkpoint):
            newest = max(newest, entry.modified_milliseconds)
            yield entry.path

    seen = KeySet(paths())
    oldest = oldest_milliseconds(source, newest_milliseconds=newest)
    too_old = (path for path, status in walk_inbox(storage, source) if status.modified_milliseconds < oldest)
    count, first = 0, ""
    while some := list(islice(too_old, LOOKED_UP)):
        new = [path for path, is_seen in zip(some, seen.are_in(some), strict=True) if not is_seen]
        count, first = count + len(new), min([*new, *([first] if first else [])], default="")
    if count:
        log.warning(
            "%d files of the inbox will never be scored, %s the first: they are older than the newest file by more "
            "than source.max_file_age; deliver them again with a new time, or raise or remove that setting",
            count,
            first,
        )
