"""Spark's events, as PySpark reads them from Spark's JSON."""

import json
import uuid

import pytest
from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
)

from penstock.operations.monitoring.query_listener import QueryListener

QUERY, RUN, OTHER_RUN = (str(uuid.uuid4()) for _ in range(3))
TIME = "2026-03-01T12:00:00.000Z"


class Heard:
    """What the listener tells of the query."""

    pipeline = "wine"

    def __init__(self):
        self.running = []

    def on_query(self, *, running):
        self.running.append(running)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def listener(heard):
    return QueryListener(heard)


def started(name, run=RUN):
    return QueryStartedEvent.fromJson({"id": QUERY, "runId": run, "name": name, "timestamp": TIME, "jobTags": []})


def idle(run=RUN):
    return QueryIdleEvent.fromJson({"id": QUERY, "runId": run, "timestamp": TIME})


def terminated(run=RUN):
    event = {"id": QUERY, "runId": run, "exception": None, "errorClassOnException": None}
    return QueryTerminatedEvent.fromJson(json.loads(json.dumps(event)))


def test_the_query_is_heard_from_its_start_to_its_end(listener, heard):
    listener.onQueryStarted(started("wine"))
    listener.onQueryIdle(idle())
    listener.onQueryTerminated(terminated())
    assert heard.running == [True, True, False]


def test_other_queries_of_the_session_are_not(listener, heard):
    listener.onQueryStarted(started("macro", OTHER_RUN))
    listener.onQueryStarted(started(None, OTHER_RUN))
    listener.onQueryIdle(idle(OTHER_RUN))
    assert heard.running == []
    listener.onQueryStarted(started("wine"))
    listener.onQueryIdle(idle(OTHER_RUN))
    listener.onQueryTerminated(terminated(OTHER_RUN))
    assert heard.running == [True]
