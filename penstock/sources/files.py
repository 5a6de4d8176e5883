"""Files that arrived, each with its verdict and its layout, as a plan keeps them."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import model_validator

from penstock.config.sections import FrozenModel
from penstock.storage.files import FileStatus

#: accepted: its rows are read. refused: one quarantine row. done: the ledger has it from an earlier checkpoint.
#: replayed: some of its rows come from the quarantine.
Verdict = Literal["accepted", "refused", "done", "replayed"]
LineEnd = Literal["\n", "\r\n", "\r"]


class Layout(FrozenModel):
    """How a file is read; files of one layout are read together. format: its name in `formats.FORMATS`.

    header: the first line of a file with column names, as text. columns: its fields, in the file's order. types: where
    the file has types, the Spark type (DDL) of each contract column, by the column's source name. line_end: what ends a
    record of a CSV file whose rows may span lines.
    """

    format: str
    header: str | None = None
    columns: tuple[str, ...] = ()
    types: tuple[tuple[str, str], ...] = ()
    line_end: LineEnd | None = None


class PlannedFile(FrozenModel):
    """rows is known where counting is cheap: from a Parquet footer. lines_above_header: those that the CSV dialect
    skips, without blank ones."""

    path: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    length: int | None = None
    modified_milliseconds: int | None = None
    rows: int | None = None
    layout: Layout | None = None
    lines_above_header: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def read_plan_of_version_0_1(cls, values: Any) -> Any:
        """Plans of 0.1 have `csv` (header_line, columns) or `parquet` (types) in place of `layout`."""
        if not isinstance(values, dict) or not {"csv", "parquet"} & values.keys():
            return values
        csv, parquet = values.get("csv"), values.get("parquet")
        layout = None
        if csv is not None:
            layout = {"format": "csv", "header": csv["header_line"], "columns": csv["columns"]}
        elif parquet is not None:
            layout = {"format": "parquet", "types": parquet["types"]}
        return {**{name: values[name] for name in values if name not in ("csv", "parquet")}, "layout": layout}

    @property
    def the_layout(self) -> Layout:
        if self.layout is None:
            raise ValueError(f"{self.path} has no layout; only accepted files are read")
        return self.layout

    @property
    def head(self) -> tuple[str, ...]:
        """The lines that are no rows: those above the header, and the header."""
        header = self.layout.header if self.layout else None
        return (*self.lines_above_header, *([] if header is None else [header]))

    @property
    def status(self) -> FileStatus | None:
        if self.length is None or self.modified_milliseconds is None:
            return None
        return FileStatus(length=self.length, modified_milliseconds=self.modified_milliseconds)


def line_of_file(path: str, line: str) -> str:
    """As Spark's `concat_ws("\\n", path, line)`: what tells a line of one file from that of another."""
    return f"{path}\n{line}"


def accepted_file(
    *,
    path: str,
    status: FileStatus,
    layout: Layout,
    rows: int | None = None,
    lines_above_header: Sequence[str] = (),
) -> PlannedFile:
    return PlannedFile(
        path=path,
        verdict="accepted",
        length=status.length,
        modified_milliseconds=status.modified_milliseconds,
        rows=rows,
        layout=layout,
        lines_above_header=tuple(lines_above_header),
    )


def refused_file(*, path: str, status: FileStatus | None, reasons: Sequence[str]) -> PlannedFile:
    return PlannedFile(
        path=path,
        verdict="refused",
        reasons=tuple(reasons),
        length=status.length if status else None,
        modified_milliseconds=status.modified_milliseconds if status else None,
    )
