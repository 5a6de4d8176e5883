"""Look up series by id among a million, in arrays: no dictionary, nothing to build when a model is loaded.

String ids are looked up by a sorted 64-bit hash; then the id itself is compared, byte by byte, so that neither a
collision nor an unknown id ever gives another series' model. Integer ids are their own perfect hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from .kernel import IntArray

HashArray = NDArray[np.uint64]

HASH_BASE = 0x9E3779B97F4A7C15
"""Odd, so that multiplying by it loses nothing modulo 2**64."""


@dataclass(frozen=True)
class EncodedIds:
    """String ids as one array of UTF-8 bytes; id i is data[starts[i]:starts[i + 1]]."""

    starts: IntArray
    data: NDArray[np.uint8]
    is_null: NDArray[np.bool_]


def encode_ids(ids: NDArray[Any]) -> EncodedIds:
    """Encode an object array of str (None and NaN are null)."""
    if not len(ids):
        return EncodedIds(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8), np.zeros(0, dtype=bool))
    array = pa.array(ids, type=pa.large_string(), from_pandas=True)
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, dtype=np.int64, count=len(array) + 1)
    content = np.frombuffer(data, dtype=np.uint8) if data is not None else np.zeros(0, dtype=np.uint8)
    is_null = np.asarray(array.is_null().to_numpy(zero_copy_only=False), dtype=bool)
    return EncodedIds(starts=starts, data=content[: starts[-1]], is_null=is_null)


def hash_ids(ids: EncodedIds) -> HashArray:
    """(n,), the polynomial sum_i (byte_i + 1) HASH_BASE**i modulo 2**64, its high bits mixed into the low
    ones."""
    lengths = np.diff(ids.starts)
    place = np.arange(len(ids.data)) - np.repeat(ids.starts[:-1], lengths)
    powers = np.full(int(lengths.max(initial=0)) + 1, HASH_BASE, dtype=np.uint64)
    powers[0] = 1
    powers = np.multiply.accumulate(powers)
    terms = (ids.data.astype(np.uint64) + np.uint64(1)) * powers[place]
    # a running sum wraps around, and so does the difference of two: no segment-wise sum is needed
    running = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(terms, dtype=np.uint64)])
    hashes = running[ids.starts[1:]] - running[ids.starts[:-1]]
    hashes ^= hashes >> np.uint64(32)
    hashes *= np.uint64(HASH_BASE)
    return np.asarray(hashes ^ (hashes >> np.uint64(29)))


def index_arrays(ids: NDArray[Any]) -> tuple[IntArray, dict[str, NDArray[Any]]]:
    """The order in which to store the series, and the arrays that find them. Duplicate and null ids:
    ValueError."""
    if np.issubdtype(ids.dtype, np.integer):
        order = np.argsort(ids, kind="stable")
        arrays: dict[str, NDArray[Any]] = {"ids": ids[order].astype(np.int64)}
    else:
        encoded = encode_ids(ids)
        if encoded.is_null.any():
            raise ValueError("a series has no id")
        hashes = hash_ids(encoded)
        order = np.argsort(hashes, kind="stable")
        in_order = encode_ids(ids[order])
        arrays = {"id_hashes": hashes[order], "id_starts": in_order.starts, "id_bytes": in_order.data}
    found = find_ids(arrays, ids[order])
    repeated = np.flatnonzero(found != np.arange(len(ids)))
    if len(repeated):
        raise ValueError(f"two series have the id {ids[order][repeated[0]]!r}")
    return order, arrays


def find_ids(arrays: Mapping[str, NDArray[Any]], ids: NDArray[Any]) -> IntArray:
    """(n,), the place of each id in the arrays of `index_arrays`, -1 for one that isn't there."""
    if "ids" in arrays:
        stored, wanted = arrays["ids"], np.asarray(ids).astype(np.int64)
        places = np.searchsorted(stored, wanted)
        is_found = stored[np.minimum(places, len(stored) - 1)] == wanted if len(stored) else wanted != wanted
        return np.where(is_found, places, -1)
    encoded = encode_ids(np.asarray(ids, dtype=object))
    wanted_hashes = hash_ids(encoded)
    stored_hashes = arrays["id_hashes"]
    found = np.full(len(wanted_hashes), -1, dtype=np.int64)
    places = np.searchsorted(stored_hashes, wanted_hashes)
    open_rows = np.flatnonzero(~encoded.is_null)
    while len(open_rows):
        candidates = places[open_rows]
        is_inside = candidates < len(stored_hashes)
        open_rows, candidates = open_rows[is_inside], candidates[is_inside]
        is_alike = stored_hashes[candidates] == wanted_hashes[open_rows]
        open_rows, candidates = open_rows[is_alike], candidates[is_alike]
        is_same = _same_bytes(arrays["id_starts"], arrays["id_bytes"], candidates, encoded, open_rows)
        found[open_rows[is_same]] = candidates[is_same]
        # the same hash but another id: the next place may hold a collision's other half
        open_rows = open_rows[~is_same]
        places[open_rows] += 1
    return found


def _same_bytes(
    stored_starts: IntArray,
    stored_data: NDArray[np.uint8],
    candidates: IntArray,
    wanted: EncodedIds,
    rows: IntArray,
) -> NDArray[np.bool_]:
    """(len(rows),), whether stored id candidates[i] is wanted id rows[i]."""
    lengths = wanted.starts[rows + 1] - wanted.starts[rows]
    is_same = stored_starts[candidates + 1] - stored_starts[candidates] == lengths
    rows, candidates, lengths = rows[is_same], candidates[is_same], lengths[is_same]
    ends = np.cumsum(lengths)
    place = np.arange(int(lengths.sum())) - np.repeat(ends - lengths, lengths)
    differs = (
        stored_data[np.repeat(stored_starts[candidates], lengths) + place]
        != wanted.data[np.repeat(wanted.starts[rows], lengths) + place]
    )
    running = np.concatenate([[0], np.cumsum(differs)])
    is_same[np.flatnonzero(is_same)] = running[ends] == running[ends - lengths]
    return np.asarray(is_same, dtype=bool)
