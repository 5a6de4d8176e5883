"""The section `series` of a new pipeline: its columns, and the times of the sample's observations."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from penstock.config.series_contract import IDS
from penstock.errors import ConfigError
from penstock.schemas.types import NUMBERS, TIMES
from penstock.sources.inference.periods import period_format, period_format_of
from penstock.sources.inference.sample import Sample
from penstock.sources.inference.types import Kind, python_format, read_iso

#: Columns that the tables of series have themselves; a variable must not have one of these names.
TABLE_COLUMNS = frozenset({"series_id", "ds", "slot", "number", "observed_at"})
SERIES_LOOKED_AT = 20
TEXT_TIMES = (
    "write times as in 2024-01-31 or 2024-01-31T12:30:00 (ISO 8601), or periods as 2024Q1, 2024-01, Jan 2024 or 2024; "
    "other forms take a contract with the field's format, a Spark datetime pattern"
)
PARQUET_TIMES = (
    "write them as a date or timestamp, for example with pandas.to_datetime(frame['time'].astype(str), format='%Y')"
)
#: A year within the nanoseconds of pandas, whose ranges step over their end.
CALENDAR = (pd.Timestamp("1678-01-01"), pd.Timestamp("2261-01-01"))


@dataclass(frozen=True, kw_only=True)
class SeriesColumns:
    """The headers of the id (None: the file is one series), the time and the variables."""

    id: str | None
    time: str
    variables: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.keys, *self.variables)

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.time,) if self.id is None else (self.id, self.time)


def series_kinds(sample: Sample, columns: SeriesColumns) -> dict[str, Kind]:
    """The types of the series' columns. Raises ConfigError for a type that a series can't have."""
    if len({*columns.all}) < len(columns.all):
        raise ConfigError("--series-id, --time and --variables name a column twice; each is another one")
    kinds = {name: sample.kinds[name] for name in columns.all}
    if columns.id is not None and kinds[columns.id].type not in IDS and sample.format != "parquet":
        kinds[columns.id] = replace(kinds[columns.id], type="string", format=None, nan="reject", decimal=".")
    if kinds[columns.time].type not in TIMES and sample.format != "parquet":
        kinds[columns.time] = period_kind(kinds[columns.time], sample.frame[columns.time])
    wanted = dict.fromkeys(columns.keys, ("--series-id", IDS)) | {columns.time: ("--time", TIMES)}
    wanted |= dict.fromkeys(columns.variables, ("--variables", NUMBERS))
    for name, (option, types) in wanted.items():
        if kinds[name].type not in types:
            hint = f" ({kinds[name].note})" if kinds[name].note else ""
            advice = time_advice(sample, name) if name == columns.time else ""
            raise ConfigError(
                f"{option}: {name!r} is a {kinds[name].type}{hint}, expected {' or '.join(types)}{advice}"
            )
    for name in columns.variables:
        # Integers in one sample do not imply integers in later files.
        kinds[name] = replace(kinds[name], type="double")
    for name in columns.keys:
        kinds[name] = replace(kinds[name], nullable=False)
    return kinds


def time_advice(sample: Sample, name: str) -> str:
    """What to write instead of a time that is none."""
    advice = PARQUET_TIMES if sample.format == "parquet" else TEXT_TIMES
    values = sample.frame[name].dropna()
    return f"; its first value is {str(values.iloc[0])!r}: {advice}" if len(values) else ""


def period_kind(kind: Kind, texts: "pd.Series[str]") -> Kind:
    """The date that texts such as 2000Q1, 2000-01 or 2000 are; the same kind for others."""
    form = period_format_of(set(texts.dropna()))
    if form is None:
        return kind
    note = f"is read as {form.spark}; a period's date is its first day"
    return Kind(type="date", nullable=kind.nullable, format=form.spark, note=note)


@dataclass(frozen=True, kw_only=True)
class SeriesTimes:
    """times: of a series, each once, ascending. contradicted: those for which the file has different values, of which
    neither stream nor fit uses any."""

    times: pd.DatetimeIndex
    contradicted: pd.DatetimeIndex


def times_by_series(sample: Sample, columns: SeriesColumns, *, form: str | None) -> dict[Hashable, SeriesTimes]:
    """By id, the series with the most times first. form: the format of the contract's time field."""
    frame = sample.frame[list(columns.all)].dropna(subset=list(columns.keys))
    texts = frame[columns.time]
    periods = period_format(form) if form else None
    if periods:
        texts = texts.map(periods.first_day)
    elif sample.format != "parquet" and form is None:
        texts = texts.map(read_iso)
    pattern = python_format(form) if form and not periods else None
    read = pd.to_datetime(texts, format=pattern, utc=True, errors="coerce")
    times = read.dt.tz_localize(None)
    # A time such as 9999-12-31 stands for an open end.
    is_usable = times.between(*CALENDAR)
    ids = pd.Series(0, frame.index) if columns.id is None else frame[columns.id]
    values = {f"value {name}": numbers_of(frame[name], sample.kinds[name]) for name in columns.variables}
    rows = pd.DataFrame({"id": ids, "time": times} | values)[is_usable]
    has_several = rows.groupby(["id", "time"]).nunique(dropna=False).gt(1).any(axis="columns")
    found: dict[Hashable, SeriesTimes] = {}
    for name, of_series in has_several.groupby(level="id"):
        moments = pd.DatetimeIndex(of_series.index.get_level_values("time"))
        found[name] = SeriesTimes(times=moments, contradicted=moments[of_series.to_numpy()])
    return {name: found[name] for name in sorted(found, key=lambda name: -len(found[name].times))}


def numbers_of(column: "pd.Series[Any]", kind: Kind) -> "pd.Series[float]":
    """NaN where the value is missing."""
    texts = column.str.replace(",", ".") if kind.decimal == "," else column
    return pd.to_numeric(texts, errors="coerce").astype(float)


def contradiction_note(series: Mapping[Hashable, SeriesTimes]) -> tuple[str, ...]:
    """What to say of the times for which the sample has different values, if there are some."""
    of = {name: one.contradicted for name, one in series.items() if len(one.contradicted)}
    if not of:
        return ()
    name, times = next(iter(of.items()))
    first = f"{times[0]}".removesuffix(" 00:00:00") + (f" of {name!r}" if len(series) > 1 else "")
    return (
        f"times with different values in the sample: {sum(map(len, of.values())):,}, the first is {first}; neither "
        "stream nor fit uses any of these rows (conflict, see docs/series.md): correct the file",
    )
