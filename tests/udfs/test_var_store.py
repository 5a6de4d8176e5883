"""Ids, the host's cache, and the calendar of a stored fleet."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.udfs.var import fleet_cache, fleet_ids
from penstock.udfs.var.fleet_cache import cached_folder, stamp_file
from penstock.udfs.var.fleet_calendar import period_numbers, whole
from penstock.udfs.var.fleet_ids import encode_ids, find_ids, hash_ids, index_arrays

KEY = "ab" * 32


def objects(ids):
    """An object array, as pandas hands them over."""
    array = np.empty(len(ids), dtype=object)
    array[:] = ids
    return array


@settings(max_examples=100, deadline=None)
@given(
    stored=st.lists(st.text(max_size=12), unique=True, max_size=30),
    wanted=st.lists(st.one_of(st.text(max_size=12), st.none()), max_size=30),
    bits=st.sampled_from([0, 2, 64]),
)
def test_string_ids_are_found_and_others_are_not(stored, wanted, bits):
    """With 0 or 2 bits of hash nearly all ids collide: the id itself decides."""
    original = fleet_ids.hash_ids
    fleet_ids.hash_ids = lambda ids: original(ids) & np.uint64(2**bits - 1)
    try:
        order, arrays = index_arrays(objects(stored))
        places = find_ids(arrays, objects([*stored, *wanted]))
    finally:
        fleet_ids.hash_ids = original
    names = [stored[i] for i in order]
    for name, place in zip([*stored, *wanted], places, strict=True):
        assert place == (names.index(name) if name in names else -1)


@settings(max_examples=60, deadline=None)
@given(
    stored=st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=30),
    wanted=st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30),
)
def test_integer_ids(stored, wanted):
    order, arrays = index_arrays(np.array(stored, dtype=np.int64))
    names = [stored[i] for i in order]
    for name, place in zip(wanted + stored, find_ids(arrays, np.array(wanted + stored, dtype=np.int64)), strict=True):
        assert place == (names.index(name) if name in names else -1)


def test_ids_that_end_in_nul_or_share_a_prefix_differ():
    order, arrays = index_arrays(objects(["a", "a\0", "", "ab", "ä"]))
    assert sorted(order.tolist()) == [0, 1, 2, 3, 4]
    assert find_ids(arrays, objects(["a\0\0", "abc", "\0", "Ä"])).tolist() == [-1] * 4


def test_hashes_of_a_million_ids_hardly_collide():
    ids = objects([f"series-{i:07d}" for i in range(300_000)])
    hashes = hash_ids(encode_ids(ids))
    assert len(np.unique(hashes)) == len(ids)
    # and they don't depend on what stands beside them
    assert hash_ids(encode_ids(ids[77:78]))[0] == hashes[77]


@pytest.mark.parametrize("ids", [objects(["a", "b", "a"]), np.array([1, 2, 1])])
def test_ids_that_occur_twice(ids):
    with pytest.raises(ValueError, match="two series have the id"):
        index_arrays(ids)


def test_a_series_without_id():
    with pytest.raises(ValueError, match="no id"):
        index_arrays(objects(["a", None]))


@pytest.fixture
def source(tmp_path, monkeypatch) -> Path:
    """A folder with two files, and an empty cache."""
    monkeypatch.setenv(fleet_cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "a.npy").write_bytes(b"alpha" * 1000)
    (folder / "b.npy").write_bytes(b"")
    return folder


def stamps_of(folder: Path):
    return {path.name: stamp_file(path) for path in folder.iterdir()}


def test_second_opener_gets_the_same_files(source, tmp_path):
    first = cached_folder(source, key=KEY, stamps=stamps_of(source))
    assert first == tmp_path / "cache" / KEY
    copy = tmp_path / "another unzipped copy"
    copy.mkdir()
    inode = (first / "a.npy").stat().st_ino
    # the second copy of the model isn't even read: it could be empty
    assert cached_folder(copy, key=KEY, stamps=stamps_of(source)) == first
    assert (first / "a.npy").stat().st_ino == inode


def test_half_filled_folders_are_not_used(source, tmp_path):
    stamps = stamps_of(source)
    final = tmp_path / "cache" / KEY
    leftover = final.with_name(f"{KEY}.filling-{'0' * 32}")
    for folder in (final, leftover):
        folder.mkdir(parents=True)
        (folder / "a.npy").write_bytes(b"alp")
    assert cached_folder(source, key=KEY, stamps=stamps) == final
    assert (final / "a.npy").read_bytes() == b"alpha" * 1000
    assert (final / "b.npy").exists()
    assert not leftover.exists()


def test_damaged_source_is_refused_and_leaves_nothing(source, tmp_path):
    stamps = stamps_of(source)
    (source / "a.npy").write_bytes(b"alphA" * 1000)
    with pytest.raises(ValueError, match=r"a\.npy is damaged"):
        cached_folder(source, key=KEY, stamps=stamps)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"{KEY}.lock"]


def test_old_copies_are_removed_and_foreign_files_left_alone(source, tmp_path):
    old, young, foreign = (tmp_path / "cache" / name for name in ("cd" * 32, "ef" * 32, "notes"))
    for folder in (old, young, foreign):
        folder.mkdir(parents=True)
    long_ago = time.time() - fleet_cache.UNUSED_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    os.utime(foreign, (long_ago, long_ago))
    cached_folder(source, key=KEY, stamps=stamps_of(source))
    assert not old.exists()
    assert young.exists()
    assert foreign.exists()


def test_without_a_writable_cache_the_model_itself_is_used(source, monkeypatch, caplog):
    monkeypatch.setenv(fleet_cache.CACHE_VARIABLE, str(source / "a.npy" / "not a folder"))
    assert cached_folder(source, key=KEY, stamps=stamps_of(source)) == source
    assert "not shared" in caplog.text


def test_default_cache_is_private(tmp_path, monkeypatch):
    monkeypatch.delenv(fleet_cache.CACHE_VARIABLE, raising=False)
    monkeypatch.setattr(fleet_cache.tempfile, "gettempdir", lambda: str(tmp_path))
    root = fleet_cache.cache_root()
    assert root == tmp_path / "penstock-models"
    assert root.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(fleet_cache.os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(PermissionError, match="belongs to another user"):
        fleet_cache.cache_root()


def _open_many(source: str, queue) -> None:
    stamps = {path.name: stamp_file(path) for path in Path(source).iterdir()}
    folder = cached_folder(Path(source), key=KEY, stamps=stamps)
    queue.put(((folder / "a.npy").stat().st_ino, (folder / "a.npy").stat().st_size))


def test_processes_that_open_at_once_share_one_copy(source):
    (source / "a.npy").write_bytes(os.urandom(20_000_000))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=_open_many, args=(str(source), queue)) for _ in range(4)]
    for process in processes:
        process.start()
    seen = {queue.get(timeout=300) for _ in processes}
    for process in processes:
        process.join()
    assert len(seen) == 1
    assert next(iter(seen))[1] == 20_000_000


@pytest.mark.parametrize("frequency", ["QS", "MS", "B", "W-MON", "5min", "D", "h", "YE", "2QS", "3D"])
def test_periods_are_those_of_pandas(frequency):
    dates = pd.date_range("2001-01-01", periods=60, freq=frequency).to_numpy()
    numbers = period_numbers(dates, frequency=frequency, anchor=dates[20])
    np.testing.assert_array_equal(whole(numbers), np.arange(60) - 20)


def test_calendar_of_noons():
    """The time of day is the anchor's, even when an earlier timestamp has another one."""
    anchor = np.datetime64("2001-01-01T12:00")
    times = np.array(["2000-10-01T06:00", "2000-10-01T12:00", "2001-07-01T12:00"], dtype="M8[ns]")
    np.testing.assert_array_equal(period_numbers(times, frequency="QS", anchor=anchor), [np.nan, -1.0, 2.0])


def test_times_off_the_calendar():
    anchor = np.datetime64("2001-01-01")
    stray = np.array(["2001-02-01", "2001-04-01T06:00", "NaT", "1700-01-01", "2001-10-01"], dtype="M8[ns]")
    numbers = whole(period_numbers(stray, frequency="QS", anchor=anchor))
    # From 1700 to 2001 there are 301 years of four quarters.
    np.testing.assert_array_equal(numbers, [np.nan, np.nan, np.nan, -1204.0, 3.0])
    ticks = whole(
        period_numbers(np.array(["2001-01-01T00:07", "2001-01-01T00:10"], "M8[ns]"), frequency="5min", anchor=anchor)
    )
    np.testing.assert_array_equal(ticks, [np.nan, 2.0])
    with pytest.raises(ValueError, match="not on the calendar"):
        period_numbers(stray, frequency="QS", anchor=np.datetime64("2001-01-15"))
