"""How often a batch was begun is counted where a process that ends leaves it."""

import json

import pytest
from py4j.protocol import Py4JNetworkError

from penstock.errors import StorageError
from penstock.pipeline.attempts import attempts_path, counted_attempt
from penstock.storage.files import LocalStorage

STORAGE = LocalStorage()


@pytest.fixture
def path(tmp_path):
    return attempts_path(str(tmp_path / "checkpoint"))


def begin(path, batch_id=7):
    """A run whose process ends in it."""
    return counted_attempt(STORAGE, path, batch_id).__enter__()


def kept(path):
    return json.loads(STORAGE.read(path))


def test_the_third_run_of_a_batch_is_suspicious(path):
    assert [begin(path).is_suspicious for _ in range(4)] == [False, False, True, True]


def test_another_batch_begins_from_the_start(path):
    for _ in range(3):
        begin(path)
    assert begin(path, batch_id=8).record.began == 1


@pytest.mark.parametrize("error", [RuntimeError("Spark could not read"), StorageError(5, "away", "s3a://b/k")])
def test_a_run_that_ends_with_an_error_is_not_counted(path, error):
    for _ in range(5):
        with pytest.raises(type(error)), counted_attempt(STORAGE, path, 7) as attempt:
            raise error
    assert not attempt.is_suspicious
    assert kept(path)["began"] == 0


@pytest.mark.parametrize(
    "error",
    [
        Py4JNetworkError("Answer from Java side is empty"),
        ConnectionRefusedError(111, "Connection refused"),
        RuntimeError("Job aborted due to stage failure: java.lang.OutOfMemoryError: Java heap space"),
    ],
)
def test_a_run_in_which_java_ended_is_counted(path, error):
    for _ in range(3):
        with pytest.raises(type(error)), counted_attempt(STORAGE, path, 7) as attempt:
            raise error
    assert attempt.is_suspicious


def test_a_file_is_held_responsible_for_the_process_that_ended_in_its_trial(path):
    begin(path).mark("/in/a.csv")
    begin(path).mark("/in/b.csv")
    attempt = begin(path)
    assert attempt.deaths == {"/in/a.csv": 1, "/in/b.csv": 1}
    attempt.mark("/in/b.csv")
    attempt = begin(path)
    assert attempt.deaths == {"/in/a.csv": 1, "/in/b.csv": 2}
    attempt.mark("/in/c.csv")
    attempt.mark(None)
    assert begin(path).deaths == {"/in/a.csv": 1, "/in/b.csv": 2}


def test_an_error_while_a_file_is_tried_is_not_held_against_it(path):
    def run():
        with counted_attempt(STORAGE, path, 7) as attempt:
            attempt.mark("/in/a.csv")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    assert begin(path).deaths == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"batch_id": "x"}', b"\xff"])
def test_a_damaged_record_is_none(path, content):
    STORAGE.create(path, content)
    assert begin(path).record.began == 1


def test_a_record_can_be_forgotten(path):
    begin(path).forget()
    assert STORAGE.read(path) is None
