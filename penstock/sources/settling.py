"""Waits for files that are still being written.

A file is settled when it is unchanged (same length and modification time) for QUIET_SECONDS. Its modification time
counts as the beginning of that quiet, so a file that arrived a while ago is taken at once.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from penstock.sources.checkpoint import Arrival
from penstock.storage.files import FileStatus, Storage
from penstock.storage.statuses import statuses

QUIET_SECONDS = 2.0
POLL_SECONDS = 0.25
VANISHED = "file: vanished between listing and reading"


@dataclass(frozen=True, kw_only=True)
class Settled:
    """A file's last status (None: it is gone), and why it can't be read (empty: it can)."""

    status: FileStatus | None
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A file that is being looked at, and since when (monotonic seconds) it has been as it is."""

    status: FileStatus
    quiet_since: float


def settle(
    arrived: Sequence[Arrival],
    *,
    storage: Storage,
    settle_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Settled]:
    """The settled state by path. All files are watched together, for `settle_seconds` at most."""
    quiet_seconds = min(QUIET_SECONDS, settle_seconds)
    settled: dict[str, Settled] = {}
    found = statuses(storage, [arrival.path for arrival in arrived])
    watched = {arrival.path: first_look(status) for arrival, status in zip(arrived, found, strict=True)}
    started = time.monotonic()
    while watched:
        now = time.monotonic()
        for path, watch in list(watched.items()):
            if watch is None:
                settled[path] = Settled(status=None, reason=VANISHED)
            elif now - watch.quiet_since >= quiet_seconds:
                settled[path] = Settled(status=watch.status)
            elif now - started > settle_seconds:
                reason = f"file: still being written after {settle_seconds:g} s; move finished files in instead"
                settled[path] = Settled(status=watch.status, reason=reason)
        watched = {path: watch for path, watch in watched.items() if path not in settled}
        if watched:
            sleep(POLL_SECONDS)
            looks_again = statuses(storage, list(watched))
            watched = {
                path: after(watch, status) for (path, watch), status in zip(watched.items(), looks_again, strict=True)
            }
    return settled


def first_look(status: FileStatus | None) -> Watch | None:
    if status is None:
        return None
    age_seconds = time.time() - status.modified_milliseconds / 1000
    # A modification time in the future (another host's clock) says nothing: the quiet is then observed here.
    quiet_seconds = max(0.0, age_seconds)
    return Watch(status=status, quiet_since=time.monotonic() - quiet_seconds)


def after(watch: Watch | None, status: FileStatus | None) -> Watch | None:
    """What is known of a file that now has this status."""
    if status is None or watch is None:
        return None
    return watch if status == watch.status else Watch(status=status, quiet_since=time.monotonic())
