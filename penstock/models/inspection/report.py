"""What a look into one series finds: facts, and tables."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How people read a long table: one table for each value of `by`, with a row for each of `rows` and a column for
    each of `columns`, of `value`."""

    by: str | None = None
    rows: str
    columns: str
    value: str


@dataclass(frozen=True, kw_only=True)
class ReportTable:
    """name: of its CSV file. note: of which model it is, and how to read it. layout: None, if it is read as it is."""

    name: str
    title: str
    frame: pd.DataFrame
    note: str = ""
    layout: Layout | None = None

    def shown(self) -> list[tuple[str, pd.DataFrame]]:
        """The tables to look at, each with what it is of (empty: of all)."""
        if self.layout is None:
            return [("", self.frame)]
        layout = self.layout
        groups = [("", self.frame)] if layout.by is None else list(self.frame.groupby(layout.by, sort=False))
        return [("" if layout.by is None else f"{layout.by} {name}", crossed(part, layout)) for name, part in groups]


def crossed(part: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    """In the order of the long table; the name of the first column is that of the rows."""
    rows, columns = part[layout.rows].unique(), part[layout.columns].unique()
    wide = part.pivot(index=layout.rows, columns=layout.columns, values=layout.value).loc[rows, columns]
    return pd.concat([pd.Series(rows, name=layout.rows), wide.reset_index(drop=True)], axis=1)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """n_rows: as delivered, without outvoted ones. n_used: those with all values, on the calendar, one for each ds.
    holes: of each the last observation before it, as an ISO date or time. first, last: ds of those used, None without
    any."""

    n_rows: int
    n_used: int
    first: datetime | None
    last: datetime | None
    holes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SeenRun:
    """The longest run of consecutive periods, of n_runs. n_observations: after the transforms. first, last: ds."""

    n_runs: int
    n_observations: int
    first: datetime | None
    last: datetime | None

    @classmethod
    def nothing(cls) -> Self:
        return cls(n_runs=0, n_observations=0, first=None, last=None)


@dataclass(frozen=True, kw_only=True)
class Modelled:
    """The fit's own model. n_rows: that it was fitted on. root_modulus: the largest, of the companion matrix (below 1:
    stable). seen: what statsmodels has seen, which takes no holes."""

    lag_order: int
    lags_tried: int
    n_rows: int
    rows_left_out: int
    root_modulus: float
    seen: SeenRun


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """Of one series. settings: of the fit, each with its name. refused: why the fit has no model for it. problems:
    what could not be computed, with reasons."""

    pipeline: str
    series_id: str | int
    locations: tuple[str, ...]
    transforms: tuple[tuple[str, str], ...]
    frequency: str
    settings: tuple[str, ...]
    level: float
    observed: Observed
    modelled: Modelled | None = None
    refused: str | None = None
    hint: str = ""
    tables: tuple[ReportTable, ...] = ()
    problems: tuple[str, ...] = field(default=())

    def frame(self, name: str) -> pd.DataFrame:
        """The table of this name. Raises KeyError."""
        for table in self.tables:
            if table.name == name:
                return table.frame
        raise KeyError(name)


def moment(time: datetime) -> str:
    """The date alone if the time is midnight."""
    return time.isoformat(sep=" ").removesuffix(" 00:00:00")
