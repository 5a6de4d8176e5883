"""A stream without files while its storage is unavailable: it logs that once, and continues."""

import logging
from contextlib import suppress
from types import SimpleNamespace

import pytest

from penstock.errors import LeaseError, StorageError
from penstock.models.prefetch import Preparation
from penstock.models.registry import ModelVersion
from penstock.models.warm_up_mark import WarmUpMark
from penstock.pipeline.stream import StreamRunner
from penstock.storage.files import LocalStorage

AWAY = StorageError(5, "S3 was not reached", "s3a://bucket/checkpoint/stop")
WAITS_UNTIL_STOPPED = 50


class Query:
    """Runs no batch; ends when it is stopped, or with a test that waits in vain."""

    def __init__(self):
        self.status = {"isTriggerActive": False}
        self.waits, self.is_stopped = 0, False

    def awaitTermination(self, seconds):  # noqa: N802 - Spark's name
        self.waits += 1
        assert self.waits < WAITS_UNTIL_STOPPED
        return False

    def stop(self):
        self.is_stopped = True


class StopFile:
    """Each look is answered by the next of `answers`; an error is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def is_there(self):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def wait(*answers, check=lambda: None):
    query = Query()
    pipeline = SimpleNamespace(
        lease=SimpleNamespace(check=check), config=SimpleNamespace(evaluate=None, experiment=None), storage=None
    )
    runner = StreamRunner(pipeline=pipeline, stop_file=StopFile(*answers))
    runner._wait(query, preparation=None)
    return query


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_an_outage_does_not_end_the_stream_and_is_told_once(caplog):
    query = wait(False, AWAY, AWAY, OSError(116, "Stale file handle"), False, True)
    assert (query.is_stopped, query.waits) == (True, 6)
    assert warnings(caplog) == [
        "the stop file can't be looked for: s3a://bucket/checkpoint/stop: S3 was not reached; the stream continues and "
        "looks again"
    ]


def test_the_next_outage_is_told_again(caplog):
    wait(AWAY, False, AWAY, True)
    assert len(warnings(caplog)) == 2


def test_a_lease_that_was_not_renewed_in_time_ends_the_stream_all_the_same():
    def lost():
        raise LeaseError("it was not renewed for 46 s")

    with pytest.raises(LeaseError):
        wait(AWAY, check=lost)


@pytest.mark.parametrize(
    ("error", "warned"),
    [
        (OSError(28, "No space left on device"), []),
        (
            KeyError("constraints.txt"),
            [
                "a new model could not be made ready beside the stream (KeyError: 'constraints.txt'); the next batch "
                "looks at it itself"
            ],
        ),
    ],
    ids=["disk", "surprise"],
)
def test_a_model_that_can_not_be_made_ready_is_left_to_the_batch(caplog, error, warned):
    def fail(version, *, candidate=None):
        raise error

    version = ModelVersion(name="wine", version="2", source="s", created_milliseconds=0)
    registry = SimpleNamespace(version_of_alias=lambda name, alias: version)
    model = SimpleNamespace(name="wine", alias="champion", version=None)
    champion = SimpleNamespace(registry=registry, model=model, has_scorer=lambda version: False, warm_up=fail)
    preparation = Preparation(champion=champion)
    preparation.look()
    assert preparation._thread is not None
    preparation._thread.join(30)
    assert preparation._next_look > 0
    assert warnings(caplog) == warned


class KilledError(BaseException):
    """Of a process that ends: nothing after it is run."""


def warmed(tmp_path, *, refused=None, ends=()):
    """The versions that are loaded by a process, 1 the champion's and 2 the candidate's."""
    found = []

    def warm_up(version, *, candidate=None):
        found.append((candidate or version).version)
        assert mark.storage.read(mark.path) is not None
        if (candidate or version).version in ends:
            mark.storage.delete = lambda path: None
            raise KilledError

    versions = [ModelVersion(name="wine", version=number, source="s", created_milliseconds=0) for number in "12"]
    mark = WarmUpMark(storage=LocalStorage(), path=str(tmp_path / "warm_up"))
    champion = SimpleNamespace(
        registry=SimpleNamespace(version_of_alias=lambda name, alias: versions[0]),
        model=SimpleNamespace(name="wine", alias="champion", version=None),
        has_scorer=lambda version: False,
        has_pair=lambda version, candidate: False,
        warm_up=warm_up,
    )
    candidates = SimpleNamespace(alias_version=lambda: versions[1])
    preparation = Preparation(
        champion=champion, candidates=candidates, refused_candidates=lambda: refused or {}, mark=mark
    )
    with suppress(KilledError):
        preparation.prepare()
    return found


def test_a_candidate_that_ended_runs_is_not_loaded_between_batches(tmp_path):
    assert warmed(tmp_path, refused={"2": "it ended runs of a batch: 2 failed"}) == ["1"]
    assert warmed(tmp_path, refused={"2": "it can't be had now"}) == ["1", "2", "2"]
    assert not list(tmp_path.iterdir())


def test_a_version_whose_load_ended_a_process_is_left_to_the_batch(tmp_path, caplog):
    assert warmed(tmp_path, ends=("2",)) == ["1", "2"]
    assert warmed(tmp_path) == ["1"]
    assert any("/2 is left to the next batch" in text for text in warnings(caplog))
