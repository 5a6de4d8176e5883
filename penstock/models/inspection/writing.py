"""Writes a look into one series to a folder: the report, each table as a CSV file, and a plot."""

from pathlib import Path

from penstock.models.inspection.plots import save_responses
from penstock.models.inspection.report import Inspection
from penstock.models.inspection.text import as_text

REPORT, PLOT = "report.txt", "impulse_responses.png"
RESPONSES = "impulse_responses"


def write_inspection(found: Inspection, folder: Path) -> list[Path]:
    """The files written: REPORT, one for each table, named after it, and PLOT, but of very many variables. Others in
    the folder stay. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / REPORT
    report.write_text(as_text(found) + "\n", encoding="utf-8")
    paths = [folder / f"{table.name}.csv" for table in found.tables]
    for table, path in zip(found.tables, paths, strict=True):
        table.frame.to_csv(path, index=False)
    plot = folder / PLOT
    has_responses = any(table.name == RESPONSES for table in found.tables)
    if has_responses and save_responses(found.frame(RESPONSES), plot):
        paths.append(plot)
    return [report, *paths]
