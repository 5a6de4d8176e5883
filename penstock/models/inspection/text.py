"""A look into one series as text, and as JSON."""

import json
import math
import textwrap
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from penstock.models.inspection.report import Inspection, ReportTable, SeenRun, moment

SHOWN_HOLES = 5
#: Of a line of text; tables may be wider.
WIDTH = 120


def as_text(found: Inspection) -> str:
    """The whole report."""
    parts = ["\n".join(facts(found)), *map(table_text, found.tables)]
    if found.problems:
        parts.append("\n".join(["Not computed", *(f"  {problem}" for problem in found.problems)]))
    return "\n\n".join(parts)


def facts(found: Inspection) -> list[str]:
    """One line each."""
    seen = found.observed
    lines = [
        f"Series {found.series_id} of {found.pipeline}",
        f"read from      {', '.join(found.locations)}",
        f"observations   {seen.n_used:,} used of {seen.n_rows:,}"
        + (f", {moment(seen.first)} to {moment(seen.last)}" if seen.first and seen.last else ""),
        f"frequency      {found.frequency}",
        f"holes          {holes_text(seen.holes)}",
        f"transforms     {', '.join(f'{variable} {transform}' for variable, transform in found.transforms)}",
        f"settings       {', '.join(found.settings)}",
    ]
    model = found.modelled
    if model is None:
        return [*lines, f"refused        {found.refused}", *([f"what helps     {found.hint}"] if found.hint else [])]
    lines.append(
        f"model          VAR({model.lag_order}) on {model.n_rows:,} rows, {model.lags_tried} lags tried at most; "
        f"largest root modulus {model.root_modulus:.4f}"
    )
    if seen.holes:
        lines.append(
            "with holes     the fit's own model uses the rows on both sides of every hole "
            f"({model.rows_left_out:,} rows are left out); statsmodels takes no holes"
        )
    return [*lines, f"statsmodels    has seen {seen_text(model.seen)}"]


def seen_text(seen: SeenRun) -> str:
    if seen.first is None or seen.last is None:
        return "nothing"
    which = "all" if seen.n_runs == 1 else f"the longest of {seen.n_runs} runs"
    return f"{which}: {seen.n_observations:,} transformed observations, {moment(seen.first)} to {moment(seen.last)}"


def holes_text(holes: tuple[str, ...]) -> str:
    if not holes:
        return "none"
    more = f" and {len(holes) - SHOWN_HOLES:,} more" if len(holes) > SHOWN_HOLES else ""
    return f"{len(holes):,}, after {', '.join(holes[:SHOWN_HOLES])}{more}"


def table_text(table: ReportTable) -> str:
    lines = [table.title, *wrapped(table.note)]
    for title, frame in table.shown():
        texts = frame.select_dtypes(object).columns
        text = frame.fillna(dict.fromkeys(texts, "")).to_string(
            index=False, float_format=lambda number: f"{number:.5g}", na_rep=""
        )
        lines += [*([f"  {title}:"] if title else []), *(f"  {line}" for line in text.splitlines())]
    return "\n".join(lines)


def wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")


def as_json(found: Inspection) -> str:
    """One object: the facts, and `tables` with a list of rows by name. A number that is not finite is null."""
    content = asdict(replace(found, tables=()))
    content["transforms"] = dict(found.transforms)
    content["tables"] = {table.name: records(table.frame) for table in found.tables}
    return json.dumps(plain(content), indent=1, allow_nan=False)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False, name=None)]


def plain(value: Any) -> Any:
    """As JSON takes it."""
    match value:
        case dict():
            return {str(name): plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case np.generic():
            return plain(value.item())
        case datetime():
            return value.isoformat()
        case float():
            return value if math.isfinite(value) else None
        case _:
            return value
