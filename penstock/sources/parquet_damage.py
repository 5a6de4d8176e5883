"""Parquet files whose footer is whole but whose pages are not.

Admission opens only the footer. Where Spark then fails to read a batch, and before anything of it is written, the
files are read to their ends one by one; a damaged one is refused and the others go on.
"""

import logging
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.schemas.contract import Contract
from penstock.sources.admission import refused_as_gone
from penstock.sources.files import PlannedFile, refused_file
from penstock.storage.files import Storage, is_of_content, trouble_with

log = logging.getLogger(__name__)


def without_damage(files: Sequence[PlannedFile], *, storage: Storage, contract: Contract) -> list[PlannedFile] | None:
    """The files with the damaged Parquet files among them refused, and those that are gone; None if there are none.

    Raises StorageError: what a store in trouble does not give is no damage.
    """
    judged = [judge(file, storage=storage, contract=contract) for file in files]
    return None if judged == list(files) else judged


def judge(file: PlannedFile, *, storage: Storage, contract: Contract) -> PlannedFile:
    if file.verdict != "accepted" or file.parquet is None:
        return file
    try:
        with storage.open(file.path) as content:
            for _ in pq.ParquetFile(content).iter_batches(columns=list(contract.sources)):
                pass
    except FileNotFoundError as error:
        return refused_as_gone(file.path, error, storage=storage)
    except MemoryError:
        raise  # Arrow's own is among its exceptions, and no fault of the file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and not is_of_content(error):
            raise trouble_with(file.path, error) from None
        reason = f"file: its footer is whole, its pages are damaged: {str(error).splitlines()[0]}"
        log.warning("%s: %s", file.path, reason)
        return refused_file(path=file.path, status=file.status, reasons=[reason])
    return file
