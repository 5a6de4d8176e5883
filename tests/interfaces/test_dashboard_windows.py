from datetime import UTC, datetime, timedelta

import pytest

from penstock.interfaces.dashboard.windows import BEGINNING, bucket_seconds, window_of

NOW = datetime(2026, 3, 8, tzinfo=UTC)


def test_a_window_ends_now():
    assert window_of("7 days").since(NOW) == datetime(2026, 3, 1, tzinfo=UTC)
    assert window_of("24 hours").since(NOW) == datetime(2026, 3, 7, tzinfo=UTC)
    assert window_of("all").since(NOW) == BEGINNING


@pytest.mark.parametrize(
    ("length", "seconds"),
    [
        (timedelta(0), 60),
        (timedelta(hours=1), 60),
        (timedelta(hours=2), 300),
        (timedelta(hours=24), 1800),
        (timedelta(days=7), 3 * 3600),
        (timedelta(days=365), 7 * 86400),
        (timedelta(days=365 * 100), 364 * 86400),
    ],
)
def test_a_chart_has_about_60_bars_of_a_readable_width(length, seconds):
    assert bucket_seconds(NOW - length, NOW) == seconds
