"""A set of many texts, such as the paths of all files that ever arrived, at 16 bytes each.

A text is kept as the first 128 bits of its BLAKE2b hash. Two of ten million texts have the same with a probability of
1 : 10^24, and nobody can make up a name that has the hash of another; so an equal hash counts as an equal text.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

KEY_BYTES = 16
KEY = np.dtype(f"S{KEY_BYTES}")
#: Keys that were added since the last sort are looked up one by one.
MAX_UNSORTED = 1 << 16

Keys = NDArray[np.bytes_]


def key_of(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=KEY_BYTES).digest()


def keys_of(texts: Iterable[str]) -> Keys:
    """The keys of these texts, in their order."""
    packed = bytearray()
    for text in texts:
        packed += key_of(text)
    return np.frombuffer(packed, dtype=KEY)


class KeySet:
    """Texts that can be added, removed and looked up, but not listed."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._sorted: Keys = unique(keys_of(texts))
        self._added: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._added)

    def __contains__(self, text: str) -> bool:
        return bool(self.are_in([text])[0])

    def are_in(self, texts: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each of these texts is in the set."""
        return self._have(keys_of(texts))

    def add(self, texts: Iterable[str]) -> None:
        keys = keys_of(texts)
        is_new = ~are_among(keys, self._sorted)
        self._added.update(map(padded, keys[is_new]))
        if len(self._added) > MAX_UNSORTED:
            self._sort()

    def remove(self, texts: Iterable[str]) -> None:
        """Texts that are not in the set are no error."""
        self._sort()
        keys = unique(keys_of(texts))
        gone = keys[are_among(keys, self._sorted)]
        self._sorted = np.delete(self._sorted, np.searchsorted(self._sorted, gone))

    def merge(self, other: "KeySet") -> None:
        """Add all texts of another set."""
        self._sort()
        other._sort()
        self._insert(other._sorted[~are_among(other._sorted, self._sorted)])

    def subtract(self, other: "KeySet") -> None:
        """Remove all texts of another set."""
        self._sort()
        other._sort()
        self._sorted = self._sorted[~are_among(self._sorted, other._sorted)]

    def _have(self, keys: Keys) -> NDArray[np.bool_]:
        found = are_among(keys, self._sorted)
        if self._added:
            found |= np.fromiter((padded(key) in self._added for key in keys), bool, len(keys))
        return found

    def _sort(self) -> None:
        if self._added:
            self._insert(unique(np.frombuffer(b"".join(self._added), dtype=KEY)))
            self._added = set()

    def _insert(self, keys: Keys) -> None:
        """Sorted keys that are not there yet; to sort all again would take seconds of ten million."""
        self._sorted = np.insert(self._sorted, np.searchsorted(self._sorted, keys), keys)


def padded(key: np.bytes_ | bytes) -> bytes:
    """NumPy cuts zero bytes off the end of what it hands out."""
    return bytes(key).ljust(KEY_BYTES, b"\0")


def unique(keys: Keys) -> Keys:
    """Sorted, each once; in place of np.unique, which would hold three copies."""
    ordered = np.array(keys)
    ordered.sort()
    if len(ordered) < 2:
        return ordered
    is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    return ordered if is_first.all() else ordered[is_first]


def are_among(keys: Keys, ordered: Keys) -> NDArray[np.bool_]:
    """Whether each key is in a sorted array of keys."""
    if not len(ordered):
        return np.zeros(len(keys), bool)
    places = np.searchsorted(ordered, keys)
    places[places == len(ordered)] = 0
    return np.asarray(ordered[places] == keys, bool)
