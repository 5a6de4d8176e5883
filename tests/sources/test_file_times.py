"""Which files are overlooked for their times; what Spark does is in tests/end_to_end/test_surroundings.py."""

import time

from penstock.config.pipeline import MAX_FILE_AGE_SECONDS, SourceConfig
from penstock.sources.checkpoint import Arrival, Logged
from penstock.sources.file_times import has_age_limit, newest_seen, overlooked, warn_of_future_times
from penstock.storage.files import FileStatus

DAY = 86_400_000
WEEK = SourceConfig(path="/inbox", max_file_age="7 days")


def status(day):
    return FileStatus(length=1, modified_milliseconds=day * DAY)


def test_older_than_the_newest_by_more_than_the_limit():
    files = {"a": status(2), "b": status(3), "c": status(10)}
    assert overlooked(files, newest_milliseconds=10 * DAY, source=WEEK) == ["a"]
    assert overlooked(files, newest_milliseconds=10 * DAY, source=SourceConfig(path="/inbox")) == []


def test_the_default_reaches_from_the_first_to_the_last_time_that_a_file_can_have():
    assert not has_age_limit(SourceConfig(path="/inbox"))
    assert has_age_limit(WEEK)
    year_9999, epoch = 253_402_300_799, -377_705_116_800
    assert year_9999 - epoch < MAX_FILE_AGE_SECONDS
    # Java counts milliseconds in 64 bits.
    assert 1000 * MAX_FILE_AGE_SECONDS < 2**62


def test_the_newest_of_the_log():
    assert newest_seen({}) == 0
    assert newest_seen({name: Logged(modified_milliseconds=day, offset=0) for name, day in (("a", 5), ("b", 9))}) == 9


def test_a_clock_that_is_a_little_ahead_is_no_news(caplog):
    now = int(time.time() * 1000)
    arrived = [Arrival(path=f"/inbox/{ahead}", modified_milliseconds=now + ahead) for ahead in (-DAY, 0, DAY // 48)]
    warn_of_future_times(arrived, WEEK)
    assert caplog.messages == []
    warn_of_future_times([*arrived, Arrival(path="/inbox/far", modified_milliseconds=now + 3 * DAY)], WEEK)
    [message] = caplog.messages
    assert message.startswith("1 files have a modification time in the future, /inbox/far the latest, 3.0 days ahead; ")
    assert "source.max_file_age" in message
