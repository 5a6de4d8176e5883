"""The section `series` of a new pipeline: its columns, and the times of the sample's observations."""

from dataclasses import dataclass, replace

import numpy as np
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


def times_by_series(sample: Sample, columns: SeriesColumns, *, form: str | None) -> list[pd.DatetimeIndex]:
    """The distinct times of the longest series, sorted. form: the format of the contract's time field."""
    frame = sample.frame[list(columns.keys)].dropna()
    texts = frame[columns.time]
    periods = period_format(form) if form else None
    if periods:
        texts = texts.map(periods.first_day)
    elif sample.format != "parquet" and form is None:
        texts = texts.map(read_iso)
    pattern = python_format(form) if form and not periods else None
    read = pd.to_datetime(texts, format=pattern, utc=True, errors="coerce")
    times = read.dt.tz_localize(None)
    ids = np.zeros(len(frame)) if columns.id is None else frame[columns.id].to_numpy()
    # A time such as 9999-12-31 stands for an open end.
    within = times.where(times.between(*CALENDAR)).groupby(ids)
    different = [pd.DatetimeIndex(one.dropna().unique()).sort_values() for _, one in within]
    return sorted(different, key=len, reverse=True)[:SERIES_LOOKED_AT]
