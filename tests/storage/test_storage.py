import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from penstock.storage.files import FileStatus, LocalStorage


@pytest.fixture
def storage():
    return LocalStorage()


def test_create_makes_the_file_and_its_folders(storage, tmp_path):
    path = str(tmp_path / "plan" / "deep" / "0.json")
    assert storage.create(path, b"one") is True
    assert storage.read(path) == b"one"


def test_create_leaves_an_existing_file_as_it_is(storage, tmp_path):
    path = str(tmp_path / "0.json")
    storage.create(path, b"one")
    assert storage.create(path, b"two") is False
    assert storage.read(path) == b"one"
    assert storage.names(str(tmp_path)) == ["0.json"]


@pytest.mark.parametrize("write", ["create", "replace"])
def test_content_and_names_are_on_the_disk_when_a_write_is_done(storage, tmp_path, monkeypatch, write):
    """The file is synced before it has its name, its folder after that; a new folder's name, too."""
    synced, fsync = [], os.fsync

    def note(handle):
        is_named = (tmp_path / "plan" / "0.json").exists()
        synced.append((Path(f"/proc/self/fd/{handle}").readlink(), is_named))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    getattr(storage, write)(str(tmp_path / "plan" / "0.json"), b"one")
    [above, (file, is_named), folder] = synced
    assert above == (tmp_path, False)
    assert (file.parent, file.name.startswith(".0.json."), is_named) == (tmp_path / "plan", True, False)
    assert folder == (tmp_path / "plan", True)


def test_of_eight_that_create_at_once_one_wins_with_whole_content(storage, tmp_path):
    start = threading.Barrier(8)

    def attempt(path, number):
        start.wait()
        return storage.create(path, bytes([number]) * 200_000)

    with ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            path = str(tmp_path / f"{turn}.json")
            won = list(pool.map(attempt, [path] * 8, range(8)))
            assert won.count(True) == 1
            assert storage.read(path) == bytes([won.index(True)]) * 200_000
    assert storage.names(str(tmp_path)) == [f"{turn}.json" for turn in range(10)]


def test_a_reader_never_sees_half_of_a_replaced_file(storage, tmp_path):
    path = str(tmp_path / "lease.json")
    contents = [bytes([number]) * 100_000 for number in range(20)]
    storage.replace(path, contents[0])
    done, seen = threading.Event(), []

    def read():
        while not done.is_set():
            seen.append(storage.read(path))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for content in contents:
            storage.replace(path, content)
    finally:
        done.set()
        reader.join()
    assert seen
    assert set(seen) <= set(contents)


def test_replace_makes_a_file_that_is_not_there_and_leaves_nothing_beside_it(storage, tmp_path):
    path = str(tmp_path / "new" / "x")
    storage.replace(path, b"one")
    storage.replace(path, b"two")
    assert storage.read(path) == b"two"
    assert storage.names(str(tmp_path / "new")) == ["x"]


def test_what_is_not_there_has_no_content_no_status_and_no_names(storage, tmp_path):
    missing = str(tmp_path / "missing")
    assert storage.read(missing) is None
    assert storage.status(missing) is None
    assert storage.names(missing) == []


def test_delete_of_a_missing_file_is_no_error(storage, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"1")
    storage.delete(str(path))
    storage.delete(str(path))
    assert not path.exists()


def test_names_are_sorted(storage, tmp_path):
    for name in ("b", "10", "a", "9"):
        (tmp_path / name).touch()
    assert storage.names(str(tmp_path)) == ["10", "9", "a", "b"]


def test_status_has_whole_milliseconds(storage, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    os.utime(path, ns=(0, 1_700_000_000_123_999_999))
    assert storage.status(str(path)) == FileStatus(length=5, modified_milliseconds=1_700_000_000_123)


def test_modification_time_is_in_utc():
    status = FileStatus(length=0, modified_milliseconds=1_500)
    assert status.modification_time == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)


def test_open_reads_bytes(storage, tmp_path):
    (tmp_path / "x").write_bytes(b"\xff\r\n")
    with storage.open(str(tmp_path / "x")) as file:
        assert file.read() == b"\xff\r\n"


def test_files_are_found_at_any_depth_and_overlooked_ones_are_not(storage, tmp_path):
    for name in ("a", "sub/deep/b", "no/c", "sub/no"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"four")
    os.utime(tmp_path / "a", ns=(0, 1_999_999))
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    found = storage.files(str(tmp_path), is_overlooked=lambda name: name == "no")
    assert sorted(found) == [str(tmp_path / "a"), str(tmp_path / "sub" / "deep" / "b")]
    assert found[str(tmp_path / "a")] == FileStatus(length=4, modified_milliseconds=1)


def test_files_below_what_is_no_folder_are_an_error(storage, tmp_path):
    with pytest.raises(FileNotFoundError):
        storage.files(str(tmp_path / "nowhere"), is_overlooked=str.isspace)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        storage.files(str(tmp_path / "file"), is_overlooked=str.isspace)


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (1_500, datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)),
        (9_999_000_000_123, datetime(2286, 11, 9, 4, 0, 0, 123_000, tzinfo=UTC)),
        (-1_000, datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (2**62, datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        (253_402_300_800_000, datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        (-(2**62), datetime.min.replace(tzinfo=UTC)),
    ],
)
def test_a_file_of_any_time_has_one(milliseconds, expected):
    assert FileStatus(length=1, modified_milliseconds=milliseconds).modification_time == expected
