"""A full disk, and a read-only one: the job fails with the cause in one line, and resumes afterwards."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from faults.bench import Bench, Process
from faults.feeds import FEEDS, Feed
from faults.result import Fault, Progress, Seen

CAUSES = {"full": "No space left on device", "read-only": "Read-only file system"}


@dataclass(frozen=True, kw_only=True)
class Case:
    feed: Feed
    trouble: str
    what: str

    def __str__(self) -> str:
        return f"{self.feed.name}-{self.what}-{self.trouble}"


CASES = [
    Case(feed=feed, trouble=trouble, what=what)
    for what in ("tables", "checkpoint")
    for trouble in CAUSES
    for feed in FEEDS
]


def can_mount() -> bool:
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    if not can_mount():
        return Seen(seen="not tried: mounting a small disk needs root", passed=True)
    while progress.done < times:
        case = CASES[progress.done % len(CASES)]
        progress.add(**trouble(bench, case, f"disk-{progress.done}-{case}-{uuid.uuid4().hex[:6]}"))
    said, clean = progress.total("said"), progress.total("clean")
    return Seen(
        seen=f"{said} failed with the cause in one line, {clean} went on with nothing lost or twice",
        passed=(said, clean) == (times, times),
    )


def trouble(bench: Bench, case: Case, name: str) -> dict[str, object]:
    """Tables or checkpoint lie on a small disk of their own; the trouble comes after the first batch."""
    sandbox = case.feed.sandbox(bench, name)
    with small_disk(disk := sandbox.root / case.what):
        case.feed.deliver(sandbox, 0)
        job = Process(sandbox, "score_stream")
        try:
            job.wait_for("batch 0: 1 files")
            begin(case.trouble, disk)
            case.feed.deliver(sandbox, 1)
            code = job.end()
        finally:
            job.kill()
        end(case.trouble, disk)
        case.feed.deliver(sandbox, 2)
        sandbox.run()
        ledger = case.feed.ledger(sandbox, range(3))
    lines = [line for line in job.text.splitlines() if line.startswith("error: ")]
    said = code == 1 and len(lines) == 1 and CAUSES[case.trouble] in lines[0]
    return {"case": str(case), "said": said, "clean": ledger.is_clean, "exit": code, "line": "" if said else lines[:1]}


def begin(what: str, disk: Path) -> None:
    if what == "read-only":
        remount(disk, "ro")
        return
    # Without a buffer: what does not fit must not be written again when the file is closed.
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(bytes(4096))


def end(what: str, disk: Path) -> None:
    if what == "read-only":
        remount(disk, "rw")
    else:
        (disk / "filler").unlink()


def remount(disk: Path, how: str) -> None:
    # Open files for writing keep a file system from becoming read-only: ask until it does.
    for _ in range(100):
        if (
            subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=False, capture_output=True).returncode
            == 0
        ):
            return
    raise AssertionError(f"{disk} can't be made {how}")


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


FAULT = Fault(
    name="storage trouble",
    done="tables or checkpoint on a disk that is full, or can only be read; rows and series",
    must="the cause in one line, exit 1; then on with nothing lost",
    times=len(CASES),
    run=run,
)
