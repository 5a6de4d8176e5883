"""One writer: a lease beside the tables, held by the process that writes them.

Acquire, renew and release each create file n+1 of a folder with a conditional put; the owner of the highest file holds
the lease. Of two processes that try, one succeeds. All that is needed of the store is "create if it does not exist",
which local folders and S3 (If-None-Match) both have.

The lease gives a second writer a clear error. It is no fence: Delta's transaction ids are (penstock.spark.tables).
"""

import json
import logging
import os
import socket
import threading
import time
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import psutil

from penstock.errors import LeaseError
from penstock.storage.files import Storage

TIME_TO_LIVE_SECONDS = 45.0
RENEW_SECONDS = 10.0
#: A reader lists the files and then reads the highest one: the one before is kept that long.
KEPT_FILES = 2
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PID_NAMESPACE = Path("/proc/self/ns/pid")
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds the lease. Times are seconds since 1970 on the holder's clock. released: by its holder.

    boot: the boot of the host and the namespace of its pids; a container has one of its own.
    """

    token: str
    host: str
    boot: str
    pid: int
    job: str
    since: float
    renewed: float
    released: bool = False

    @classmethod
    def this_process(cls, job: str) -> "Holder":
        now = time.time()
        return cls(
            token=uuid.uuid4().hex,
            host=socket.gethostname(),
            boot=this_boot(),
            pid=os.getpid(),
            job=job,
            since=now,
            renewed=now,
        )

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    def is_alive(self, *, now: float, seen_from: "Holder") -> bool:
        """A process of this boot is looked up by its pid; of another host or container only the renewals are known."""
        if self.released:
            return False
        if (self.host, self.boot) == (seen_from.host, seen_from.boot) and not psutil.pid_exists(self.pid):
            return False
        return now - self.renewed < TIME_TO_LIVE_SECONDS

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since, tz=UTC).isoformat(sep=" ", timespec="seconds")
        return f"{self.job}, pid {self.pid} on {self.host}, since {since}"


@dataclass(kw_only=True)
class Lease:
    """A context manager that holds the lease in the folder `path` and renews it from a thread of its own."""

    storage: Storage
    path: str
    job: str
    #: The message for a second process; `{other}` is the holder.
    conflict: str = "the tables are being written by {other}; one stream or backfill at a time: stop it (jobs/stop.py)"
    _holder: Holder | None = None
    _number: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lost: str = ""
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Lease":
        self._acquire(Holder.this_process(self.job))
        self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        if self._holder and not self._lost:
            self._release(self._holder)
            self._lost = "this process has released it"

    @property
    def token(self) -> str:
        """Of this holding of the lease, and of no other; empty before it."""
        return self._holder.token if self._holder else ""

    def check(self) -> None:
        """To be called before each write. Raises LeaseError if the lease is lost or was not renewed in time."""
        holder = self._holder
        if holder is None:
            raise LeaseError(f"{self.path}: the lease is not held; this is a programming error")
        age = time.time() - holder.renewed
        if not self._lost and age > TIME_TO_LIVE_SECONDS:
            self._lost = f"it was not renewed for {age:.0f} s (was this process or its storage paused?)"
        if self._lost:
            raise LeaseError(f"{self.path}: the lease is lost: {self._lost}; nothing more is written, start again")

    def _acquire(self, mine: Holder) -> None:
        for _ in range(3):
            number, other = newest(self.storage, self.path)
            if other and other.is_alive(now=time.time(), seen_from=mine):
                message = self.conflict.replace("{other}", str(other))
                raise LeaseError(f"{message}, or wait {TIME_TO_LIVE_SECONDS:.0f} s if it is dead")
            if self._make(number + 1, mine):
                if other and not other.released:
                    log.warning("took over the lease of a dead writer: %s", other)
                return
        raise LeaseError(f"{self.path}: the lease could not be taken in 3 attempts; other processes keep taking it")

    def _make(self, number: int, holder: Holder) -> bool:
        """Make the next file; False if it is not the highest, because others have gone on from there."""
        file = file_path(self.path, number)
        if not self.storage.create(file, holder.to_json()):
            content = self.storage.read(file)
            there = as_holder(content, file) if content is not None else None
            if there is None or there.token != holder.token:
                return False
            # An attempt that seemed to have failed had made it.
            if there.released != holder.released:
                return self._make(number + 1, holder)
            holder = there
        numbers = file_numbers(self.storage, self.path)
        if number not in numbers:
            raise LeaseError(f"{file} is gone: was the folder removed?")
        if numbers[-1] != number:
            # Another holder has gone on, and had tidied up where this was made.
            self.storage.delete(file)
            return False
        self._holder, self._number = holder, number
        for old in numbers[:-KEPT_FILES]:
            self.storage.delete(file_path(self.path, old))
        return True

    def _keep_renewing(self) -> None:
        pause_seconds = RENEW_SECONDS
        while not self._stop.wait(pause_seconds) and not self._lost:
            began = time.monotonic()
            try:
                self._renew()
            except LeaseError as error:
                self._lost = str(error)
            except OSError as error:
                # The next round may succeed; if none does, check() sees that the time to live is over.
                log.warning("the lease could not be renewed: %s", error)
            # The lease is as old as the beginning of its renewal, which may have waited for the storage.
            pause_seconds = max(0.0, RENEW_SECONDS - (time.monotonic() - began))

    def _renew(self) -> None:
        if self._holder and not self._make(self._number + 1, replace(self._holder, renewed=time.time())):
            self._lost = f"{newest(self.storage, self.path)[1]} holds it now"

    def _release(self, holder: Holder) -> None:
        try:
            self._make(self._number + 1, replace(holder, released=True))
        except (OSError, LeaseError) as error:
            log.warning("the lease could not be given back, it runs out by itself: %s", error)


def newest(storage: Storage, path: str) -> tuple[int, Holder | None]:
    """The number and content of the highest file; 0 and None where there is none. Raises LeaseError."""
    while numbers := file_numbers(storage, path):
        content = storage.read(file_path(path, numbers[-1]))
        if content is not None:  # else it was renewed, and tidied up, in between
            return numbers[-1], as_holder(content, file_path(path, numbers[-1]))
    return 0, None


def read_holder(storage: Storage, path: str) -> Holder | None:
    """Who holds the lease, alive or not; None where it was given back or never taken. Raises LeaseError."""
    _, holder = newest(storage, path)
    return None if holder is None or holder.released else holder


def as_holder(content: bytes, file: str) -> Holder:
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError):
        raise LeaseError(f"{file}: is not a lease of this version; remove it if no writer runs") from None


def file_numbers(storage: Storage, path: str) -> list[int]:
    names = (name.removesuffix(".json") for name in storage.names(path))
    return sorted(int(name) for name in names if name.isdigit())


def file_path(path: str, number: int) -> str:
    return f"{path}/{number:010d}.json"


def this_boot() -> str:
    """Among processes that have the same, a pid names one process. Empty where the system does not tell."""
    if not BOOT_ID.exists():
        return ""
    return f"{BOOT_ID.read_text().strip()} {PID_NAMESPACE.readlink()}"


def lease_path(tables_root: str) -> str:
    return f"{tables_root}/_lease"


def maintenance_lease_path(tables_root: str) -> str:
    return f"{tables_root}/_maintenance_lease"
