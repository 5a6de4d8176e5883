import os
from types import SimpleNamespace

import pytest

from penstock.sources import settling
from penstock.sources.checkpoint import Arrival
from penstock.sources.settling import VANISHED, settle
from penstock.storage.files import LocalStorage

START = 1_700_000_000.0


class Clock:
    """Time that passes only while the code under test sleeps; `at` says what happens to the files meanwhile."""

    def __init__(self):
        self.elapsed = 0.0
        self.at = []

    def monotonic(self):
        return 5_000.0 + self.elapsed

    def time(self):
        return START + self.elapsed

    def sleep(self, seconds):
        self.elapsed += seconds
        due = [event for event in self.at if event[0] <= self.elapsed]
        self.at = [event for event in self.at if event[0] > self.elapsed]
        for _, action in due:
            action()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(settling, "time", SimpleNamespace(monotonic=clock.monotonic, time=clock.time))
    return clock


def write(path, content, *, modified):
    path.write_bytes(content)
    os.utime(path, ns=(0, round(modified * 1000) * 1_000_000))


def arrival(path):
    modified = path.stat().st_mtime_ns // 1_000_000 if path.exists() else 0
    return Arrival(path=str(path), modified_milliseconds=modified)


def run(clock, *arrivals, settle_seconds=10.0):
    return settle(arrivals, storage=LocalStorage(), settle_seconds=settle_seconds, sleep=clock.sleep)


def grow(clock, path, times):
    for number, moment in enumerate(times):
        content = b"x" * (number + 2)
        clock.at.append((moment, lambda content=content, m=moment: write(path, content, modified=START + m)))


def test_a_quiet_old_file_is_taken_at_once(clock, tmp_path):
    path = tmp_path / "a.csv"
    write(path, b"abc", modified=START - 60)
    found = run(clock, arrival(path))[str(path)]
    assert (found.reason, found.status.length) == ("", 3)
    assert clock.elapsed == 0


def test_a_file_replaced_by_an_old_one_since_it_arrived_is_taken_at_once(clock, tmp_path):
    path = tmp_path / "a.csv"
    write(path, b"abc", modified=START - 60)
    found = run(clock, Arrival(path=str(path), modified_milliseconds=1))[str(path)]
    assert found.reason == ""
    assert found.status.modified_milliseconds == int((START - 60) * 1000)
    assert clock.elapsed == 0


def test_a_fresh_file_is_taken_two_seconds_after_its_last_change(clock, tmp_path):
    path = tmp_path / "a.csv"
    write(path, b"abc", modified=START - 1.5)
    assert run(clock, arrival(path))[str(path)].reason == ""
    assert clock.elapsed == pytest.approx(0.5)


def test_a_file_that_grows_and_stops_is_taken_with_its_last_status(clock, tmp_path):
    path = tmp_path / "a.csv"
    write(path, b"x", modified=START)
    grow(clock, path, [0.5, 1.0, 1.5, 2.0, 3.0])
    found = run(clock, arrival(path))[str(path)]
    assert found.reason == ""
    assert found.status.length == 6
    assert clock.elapsed == pytest.approx(5.0)


def test_a_change_of_time_alone_counts_as_a_change(clock, tmp_path):
    path = tmp_path / "a.csv"
    write(path, b"x", modified=START - 1.5)
    clock.at.append((0.25, lambda: write(path, b"y", modified=START + 0.25)))
    assert run(clock, arrival(path))[str(path)].status.modified_milliseconds == int((START + 0.25) * 1000)
    assert clock.elapsed >= 2.25


def test_a_file_that_never_rests_is_refused_after_the_given_time(clock, tmp_path):
    path = tmp_path / "a.csv"
    write(path, b"x", modified=START)
    grow(clock, path, [number / 2 for number in range(1, 100)])
    found = run(clock, arrival(path), settle_seconds=4)[str(path)]
    assert "still being written after 4 s" in found.reason
    assert found.status is not None
    assert 4 < clock.elapsed <= 4.5


def test_a_restless_file_does_not_spoil_the_verdict_of_others(clock, tmp_path):
    restless, quiet, gone = tmp_path / "r.csv", tmp_path / "q.csv", tmp_path / "g.csv"
    write(restless, b"x", modified=START)
    write(quiet, b"x", modified=START - 1)
    grow(clock, restless, [number / 2 for number in range(1, 100)])
    found = run(clock, arrival(restless), arrival(quiet), arrival(gone), settle_seconds=3)
    assert found[str(restless)].reason.startswith("file: still being written")
    assert found[str(quiet)].reason == ""
    assert found[str(gone)].reason == VANISHED


def test_many_files_are_watched_together(clock, tmp_path):
    paths = [tmp_path / f"{number}.csv" for number in range(50)]
    for path in paths:
        write(path, b"x", modified=START)
    found = run(clock, *map(arrival, paths))
    assert {settled.reason for settled in found.values()} == {""}
    assert clock.elapsed == pytest.approx(2.0)


def test_a_file_that_is_not_there_has_vanished(clock, tmp_path):
    found = run(clock, arrival(tmp_path / "a.csv"))[str(tmp_path / "a.csv")]
    assert (found.status, found.reason) == (None, VANISHED)


def test_a_file_that_goes_while_it_is_watched_has_vanished(clock, tmp_path):
    path = tmp_path / "a.csv"
    write(path, b"x", modified=START)
    clock.at.append((0.5, path.unlink))
    found = run(clock, arrival(path))[str(path)]
    assert (found.status, found.reason) == (None, VANISHED)


def test_a_file_from_the_future_is_taken_when_it_was_seen_to_rest(clock, tmp_path):
    path = tmp_path / "a.csv"
    write(path, b"x", modified=START + 3600)
    assert run(clock, arrival(path))[str(path)].reason == ""
    assert clock.elapsed == pytest.approx(2.0)


def test_a_file_from_the_future_that_grows_is_waited_for(clock, tmp_path):
    path = tmp_path / "a.csv"
    write(path, b"x", modified=START + 3600)
    clock.at.append((1.0, lambda: write(path, b"xyz", modified=START + 3600)))
    assert run(clock, arrival(path))[str(path)].status.length == 3
    assert clock.elapsed == pytest.approx(3.0)


def test_settle_zero_waits_for_nothing(clock, tmp_path):
    path = tmp_path / "a.csv"
    write(path, b"x", modified=START)
    assert run(clock, arrival(path), settle_seconds=0)[str(path)].reason == ""
    assert clock.elapsed == 0


def test_no_arrivals_need_no_time(clock):
    assert run(clock) == {}
    assert clock.elapsed == 0
