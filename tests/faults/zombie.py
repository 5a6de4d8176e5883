"""A stream is paused just before a write, another one resumes from the ledger, and the first one wakes up."""

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from sandbox import Sandbox

from faults.bench import Bench, Process
from faults.feeds import FEEDS, Feed
from faults.result import Fault, Progress, Seen
from penstock.errors import LeaseError
from penstock.pipeline.lease import TIME_TO_LIVE_SECONDS, lease_path


@dataclass(frozen=True, kw_only=True)
class Case:
    feed: Feed
    write: str
    batch: int
    #: What the other one resumes from: `ledger` (a new checkpoint) or `checkpoint` (the zombie's own).
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
    """As many pauses at once as there are; all wait for the same leases to run out.

    lease_seconds: the paused process's time to live, in place of the real one; its lease is then made old at once.
    """
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
    """Another run continues while the zombie sleeps; then it wakes, and one more file arrives."""
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
    if lease_seconds:
        run_out(sandbox)
    deadline = time.monotonic() + 2 * TIME_TO_LIVE_SECONDS
    while True:
        try:
            sandbox.run(resume=resume)
            return
        except LeaseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def run_out(sandbox: Sandbox) -> None:
    """Make the paused process's lease as old as it would be after the whole time to live."""
    path = max(Path(lease_path(sandbox.config().tables.root)).iterdir())
    holder = json.loads(path.read_text())
    path.write_text(json.dumps({**holder, "renewed": holder["renewed"] - TIME_TO_LIVE_SECONDS}))


FAULT = Fault(
    name="zombie",
    done="a stream paused before a write, while another resumes from the ledger or its checkpoint; rows and series",
    must="its writes are dropped, it ends with an error",
    times=len(CASES),
    run=run,
)
