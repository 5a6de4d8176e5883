"""A stream without files while its storage is unavailable: it logs that once, and continues."""

import logging
from types import SimpleNamespace

import pytest

from penstock.errors import LeaseError, StorageError
from penstock.models.prefetch import Preparation
from penstock.models.registry import ModelVersion
from penstock.pipeline.stream import StreamRunner

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
    pipeline = SimpleNamespace(lease=SimpleNamespace(check=check), config=SimpleNamespace(evaluate=None))
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
