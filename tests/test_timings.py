from types import SimpleNamespace

import pytest

from penstock import timings as phases_module
from penstock.timings import Phases


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(phases_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def test_phases_are_measured_in_their_order(clock):
    phases = Phases()
    for phase, seconds in [("plan", 1.5), ("account", 0.25)]:
        with phases.measure(phase):
            clock.now += seconds
        clock.now += 10
    assert list(phases.seconds.items()) == [("plan", 1.5), ("account", 0.25)]


def test_a_phase_measured_twice_is_summed(clock):
    phases = Phases()
    for seconds in (1.0, 2.0):
        with phases.measure("write"):
            clock.now += seconds
    assert phases.seconds == {"write": 3.0}


def test_seconds_have_three_places(clock):
    phases = Phases()
    with phases.measure("plan"):
        clock.now += 0.12345
    assert phases.seconds == {"plan": 0.123}


def test_a_phase_that_fails_is_measured(clock):
    phases = Phases()

    def fail():
        clock.now += 2
        raise RuntimeError

    with pytest.raises(RuntimeError), phases.measure("plan"):
        fail()
    assert phases.seconds == {"plan": 2.0}
