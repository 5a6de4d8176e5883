"""From raw observations to histories that a VAR can be fitted on: sorted, without duplicates, counted by periods.

- Rows of one file with the same series and ds and different values contradict each other: none of them counts, as if
  the observation were missing.
- Of several files with the same series and ds the newest one counts that does not contradict itself.
- An observation with a null variable, or off the calendar, is left out, as if it were missing.
- Missing observations leave holes: the periods of those beside one differ by more than 1.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.udfs.var.fleet_calendar import Timestamps, counted
from penstock.udfs.var.fleet_frequency import Frequency
from penstock.udfs.var.kernel import FloatArray, IntArray

#: Why a series of which no other observation is there has no history.
ONLY_CONFLICTS = "conflict: every observation is contradicted by another one of its file with the same ds"
SERIES_ID, DS, RECENCY = "series_id", "ds", "recency"
#: The range of pandas' timestamps (nanoseconds in 64 bits), smaller than Spark's; others are off every calendar.
PANDAS_MICROSECONDS = (pd.Timestamp.min.value // 1000 + 1, pd.Timestamp.max.value // 1000 - 1)


@dataclass(frozen=True)
class Histories:
    """n series, ids ascending. levels: (n_total, k), one after the other, oldest first. ds, periods: (n_total,), when
    each was observed, and the number of that period on the calendar. offsets: (n + 1,), none without observations.
    refused: reasons by id, of series that have no history. conflicts: (n,), how many ds of each are missing because
    there are only rows that contradict each other.
    """

    ids: NDArray[Any]
    levels: FloatArray
    ds: Timestamps
    periods: FloatArray
    offsets: IntArray
    refused: dict[Any, str]
    conflicts: IntArray

    @property
    def series(self) -> IntArray:
        """(n_total,), the place of each observation's series."""
        return np.repeat(np.arange(len(self.ids)), np.diff(self.offsets))

    @property
    def last_ds(self) -> Timestamps:
        """(n,)."""
        return self.ds[self.offsets[1:] - 1]


def histories(
    table: pa.Table, *, variables: Sequence[str], frequency: str, holidays: Collection[str] = ()
) -> Histories:
    """table: series_id, ds (no nulls), recency (a higher one wins its ds), variables. holidays: ISO dates that are no
    business days."""
    ids, codes = encoded(table[SERIES_ID])
    ds = table[DS].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
    recency = table[RECENCY].to_numpy()
    levels = np.column_stack([table[name].cast(pa.float64()).to_numpy() for name in variables])
    order = np.lexsort((recency, ds, codes))
    codes, ds, recency, levels = codes[order], ds[order], recency[order], levels[order]
    is_kept, is_lost = once_each(codes, ds, recency, levels)
    conflicts = np.bincount(codes[is_lost], minlength=len(ids))
    refused = dict.fromkeys(np.setdiff1d(codes, codes[is_kept]).tolist(), ONLY_CONFLICTS)

    codes, ds, levels = codes[is_kept], ds[is_kept], levels[is_kept]
    numbers = calendar_numbers(ds, frequency=frequency, holidays=holidays)
    is_whole = ~np.isnan(levels).any(axis=1)
    is_usable = is_whole & ~np.isnan(numbers)
    has_any, has_whole = (np.bincount(codes, weights=mask, minlength=len(ids)) > 0 for mask in (is_usable, is_whole))
    for code in np.flatnonzero(~has_any):
        refused.setdefault(
            int(code),
            f"no observation is on the calendar of frequency {frequency}"
            if has_whole[code]
            else "no observation has a value for every variable",
        )
    is_usable &= ~np.isin(codes, list(refused))
    codes, ds, levels, numbers = codes[is_usable], ds[is_usable], levels[is_usable], numbers[is_usable]
    members, lengths = np.unique(codes, return_counts=True)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Histories(
        ids=ids[members],
        levels=np.ascontiguousarray(levels),
        ds=ds.astype("datetime64[us]").astype("datetime64[ns]"),
        periods=numbers,
        offsets=offsets,
        refused={ids[code]: refused[code] for code in sorted(refused)},
        conflicts=conflicts[members],
    )


def encoded(ids: pa.ChunkedArray) -> tuple[NDArray[Any], IntArray]:
    """The distinct ids, ascending, and for each row the place of its id among them."""
    column = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    dictionary = pc.dictionary_encode(column)
    if isinstance(dictionary, pa.ChunkedArray):
        dictionary = dictionary.combine_chunks()
    distinct = dictionary.dictionary.to_numpy(zero_copy_only=False)
    order = np.argsort(distinct, kind="stable")
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return distinct[order], places[dictionary.indices.to_numpy(zero_copy_only=False)]


def once_each(
    codes: IntArray, ds: IntArray, recency: IntArray, levels: FloatArray
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Two masks of the sorted rows. The first: those that count, at most one of each ds, from the newest file that does
    not contradict itself about it. The second: the first row of each ds of which there is none."""
    is_first = np.concatenate([np.ones(min(len(codes), 1), dtype=bool), (np.diff(codes) != 0) | (np.diff(ds) != 0)])
    if is_first.all():
        return is_first, ~is_first
    is_first_of_file = is_first | np.concatenate([[True], np.diff(recency) != 0])
    differs = ~((levels[1:] == levels[:-1]) | (np.isnan(levels[1:]) & np.isnan(levels[:-1]))).all(axis=1)
    contradicts_previous = np.concatenate([[False], differs]) & ~is_first_of_file
    is_contradicted = np.logical_or.reduceat(contradicts_previous, np.flatnonzero(is_first_of_file))
    counting = np.flatnonzero(~is_contradicted[np.cumsum(is_first_of_file) - 1])
    last = np.full(np.count_nonzero(is_first), -1)
    last[(np.cumsum(is_first) - 1)[counting]] = counting  # of several assignments to a place the last one holds
    is_kept = np.zeros(len(codes), dtype=bool)
    is_kept[last[last >= 0]] = True
    is_lost = np.zeros(len(codes), dtype=bool)
    is_lost[np.flatnonzero(is_first)[last < 0]] = True
    return is_kept, is_lost


def calendar_numbers(
    ds: IntArray, *, frequency: str, holidays: Collection[str] = (), start: np.datetime64 | None = None
) -> FloatArray:
    """(n,), the number of each timestamp (microseconds) on the calendar, counted from `start`, which is on it, or from
    anywhere; NaN if off it."""
    numbers = np.full(len(ds), np.nan)
    usable = (ds > PANDAS_MICROSECONDS[0]) & (ds < PANDAS_MICROSECONDS[1])
    if not usable.any():
        return numbers
    times = ds[usable].astype("datetime64[us]").astype("datetime64[ns]")
    calendar = Frequency.of(frequency, holidays=holidays)
    # The median: the fewer periods a time is away, the more exact is the number of them.
    middle = np.sort(times)[len(times) // 2] if start is None else start.astype("datetime64[ns]")
    if not calendar.microseconds:
        middle = middle.astype("datetime64[D]").astype("datetime64[ns]")
    numbers[usable] = counted(times, calendar, start=middle)
    return numbers
