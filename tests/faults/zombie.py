"""A stream is paused just before a write, another one goes on from the ledger, and the first comes back."""

import shutil
import time
from dataclasses import dataclass

from sandbox import Sandbox

import penstock.lease
from faults.bench import Bench, Process
from faults.feeds import FEEDS, Feed
from faults.result import Fault, Progress, Seen
from penstock.errors import LeaseError


@dataclass(frozen=True, kw_only=True)
class Case:
    feed: Feed
    write: str
    batch: int
    #: What the other one goes on with: `ledger` (a new checkpoint) or `checkpoint` (the zombie's own).
    goes_on: str

    def __str__(self) -> str:
        return f"{self.feed.name}-{self.write}-{self.batch}-{self.goes_on}"


#: The batch numbered 0 leaves no marker by which anyone could know of its query.
CASES = [
    Case(feed=feed, write=write, batch=batch, goes_on=goes_on)
    for goes_on in ("ledger", "checkpoint")
    for batch in (0, 1)
    for write_number in range(5)
    for feed in FEEDS
    for write in feed.writes[1:][write_number : write_number + 1]
]


def run(bench: Bench, progress: Progress, times: int, lease_seconds: float | None = None) -> Seen:
    """As many pauses at once as there are; all wait for the same leases to run out."""
    while progress.done < times:
        cases = [CASES[number % len(CASES)] for number in range(progress.done, min(times, progress.done + 4))]
        for what in pauses(bench, cases, round_number=progress.done, lease_seconds=lease_seconds):
            progress.add(**what)
    clean, ended = progress.total("clean"), progress.total("ended")
    return Seen(
        seen=f"{ended} zombies ended with an error, {clean} left nothing lost, twice or without a marker",
        passed=(clean, ended) == (times, times),
    )


def pauses(
    bench: Bench, cases: list[Case], *, round_number: int, lease_seconds: float | None
) -> list[dict[str, object]]:
    zombies: list[tuple[Case, Sandbox, Process]] = []
    try:
        for case in cases:
            sandbox = fresh(bench, case, round_number)
            moment = f"before:{case.write}:{case.batch}:pause"
            options = ("--lease-seconds", str(lease_seconds)) if lease_seconds else ()
            zombie = Process(sandbox, "score_stream", launch=("--at", moment, *options))
            zombies.append((case, sandbox, zombie))
            zombie.wait_for("fault: pause")
        return [come_back(case, sandbox, zombie, lease_seconds) for case, sandbox, zombie in zombies]
    finally:
        for _, _, zombie in zombies:
            zombie.kill()


def fresh(bench: Bench, case: Case, round_number: int) -> Sandbox:
    name = f"zombie-{round_number}-{case}"
    shutil.rmtree(bench.folder / name, ignore_errors=True)
    sandbox = case.feed.sandbox(bench, name)
    for number in range(case.batch + 1):
        case.feed.deliver(sandbox, number)
    return sandbox


def come_back(case: Case, sandbox: Sandbox, zombie: Process, lease_seconds: float | None) -> dict[str, object]:
    """Another run goes on while the zombie sleeps; then it wakes, and one more file comes."""
    if case.goes_on == "ledger":
        sandbox.changes["checkpoint"] = str(sandbox.root / "checkpoint-2")
    take_over(sandbox, lease_seconds, resume=case.goes_on == "ledger")
    zombie.go_on()
    code = zombie.end()
    case.feed.deliver(sandbox, case.batch + 1)
    sandbox.run()
    ledger = case.feed.ledger(sandbox, range(case.batch + 2))
    ended = code == 1 and "the lease is lost" in zombie.text
    return {"case": str(case), "clean": ledger.is_clean, "ended": ended, "lost": ledger.lost, "twice": ledger.twice}


def take_over(sandbox: Sandbox, lease_seconds: float | None, *, resume: bool) -> None:
    """Start as soon as the lease of the paused process has run out."""
    real = penstock.lease.TIME_TO_LIVE_SECONDS
    deadline = time.monotonic() + 2 * real
    penstock.lease.TIME_TO_LIVE_SECONDS = lease_seconds or real
    try:
        while True:
            try:
                sandbox.run(resume=resume)
                return
            except LeaseError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
    finally:
        penstock.lease.TIME_TO_LIVE_SECONDS = real


FAULT = Fault(
    name="zombie",
    done="a stream paused before a write, while another goes on from the ledger or its checkpoint; rows and series",
    must="its writes are dropped, it ends with an error",
    times=len(CASES),
    run=run,
)
