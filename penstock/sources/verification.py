"""Files whose beginning or footer is whole but whose content is not.

Admission takes a quick look. Where Spark then fails to read a batch, and before anything of it is written, the files
are read to their ends one by one; a damaged one is refused and the others go on.
"""

import logging
from collections.abc import Sequence

from penstock.schemas.contract import Contract
from penstock.sources.admission import refused_as_gone
from penstock.sources.files import PlannedFile, refused_file
from penstock.sources.formats import FORMATS
from penstock.storage.files import Storage, trouble_with

log = logging.getLogger(__name__)


def without_damage(files: Sequence[PlannedFile], *, storage: Storage, contract: Contract) -> list[PlannedFile] | None:
    """The files with the damaged ones among them refused, and those that are gone; None if there are none.

    Raises StorageError: what a store in trouble does not give is no damage.
    """
    verified = [verify(file, storage=storage, contract=contract) for file in files]
    return None if verified == list(files) else verified


def verify(file: PlannedFile, *, storage: Storage, contract: Contract) -> PlannedFile:
    if file.verdict != "accepted":
        return file
    try:
        reason = FORMATS[file.the_layout.format].verify(file, storage=storage, contract=contract)
    except FileNotFoundError as error:
        return refused_as_gone(file.path, error, storage=storage)
    except OSError as error:
        raise trouble_with(file.path, error) from None
    if reason is None:
        return file
    log.warning("%s: %s", file.path, reason)
    return refused_file(path=file.path, status=file.status, reasons=[reason])
