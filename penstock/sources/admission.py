"""Decides for each file that arrived whether it can be read. A refused file does not hold up the others."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from penstock.config.pipeline import SourceConfig
from penstock.errors import PenstockError
from penstock.schemas.contract import Contract
from penstock.sources.checkpoint import Arrival
from penstock.sources.files import PlannedFile, refused_file
from penstock.sources.formats import format_of
from penstock.sources.settling import VANISHED, Settled, settle
from penstock.storage.files import Storage, is_of_content, trouble_with

WORKERS = 16
#: What a local disk raises of one file while the others can be read. S3 raises neither: a right that is missing there
#: may be that of the whole bucket, or of its KMS key.
OF_ONE_FILE = (PermissionError, IsADirectoryError)
log = logging.getLogger(__name__)


def admit_files(
    arrived: Sequence[Arrival], *, storage: Storage, source: SourceConfig, contract: Contract
) -> list[PlannedFile]:
    """A verdict for each arrival, in the same order; accepted, or refused with all reasons found.

    Raises StorageError: a store in trouble says nothing about its files, and a refusal is for ever.
    """
    settled = settle(arrived, storage=storage, settle_seconds=source.settle)

    def admit(arrival: Arrival) -> PlannedFile:
        return admit_file(arrival.path, settled[arrival.path], storage=storage, source=source, contract=contract)

    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        return list(pool.map(admit, arrived))


def admit_file(
    path: str, settled: Settled, *, storage: Storage, source: SourceConfig, contract: Contract
) -> PlannedFile:
    status = settled.status
    if status is None or settled.reason:
        return refused_file(path=path, status=status, reasons=[settled.reason])
    if status.length == 0:
        return refused_file(path=path, status=status, reasons=["file: is empty (0 bytes)"])
    try:
        of_file = format_of(path, default=source.format)
        return of_file.admit(path, status, storage=storage, source=source, contract=contract)
    except FileNotFoundError as error:
        return refused_as_gone(path, error, storage=storage)
    except OSError as error:
        if not is_of_content(error) and not isinstance(error, OF_ONE_FILE):
            raise trouble_with(path, error) from None
        return refused_file(path=path, status=status, reasons=[f"file: can't be read: {error.strerror or error}"])
    except (MemoryError, PenstockError):
        raise
    except Exception as error:  # what a library raises of damage that it does not expect, and would at every start
        reason = f"file: can't be read: {type(error).__name__}: {error}"
        log.warning("%s: %s", path, reason, exc_info=True)
        return refused_file(path=path, status=status, reasons=[reason])


def refused_as_gone(path: str, error: FileNotFoundError, *, storage: Storage) -> PlannedFile:
    """Raises StorageError where a second look finds the file that was not there."""
    if storage.status(path) is not None:
        raise trouble_with(path, error) from None
    return refused_file(path=path, status=None, reasons=[VANISHED])
