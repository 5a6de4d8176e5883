"""The compact set of texts holds what a set of Python holds."""

import random
import sys

import numpy as np
import pytest

from penstock.storage import key_set
from penstock.storage.key_set import KEY_BYTES, KeySet, key_of, keys_of


def test_it_has_what_was_put_in_and_nothing_else():
    texts = [f"/in/{number}.csv" for number in range(5000)]
    keys = KeySet(texts[:4000] + texts[:10])
    assert len(keys) == 4000
    assert list(keys.are_in(texts)) == [True] * 4000 + [False] * 1000
    assert list(keys.are_in([texts[7], "", "/in/7.csv ", texts[7]])) == [True, False, False, True]


def test_an_empty_set_and_an_empty_question():
    assert len(KeySet()) == 0
    assert list(KeySet().are_in(["a"])) == [False]
    assert list(KeySet(["a"]).are_in([])) == []


@pytest.mark.parametrize("unsorted", [0, 3, 1000])
def test_a_random_history_is_that_of_a_set(monkeypatch, unsorted):
    monkeypatch.setattr(key_set, "MAX_UNSORTED", unsorted)
    chance, texts = random.Random(unsorted), [f"t{number}" for number in range(60)]
    keys, expected = KeySet(texts[:5]), set(texts[:5])
    for _ in range(300):
        some = chance.sample(texts, chance.randint(0, 6))
        other = KeySet(some[:3])
        other.add(some[3:])
        change, adds = chance.choice(
            [
                (lambda: keys.add(some), True),  # noqa: B023 - called before the next loop
                (lambda: keys.merge(other), True),  # noqa: B023
                (lambda: keys.remove(some), False),  # noqa: B023
                (lambda: keys.subtract(other), False),  # noqa: B023
            ]
        )
        change()
        expected = expected.union(some) if adds else expected.difference(some)
        assert len(keys) == len(expected)
        assert list(keys.are_in(texts)) == [text in expected for text in texts]


def test_keys_that_begin_alike_or_end_with_zero_bytes_are_told_apart(monkeypatch):
    """Equal in their first 8 bytes, as two files of ten million may be; NumPy takes zeros at the end for padding."""
    forced = {
        "a": b"\1" * 8 + b"\0" * 8,
        "b": b"\1" * 8 + b"\0" * 7 + b"\1",
        "c": b"\1" * 15 + b"\0",
        "d": b"\0" * 16,
        "e": b"\1" * 16,
        "f": b"\0" * 15 + b"\1",
    }
    monkeypatch.setattr(key_set, "key_of", forced.__getitem__)
    for taken in ("ace", "bdf", "d", "abcdef"):
        keys = KeySet(taken)
        assert len(keys) == len(taken)
        assert list(keys.are_in(list("abcdef"))) == [text in taken for text in "abcdef"]
        keys.add("ad")
        assert len(keys) == len({*taken, *"ad"})
        assert list(keys.are_in(list("abcdef"))) == [text in {*taken, *"ad"} for text in "abcdef"]


def test_the_key_is_16_bytes_of_a_cryptographic_hash():
    """Of any Unicode, and of names that are not valid UTF-8, as Python lists them."""
    assert key_of("abc").hex() == "cf4ab791c62b8d2b2109c90275287816"
    texts = ["", "abc", "zürich/日本.csv", "\udcff.csv"]
    assert len({key_of(text) for text in texts}) == len(texts)
    assert keys_of(texts).itemsize == KEY_BYTES
    assert keys_of(key for key in ()).shape == (0,)


def test_a_set_of_many_takes_16_bytes_each():
    keys = KeySet(map(str, range(100_000)))
    assert sys.getsizeof(keys._sorted) <= 100_000 * 16 + 200
    assert np.all(keys._sorted[1:] > keys._sorted[:-1])
