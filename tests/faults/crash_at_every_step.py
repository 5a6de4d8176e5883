"""SIGKILL for driver, JVM and Python workers before, within and after each write of a batch."""

import uuid

from faults.bench import Bench, process, run_until
from faults.feeds import FEEDS, Feed
from faults.result import Fault, Progress, Seen

WHENS = ("after", "within", "before")


def moments(feed: Feed) -> list[str]:
    """Every step, the answers' first; within a plan there is none, for it appears at one moment."""
    *others, marker = feed.writes
    return [
        f"{when}:{write}"
        for when in WHENS
        for write in (*reversed(others), marker)
        if (when, write) != ("within", "plan")
    ]


ALL = sum(len(moments(feed)) for feed in FEEDS)


def chain(bench: Bench, feed: Feed, name: str, steps: list[str]) -> bool:
    """A process for each step: it finishes the batch in which the one before was killed, and dies in the next.

    Returns whether the tables are those of an uninterrupted stream.
    """
    killed, whole = feed.sandbox(bench, name), feed.sandbox(bench, f"{name}-whole")
    for number in range(len(steps) + 1):
        feed.deliver(killed, number)
        feed.deliver(whole, number)
    for number, step in enumerate(steps):
        moment = f"{step}:{number + 1}:kill"
        with process(killed, "score_stream", launch=("--at", moment)) as job:
            job.ends_by(moment)
    for sandbox in (killed, whole):
        run_until(sandbox, len(steps))
    ledger = feed.ledger(killed, range(len(steps) + 1))
    return ledger.is_clean and feed.contents(killed) == feed.contents(whole)


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    """`times` kills, in chains of at most one workload's steps; an interrupted chain begins anew."""
    while (done := progress.total("kills")) < times:
        feed = FEEDS[::-1][progress.done % len(FEEDS)]
        steps = moments(feed)
        rest = times - done
        # A few kills only: a share for each workload.
        steps = steps[: min(len(steps), max(1, rest // (len(FEEDS) - progress.done % len(FEEDS))))]
        name = f"every-step-{progress.done}-{uuid.uuid4().hex[:6]}"
        same = chain(bench, feed, name, steps)
        progress.add(workload=feed.name, kills=len(steps), same=same)
    kills, same = progress.total("kills"), progress.total("same")
    return Seen(
        seen=f"{kills} kills in {progress.done} streams; {same} with nothing lost or twice and the same tables",
        passed=same == progress.done,
    )


FAULT = Fault(
    name="crash at every step",
    done="SIGKILL of all processes before, within and after each write, rows and series",
    must="0 lost, 0 twice, tables as uninterrupted",
    times=4 * ALL,
    run=run,
)
