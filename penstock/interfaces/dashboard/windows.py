"""The time window of a page, and its buckets in charts."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: Before any row of a table.
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
#: Bucket widths that are readable on an axis.
BUCKET_SECONDS = (60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 7 * 86400, 28 * 86400, 364 * 86400)
BUCKETS = 60


@dataclass(frozen=True, kw_only=True)
class Window:
    """A period that ends now; without a length it is unbounded."""

    title: str
    length: timedelta | None = None

    def since(self, now: datetime) -> datetime:
        return now - self.length if self.length else BEGINNING


WINDOWS = (
    Window(title="1 hour", length=timedelta(hours=1)),
    Window(title="24 hours", length=timedelta(hours=24)),
    Window(title="7 days", length=timedelta(days=7)),
    Window(title="30 days", length=timedelta(days=30)),
    Window(title="all", length=None),
)
DEFAULT = "24 hours"


def window_of(title: str) -> Window:
    return next(window for window in WINDOWS if window.title == title)


def bucket_seconds(start: datetime, end: datetime) -> int:
    """The smallest readable width that gives at most about BUCKETS buckets between the two."""
    wanted = (end - start).total_seconds() / BUCKETS
    return next((width for width in BUCKET_SECONDS if width >= wanted), BUCKET_SECONDS[-1])
