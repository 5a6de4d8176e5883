"""Files that end the process which opens or reads them, as a damaged footer does with Arrow, or a text with the memory.

Such a file is known only by what an earlier process has noted before it ended: so where a batch has ended that way
before, its files are admitted one at a time, each under a mark.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from penstock.config.pipeline import SourceConfig
from penstock.schemas.contract import Contract
from penstock.sources.admission import admit_file
from penstock.sources.checkpoint import Arrival
from penstock.sources.files import PlannedFile, refused_file
from penstock.sources.settling import settle
from penstock.storage.files import FileStatus, Storage

#: In how many trials alone the process may end before the file is refused for it.
MAX_DEATHS = 2
log = logging.getLogger(__name__)


def admit_alone(
    arrived: Sequence[Arrival],
    *,
    storage: Storage,
    source: SourceConfig,
    contract: Contract,
    deaths: Mapping[str, int],
    mark: Callable[[str], None],
) -> list[PlannedFile]:
    """As `admit_files`, one file after the other, and a deadly one is refused without a look into it.

    deaths: in how many earlier trials of each file the process ended. mark: notes durably which file is tried next.
    """
    settled = settle(arrived, storage=storage, settle_seconds=source.settle)
    files = []
    for path in (arrival.path for arrival in arrived):
        status = settled[path].status
        if status is not None and deaths.get(path, 0) >= MAX_DEATHS:
            reason = deadly_reason(status)
            log.warning("%s: %s", path, reason)
            files.append(refused_file(path=path, status=status, reasons=[reason]))
            continue
        mark(path)
        files.append(admit_file(path, settled[path], storage=storage, source=source, contract=contract))
    return files


def deadly_reason(status: FileStatus) -> str:
    """With the file's size and time: as long as they are these, it is not tried again."""
    return (
        f"file: the process ended {MAX_DEATHS} times while it read this file alone ({status.length} bytes of "
        f"{status.modification_time.isoformat()}): in most cases memory ran out, or the file is damaged; deliver it in "
        "smaller parts, or written again"
    )
