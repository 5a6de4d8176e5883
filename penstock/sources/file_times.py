"""Files that are overlooked for their modification time.

With `source.max_file_age` the stream ignores a new file that is older than the newest one it has seen by more than
that, whatever the clock says: one file from the future, and all later ones are too old.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence

from penstock.config.pipeline import MAX_FILE_AGE_SECONDS, SourceConfig
from penstock.sources.checkpoint import Arrival, Logged
from penstock.storage.files import FileStatus

#: Clocks of hosts differ by less.
FUTURE_SECONDS = 3600.0
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


def newest_seen(log_of_files: Mapping[str, Logged]) -> int:
    """The newest modification time that the stream has seen, in milliseconds; 0 where it has seen none."""
    return max((logged.modified_milliseconds for logged in log_of_files.values()), default=0)


def oldest_milliseconds(source: SourceConfig, *, newest_milliseconds: int) -> float:
    """The stream does not take a new file that is older than this."""
    return newest_milliseconds - 1000 * source.max_file_age if has_age_limit(source) else -math.inf


def overlooked(files: Mapping[str, FileStatus], *, newest_milliseconds: int, source: SourceConfig) -> list[str]:
    """The paths, of files that the stream has not seen yet, that it will never take."""
    oldest = oldest_milliseconds(source, newest_milliseconds=newest_milliseconds)
    return sorted(path for path, status in files.items() if status.modified_milliseconds < oldest)


def warn_of_overlooked(inbox: Mapping[str, FileStatus], seen: Mapping[str, Logged], source: SourceConfig) -> None:
    """Log the files of the inbox that the stream will never take."""
    new = {path: status for path, status in inbox.items() if path not in seen}
    paths = overlooked(new, newest_milliseconds=newest_seen(seen), source=source)
    if paths:
        log.warning(
            "%d files of the inbox will never be scored, %s the first: they are older than the newest file by more "
            "than source.max_file_age; deliver them again with a new time, or raise or remove that setting",
            len(paths),
            paths[0],
        )
