"""From raw observations to histories that a VAR can be fitted on: sorted, without duplicates, counted by periods.

- Duplicates (same series and ds): the one from the newest file wins. If two equally new ones differ, the series is
  refused.
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

SERIES_ID, DS, RECENCY = "series_id", "ds", "recency"
#: The range of pandas' timestamps (nanoseconds in 64 bits), smaller than Spark's; others are off every calendar.
PANDAS_MICROSECONDS = (pd.Timestamp.min.value // 1000 + 1, pd.Timestamp.max.value // 1000 - 1)


@dataclass(frozen=True)
class Histories:
    """n series, ids ascending. levels: (n_total, k), one after the other, oldest first. ds, periods: (n_total,), when
    each was observed, and the number of that period on the calendar. offsets: (n + 1,), none without observations.
    refused: reasons by id, of series that have no history.
    """

    ids: NDArray[Any]
    levels: FloatArray
    ds: Timestamps
    periods: FloatArray
    offsets: IntArray
    refused: dict[Any, str]

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
    is_kept, contradicting = once_each(codes, ds, recency, levels)
    refused = {int(code): reason for code, reason in duplicate_reasons(codes, ds, contradicting).items()}

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
) -> tuple[NDArray[np.bool_], IntArray]:
    """Which of the sorted rows are valid, and the rows that contradict the next one."""
    is_same = (codes[1:] == codes[:-1]) & (ds[1:] == ds[:-1])
    is_kept = np.concatenate([~is_same, np.ones(min(len(codes), 1), dtype=bool)])
    if not is_same.any():
        return is_kept, np.zeros(0, dtype=np.int64)
    group = np.concatenate([[0], np.cumsum(~is_same)])
    is_newest = recency == recency[np.flatnonzero(is_kept)[group]]
    differs = ~((levels[1:] == levels[:-1]) | (np.isnan(levels[1:]) & np.isnan(levels[:-1]))).all(axis=1)
    return is_kept, np.flatnonzero(is_same & is_newest[:-1] & is_newest[1:] & differs)


def duplicate_reasons(codes: IntArray, ds: IntArray, contradicting: IntArray) -> dict[int, str]:
    reasons: dict[int, str] = {}
    for row in contradicting:
        moment = str(ds[row].astype("datetime64[us]").astype("datetime64[s]")).replace("T00:00:00", "")
        reasons.setdefault(codes[row], f"duplicate: two observations of {moment} differ")
    return reasons


def calendar_numbers(ds: IntArray, *, frequency: str, holidays: Collection[str] = ()) -> FloatArray:
    """(n,), the number of each timestamp (microseconds) on the calendar, counted from anywhere; NaN if off it."""
    numbers = np.full(len(ds), np.nan)
    usable = (ds > PANDAS_MICROSECONDS[0]) & (ds < PANDAS_MICROSECONDS[1])
    if not usable.any():
        return numbers
    times = ds[usable].astype("datetime64[us]").astype("datetime64[ns]")
    calendar = Frequency.of(frequency, holidays=holidays)
    # The median: the fewer periods a time is away, the more exact is the number of them.
    middle = np.sort(times)[len(times) // 2]
    if not calendar.microseconds:
        middle = middle.astype("datetime64[D]").astype("datetime64[ns]")
    numbers[usable] = counted(times, calendar, start=middle)
    return numbers
