"""SIGKILL for driver, JVM and Python workers before, within and after each write of a batch."""

from itertools import chain, zip_longest

from sandbox import Sandbox

from faults.bench import Bench, process, run_until
from faults.feeds import FEEDS, Feed, delivered
from faults.result import Fault, Progress, Seen
from penstock.sources.checkpoint import batch_numbers

WHENS = ("after", "within", "before")


def steps_of(feed: Feed) -> list[tuple[Feed, str]]:
    """Every step, the answers' first; within a plan there is none, for it appears at one moment."""
    *others, marker = feed.writes
    writes = (*reversed(others), marker)
    return [(feed, f"{when}:{write}") for when in WHENS for write in writes if (when, write) != ("within", "plan")]


#: The workloads take turns, the one with more steps first.
STEPS = [step for step in chain(*zip_longest(*map(steps_of, reversed(FEEDS)))) if step]


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    """One stream for each workload and round of all steps, killed in every micro-batch, and one that runs through."""
    while progress.done < times:
        feed, step = STEPS[progress.done % len(STEPS)]
        sandbox = feed.sandbox(bench, name := name_of(feed, progress.done))
        progress.add(workload=feed.name, stream=name, step=step, batch=kill(feed, sandbox, step))
    streams = {name_of(STEPS[number % len(STEPS)][0], number): STEPS[number % len(STEPS)][0] for number in range(times)}
    same = sum(is_as_uninterrupted(bench, feed, name) for name, feed in streams.items())
    return Seen(
        seen=f"{times} kills in {len(streams)} streams; {same} with nothing lost or twice and the same tables",
        passed=same == len(streams),
    )


def name_of(feed: Feed, number: int) -> str:
    return f"every-step-{feed.name}-{number // len(STEPS)}"


def kill(feed: Feed, sandbox: Sandbox, step: str) -> int:
    """Let a process finish what the one before has left, and kill it in the next micro-batch; returns its number."""
    for number in range(count := delivered(sandbox), max(count + 1, 2)):
        feed.deliver(sandbox, number)
    batch = max(batch_numbers(sandbox.storage, f"{sandbox.location}/checkpoint/offsets"), default=0) + 1
    moment = f"{step}:{batch}:kill"
    with process(sandbox, "score_stream", launch=("--at", moment)) as job:
        job.ends_by(moment)
    return batch


def is_as_uninterrupted(bench: Bench, feed: Feed, name: str) -> bool:
    """Finish the killed stream, and compare it with one over the same files that nothing has stopped."""
    killed, whole = feed.sandbox(bench, name), feed.sandbox(bench, f"{name}-whole")
    files = delivered(killed)
    for number in range(files):
        feed.deliver(whole, number)
    for sandbox in (killed, whole):
        run_until(sandbox, files - 1)
    return feed.ledger(killed, range(files)).is_clean and feed.contents(killed) == feed.contents(whole)


FAULT = Fault(
    name="crash at every step",
    done="SIGKILL of all processes before, within and after each write, rows and series",
    must="0 lost, 0 twice, tables as uninterrupted",
    times=2 * len(STEPS),
    run=run,
)
