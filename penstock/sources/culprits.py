"""Finds the files that Spark can't read, by reading them: without a model, in halves, down to single files.

Admission knows the formats, and `Format.verify` the damage that pyarrow sees. What else ends a pass of Spark over a
batch is found here, whatever it is: a file that fails alone, twice, while its storage is fine, is refused with what
Spark says, and the others go on.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import SparkSession

from penstock.config.pipeline import SourceConfig
from penstock.errors import StorageError
from penstock.schemas.contract import Contract
from penstock.sources.deadly_files import MAX_DEATHS, deadly_reason
from penstock.sources.files import PlannedFile, refused_file
from penstock.sources.reading import checked_rows
from penstock.sources.verification import without_damage
from penstock.spark.causes import causes_of, has_ended, require_alive, require_working
from penstock.spark.errors import SPARK_ERRORS
from penstock.storage.files import Storage, trouble_with

CHUNK_BYTES = 1 << 20
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Reads files by Spark and checks their rows, and does nothing with them."""

    spark: SparkSession
    storage: Storage
    contract: Contract
    source: SourceConfig

    def error_of(self, files: Sequence[PlannedFile]) -> Exception | None:
        """What Spark raises; None if every value and reason can be computed.

        Raises what says nothing about the files: trouble of the storage, a JVM that has ended.
        """
        try:
            rows = checked_rows(self.spark, files, contract=self.contract, source=self.source)
            if rows is not None:
                rows.write.format("noop").mode("overwrite").save()
        except SPARK_ERRORS as error:
            if has_ended(error):
                raise
            require_alive(self.spark)
            if any(cause.is_trouble for cause in causes_of(error)):
                raise
            return error
        return None

    def reason_against(self, file: PlannedFile) -> str | None:
        """Why one file can't be read, of which Spark has said so once; None if it can now.

        Raises StorageError, and what `error_of` raises.
        """
        error = self.error_of([file])
        if error is None:
            return None
        self.require_storage(file)
        require_working(self.spark)
        return f"file: Spark can't read it: {causes_of(error)[-1].described}"

    def require_storage(self, file: PlannedFile) -> None:
        """Read the file's bytes to their end, past Spark. Raises StorageError where that fails, or they are others."""
        try:
            with self.storage.open(file.path) as content:
                length = 0
                while chunk := content.read(CHUNK_BYTES):
                    length += len(chunk)
            status = self.storage.status(file.path)
        except OSError as error:
            raise trouble_with(file.path, error) from None
        if status != file.status or length != file.length:
            raise StorageError(None, "changed while it was read; start again", file.path)


def without_unreadable(
    files: Sequence[PlannedFile], *, spark: SparkSession, storage: Storage, contract: Contract, source: SourceConfig
) -> list[PlannedFile] | None:
    """The files with those refused that are damaged, gone, or that Spark can't read; None if there are none.

    Raises StorageError, or Spark's error, where the storage or Spark is in trouble: nothing is refused for that.
    """
    undamaged = without_damage(files, storage=storage, contract=contract)
    others = files if undamaged is None else undamaged
    trial = Trial(spark=spark, storage=storage, contract=contract, source=source)
    reasons = culprits(trial, [file for file in others if file.verdict == "accepted"])
    return refused_for(others, reasons) if reasons else undamaged


def culprits(trial: Trial, files: Sequence[PlannedFile]) -> dict[str, str]:
    """The reasons against those of the files that can't be read, by path."""
    if not files or trial.error_of(files) is None:
        return {}
    if len(files) == 1:
        reason = trial.reason_against(files[0])
        return {} if reason is None else {files[0].path: reason}
    middle = len(files) // 2
    return culprits(trial, files[:middle]) | culprits(trial, files[middle:])


def tried_alone(
    files: Sequence[PlannedFile], trial: Trial, *, deaths: dict[str, int], mark: Callable[[str], None]
) -> list[PlannedFile]:
    """The files, each of the accepted ones read alone, for a batch in which the process has ended more than once.

    deaths: in how many earlier trials of each file the process ended. mark: notes durably which file is tried next.
    """
    reasons = {}
    for file in files:
        if file.verdict != "accepted":
            continue
        if file.status is not None and deaths.get(file.path, 0) >= MAX_DEATHS:
            reasons[file.path] = deadly_reason(file.status)
            continue
        mark(file.path)
        reasons |= culprits(trial, [file])
    return refused_for(files, reasons)


def refused_for(files: Sequence[PlannedFile], reasons: dict[str, str]) -> list[PlannedFile]:
    for path, reason in reasons.items():
        log.warning("%s: %s", path, reason)
    return [
        refused_file(path=file.path, status=file.status, reasons=[reasons[file.path]]) if file.path in reasons else file
        for file in files
    ]
