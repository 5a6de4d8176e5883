"""The section `series` of a new pipeline: its columns, and the frequency of the sample's observations."""

from dataclasses import dataclass, replace

import pandas as pd
from pandas.tseries.frequencies import infer_freq, to_offset

from penstock.config.series_contract import IDS
from penstock.errors import ConfigError
from penstock.schemas.types import NUMBERS, TIMES
from penstock.series.calendar import Calendar
from penstock.sources.inference.sample import Sample
from penstock.sources.inference.types import Kind, python_format, read_iso

#: Columns that the tables of series have themselves; a variable must not have one of these names.
TABLE_COLUMNS = frozenset({"series_id", "ds", "slot", "number", "observed_at"})
SERIES_LOOKED_AT = 20
MIN_TIMES = 3
#: A year within the nanoseconds of pandas, whose ranges step over their end.
CALENDAR = (pd.Timestamp("1678-01-01"), pd.Timestamp("2261-01-01"))
#: The minimum share of the most frequent distance between observations.
MIN_EVEN = 0.5
#: pandas' aliases name quarters and years by a month; these are the usual ones.
USUAL = {
    **dict.fromkeys(("QS-JAN", "QS-APR", "QS-JUL", "QS-OCT"), "QS"),
    **dict.fromkeys(("QE-MAR", "QE-JUN", "QE-SEP", "QE-DEC"), "QE"),
    "YS-JAN": "YS",
    "YE-DEC": "YE",
}


@dataclass(frozen=True, kw_only=True)
class SeriesColumns:
    """The headers of the id, the time and the variables."""

    id: str
    time: str
    variables: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        return (self.id, self.time, *self.variables)


def series_kinds(sample: Sample, columns: SeriesColumns) -> dict[str, Kind]:
    """The types of the series' columns. Raises ConfigError for a type that a series can't have."""
    if len({*columns.all}) < len(columns.all):
        raise ConfigError("--series-id, --time and --variables name a column twice; each is another one")
    kinds = {name: sample.kinds[name] for name in columns.all}
    if kinds[columns.id].type not in IDS and sample.format != "parquet":
        kinds[columns.id] = replace(kinds[columns.id], type="string", format=None, nan="reject", decimal=".")
    wanted = {columns.id: ("--series-id", IDS), columns.time: ("--time", TIMES)}
    wanted |= dict.fromkeys(columns.variables, ("--variables", NUMBERS))
    for name, (option, types) in wanted.items():
        if kinds[name].type not in types:
            hint = f" ({kinds[name].note})" if kinds[name].note else ""
            raise ConfigError(f"{option}: {name!r} is a {kinds[name].type}{hint}, expected {' or '.join(types)}")
    for name in columns.variables:
        # Integers in one sample do not imply integers in later files.
        kinds[name] = replace(kinds[name], type="double")
    for name in (columns.id, columns.time):
        kinds[name] = replace(kinds[name], nullable=False)
    return kinds


def frequency_of(sample: Sample, columns: SeriesColumns) -> str:
    """The pandas offset alias of the sample's observations. Raises ConfigError if it can't be inferred or used."""
    times = times_by_series(sample, columns)
    inferred = [found for one in times if (found := frequency_of_times(one))]
    if not inferred:
        raise ConfigError(
            f"--time: no series of the sample has {MIN_TIMES} observations at even distances, so that the frequency "
            "can't be inferred; give it with --frequency, for example --frequency D"
        )
    commonest = max(set(inferred), key=inferred.count)
    return checked_frequency(USUAL.get(commonest, commonest))


def checked_frequency(frequency: str) -> str:
    try:
        Calendar.of(frequency)
    except ValueError as error:
        raise ConfigError(f"--frequency: {error}") from None
    return frequency


def times_by_series(sample: Sample, columns: SeriesColumns) -> list[pd.DatetimeIndex]:
    """The distinct times of the longest series, sorted."""
    frame = sample.frame[[columns.id, columns.time]].dropna()
    form = sample.kinds[columns.time].format
    texts = frame[columns.time]
    if sample.format != "parquet" and form is None:
        texts = texts.map(read_iso)
    read = pd.to_datetime(texts, format=python_format(form) if form else None, utc=True, errors="coerce")
    times = read.dt.tz_localize(None)
    # A time such as 9999-12-31 stands for an open end.
    within = times.where(times.between(*CALENDAR)).groupby(frame[columns.id].to_numpy())
    different = [pd.DatetimeIndex(one.dropna().unique()).sort_values() for _, one in within]
    return sorted(different, key=len, reverse=True)[:SERIES_LOOKED_AT]


def frequency_of_times(times: pd.DatetimeIndex) -> str | None:
    """As inferred by pandas, or the most frequent distance if some observations are missing."""
    if len(times) < MIN_TIMES:
        return None
    found = infer_freq(times) or calendar_with_gaps(times)
    if found:
        return found
    distances = times[1:] - times[:-1]
    counts = distances.value_counts()
    is_even = counts.iloc[0] >= MIN_EVEN * len(distances)
    return str(to_offset(counts.index[0]).freqstr) if is_even else None


def calendar_with_gaps(times: pd.DatetimeIndex) -> str | None:
    """Months, quarters or years with gaps."""
    for alias in ("YS", "YE", "QS", "QE", "MS", "ME"):
        whole = pd.date_range(times[0], times[-1], freq=alias)
        if len(times) >= MIN_EVEN * len(whole) and times.isin(whole).all():
            return alias
    return None
