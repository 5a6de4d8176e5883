"""Which files are overlooked for their times; what Spark does is in tests/end_to_end/test_surroundings.py."""

import os
import time

from spark_checkpoint import Checkpoint

from penstock.config.pipeline import MAX_FILE_AGE_SECONDS, SourceConfig
from penstock.sources.checkpoint import Arrival
from penstock.sources.file_times import has_age_limit, warn_of_future_times, warn_of_overlooked
from penstock.storage.files import LocalStorage

DAY = 86_400_000
WEEK = SourceConfig(path="/inbox", max_file_age="7 days")


def test_older_than_the_newest_by_more_than_the_limit(tmp_path, caplog):
    """Files that the stream has seen are not overlooked, whatever their age."""
    inbox, checkpoint = tmp_path / "inbox", Checkpoint(tmp_path / "checkpoint")
    inbox.mkdir()
    for name, day in (("b", 2), ("a", 1), ("seen", 1), ("young", 3), ("newest", 10)):
        (inbox / name).write_text("x")
        os.utime(inbox / name, (day * 86400, day * 86400))
    seen = [(f"file://{inbox}/{name}", day * DAY, 0) for name, day in (("seen", 1), ("newest", 10))]
    checkpoint.log(0, *seen)
    said = f"2 files of the inbox will never be scored, {inbox}/a the first"
    for limit, expected in (({"max_file_age": "7 days"}, [said]), ({}, [])):
        caplog.clear()
        warn_of_overlooked(LocalStorage(), SourceConfig(path=str(inbox), **limit), str(tmp_path / "checkpoint"))
        assert [message.split(":")[0] for message in caplog.messages] == expected


def test_the_default_reaches_from_the_first_to_the_last_time_that_a_file_can_have():
    assert not has_age_limit(SourceConfig(path="/inbox"))
    assert has_age_limit(WEEK)
    year_9999, epoch = 253_402_300_799, -377_705_116_800
    assert year_9999 - epoch < MAX_FILE_AGE_SECONDS
    # Java counts milliseconds in 64 bits.
    assert 1000 * MAX_FILE_AGE_SECONDS < 2**62


def test_a_clock_that_is_a_little_ahead_is_no_news(caplog):
    now = int(time.time() * 1000)
    arrived = [Arrival(path=f"/inbox/{ahead}", modified_milliseconds=now + ahead) for ahead in (-DAY, 0, DAY // 48)]
    warn_of_future_times(arrived, WEEK)
    assert caplog.messages == []
    warn_of_future_times([*arrived, Arrival(path="/inbox/far", modified_milliseconds=now + 3 * DAY)], WEEK)
    [message] = caplog.messages
    assert message.startswith("1 files have a modification time in the future, /inbox/far the latest, 3.0 days ahead; ")
    assert "source.max_file_age" in message
