from types import SimpleNamespace

import pytest

from penstock import timings as timings_module
from penstock.timings import Timings


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(timings_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_phases_are_measured_in_their_order(clock):
    timings = Timings()
    for phase, seconds in [("plan", 1.5), ("account", 0.25)]:
        with timings.measure(phase):
            clock.now += seconds
        clock.now += 10
    assert list(timings.seconds.items()) == [("plan", 1.5), ("account", 0.25)]


def test_a_phase_measured_twice_is_summed(clock):
    timings = Timings()
    for seconds in (1.0, 2.0):
        with timings.measure("write"):
            clock.now += seconds
    assert timings.seconds == {"write": 3.0}


def test_seconds_have_three_places(clock):
    timings = Timings()
    with timings.measure("plan"):
        clock.now += 0.12345
    assert timings.seconds == {"plan": 0.123}


def test_a_phase_that_fails_is_measured(clock):
    timings = Timings()

    def fail():
        clock.now += 2
        raise RuntimeError

    with pytest.raises(RuntimeError), timings.measure("plan"):
        fail()
    assert timings.seconds == {"plan": 2.0}
