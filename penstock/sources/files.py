"""Files that arrived, each with its verdict and its layout, as a plan keeps them."""

from collections.abc import Sequence
from typing import Literal

from penstock.config.sections import FrozenModel
from penstock.storage.files import FileStatus

#: accepted: its rows are read. refused: one quarantine row. done: the ledger has it from an earlier checkpoint.
#: replayed: some of its rows come from the quarantine.
Verdict = Literal["accepted", "refused", "done", "replayed"]


class CsvLayout(FrozenModel):
    """header_line: the file's first line, as text. columns: its fields, in the file's order."""

    header_line: str
    columns: tuple[str, ...]


class ParquetLayout(FrozenModel):
    """types: the Spark type (DDL) in the file of each contract column, by the column's source name."""

    types: tuple[tuple[str, str], ...]


class PlannedFile(FrozenModel):
    """rows is known where counting is cheap: from a Parquet footer."""

    path: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    length: int | None = None
    modified_milliseconds: int | None = None
    rows: int | None = None
    csv: CsvLayout | None = None
    parquet: ParquetLayout | None = None

    @property
    def status(self) -> FileStatus | None:
        if self.length is None or self.modified_milliseconds is None:
            return None
        return FileStatus(length=self.length, modified_milliseconds=self.modified_milliseconds)


def refused_file(*, path: str, status: FileStatus | None, reasons: Sequence[str]) -> PlannedFile:
    return PlannedFile(
        path=path,
        verdict="refused",
        reasons=tuple(reasons),
        length=status.length if status else None,
        modified_milliseconds=status.modified_milliseconds if status else None,
    )
