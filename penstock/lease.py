"""One writer: a lease file beside the tables, held by the process that writes them.

The lease gives a second writer a clear error. It is no fence: Delta's transaction ids are (penstock.tables).
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

from penstock.errors import LeaseError
from penstock.storage import Storage

TIME_TO_LIVE_SECONDS = 45.0
RENEW_SECONDS = 10.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds the lease. Times are seconds since 1970 on the holder's clock."""

    token: str
    host: str
    boot: str
    pid: int
    job: str
    since: float
    renewed: float

    @classmethod
    def this_process(cls, job: str) -> "Holder":
        now = time.time()
        boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
        return cls(
            token=uuid.uuid4().hex,
            host=socket.gethostname(),
            boot=boot,
            pid=os.getpid(),
            job=job,
            since=now,
            renewed=now,
        )

    def to_json(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    def is_alive(self, *, now: float, seen_from: "Holder") -> bool:
        """A process of this very boot is asked for directly; of another host only its renewals speak."""
        if (self.host, self.boot) == (seen_from.host, seen_from.boot) and not process_exists(self.pid):
            return False
        return now - self.renewed < TIME_TO_LIVE_SECONDS

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since, tz=UTC).isoformat(sep=" ", timespec="seconds")
        return f"{self.job}, pid {self.pid} on {self.host}, since {since}"


@dataclass(kw_only=True)
class Lease:
    """A context manager that holds the lease at `path` and renews it from a thread of its own."""

    storage: Storage
    path: str
    job: str
    #: What a second process is told; `{other}` is the holder.
    conflict: str = "the tables are being written by {other}; one stream or backfill at a time: stop it (jobs/stop.py)"
    _holder: Holder | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _lost: str = ""
    _thread: threading.Thread | None = None

    def __enter__(self) -> "Lease":
        self._holder = self._take(Holder.this_process(self.job))
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join()
        current = read_holder(self.storage, self.path)
        if current and self._holder and current.token == self._holder.token:
            self.storage.delete(self.path)

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

    def _take(self, mine: Holder) -> Holder:
        for _ in range(3):
            if self.storage.create(self.path, mine.to_json()):
                return mine
            other = read_holder(self.storage, self.path)
            if other and other.is_alive(now=time.time(), seen_from=mine):
                told = self.conflict.replace("{other}", str(other))
                raise LeaseError(f"{told}, or wait {TIME_TO_LIVE_SECONDS:.0f} s if it is dead")
            if other:
                self._break(other)
        raise LeaseError(f"{self.path}: the lease could not be taken in 3 attempts; another process keeps taking it")

    def _break(self, dead: Holder) -> None:
        """Remove a dead holder's lease. Of several that find it dead only one may: another's new lease must live."""
        right = f"{self.path}.{dead.token}"
        if not self.storage.create(right, b""):
            made = self.storage.status(right)
            if made and time.time() - made.modified_milliseconds / 1000 < TIME_TO_LIVE_SECONDS:
                time.sleep(0.5)
                return
        log.warning("taking over the lease of a dead writer: %s", dead)
        current = read_holder(self.storage, self.path)
        if current and current.token == dead.token:
            self.storage.delete(self.path)
        self.storage.delete(right)

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_SECONDS):
            try:
                current = read_holder(self.storage, self.path)
                if self._holder is None or current is None or current.token != self._holder.token:
                    self._lost = f"{current} holds it now" if current else "its file was removed"
                    return
                renewed = replace(self._holder, renewed=time.time())
                self.storage.replace(self.path, renewed.to_json())
                self._holder = renewed
            except LeaseError as error:
                self._lost = str(error)
                return
            except OSError as error:
                # The next round may succeed; if none does, check() sees that the time to live is over.
                log.warning("the lease could not be renewed: %s", error)


def read_holder(storage: Storage, path: str) -> Holder | None:
    content = storage.read(path)
    if content is None:
        return None
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError):
        raise LeaseError(f"{path}: is not a lease of this version; remove it if no writer runs") from None


def process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def lease_path(tables_root: str) -> str:
    return f"{tables_root}/_lease.json"
