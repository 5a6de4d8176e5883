"""Many files are asked for at a time where each is a request, and the answers keep their order."""

import threading

import pytest

from penstock.errors import StorageError
from penstock.storage.files import FileStatus, LocalStorage
from penstock.storage.statuses import WORKERS, statuses


class Remote(LocalStorage):
    """Answers none of the first requests before WORKERS of them have come."""

    def __init__(self):
        self.all_are_here = threading.Barrier(WORKERS)

    def status(self, path):
        number = int(path.rsplit("/", 1)[1])
        if number < WORKERS:
            self.all_are_here.wait(timeout=30)
        return FileStatus(length=number, modified_milliseconds=0) if number % 3 else None


def test_requests_to_s3_are_sent_at_a_time():
    found = statuses(Remote(), [f"s3a://bucket/{number}" for number in range(100)])
    assert [status and status.length for status in found] == [number if number % 3 else None for number in range(100)]


def test_the_first_error_is_raised():
    class Away(LocalStorage):
        def status(self, path):
            raise StorageError(5, "S3 was not reached", path)

    with pytest.raises(StorageError, match="s3a://bucket/0"):
        statuses(Away(), [f"s3a://bucket/{number}" for number in range(1000)])


def test_local_files_are_asked_for_without_threads(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("abc")
    monkeypatch.setattr("penstock.storage.statuses.ThreadPoolExecutor", None)
    found = statuses(LocalStorage(), [str(tmp_path / "a"), str(tmp_path / "b")])
    assert [status and status.length for status in found] == [3, None]
    assert statuses(LocalStorage(), []) == []
