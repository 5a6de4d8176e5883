"""A stream on S3 whose network fails again and again: answers lost, requests refused, broken off and stalled."""

import time

from s3_proxy import Answer, Fault, Forward, Request, drop_answer, flaky, stall
from sandbox import Sandbox

from faults.bench import Bench, Process, last_commit
from faults.feeds import FEEDS, Feed, delivered
from faults.on_s3 import bad_network
from faults.result import Fault as FaultLine
from faults.result import Progress, Seen

UNAVAILABLE, RESET = 0.2, 0.05
COMMIT = r"_delta_log/\d{20}\.json"
STALL_SECONDS = 30
FILES = 3
SECONDS = 600


def faults_of(number: int) -> tuple[str, Fault]:
    """Of which kind a repetition is: the answer to each commit is lost, requests fail all the time, or one stalls."""
    kinds: tuple[tuple[str, Fault], ...] = (
        ("answers of commits lost", once_for_each(drop_answer(COMMIT, times=1_000))),
        ("requests fail", flaky(unavailable=UNAVAILABLE, reset=RESET, seed=number)),
        ("stalls", stall(STALL_SECONDS, COMMIT, times=1)),
    )
    return kinds[number // len(FEEDS) % len(kinds)]


def once_for_each(fault: Fault) -> Fault:
    """The fault for the first PUT of each commit: asked for again, its answer would be lost for ever."""
    seen: set[str] = set()

    def sometimes(request: Request, forward: Forward) -> Answer | None:
        if request.path in seen:
            return forward(request)
        if request.matches("PUT", COMMIT):
            seen.add(request.path)
        return fault(request, forward)

    return sometimes


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    pipelines = [(feed, feed.sandbox(bench, f"network-{feed.name}")) for feed in FEEDS]
    while progress.done < times:
        feed, sandbox = pipelines[progress.done % len(FEEDS)]
        kind, fault = faults_of(progress.done)
        progress.add(workload=feed.name, kind=kind, **one_stream(feed, sandbox, fault))
    clean = 0
    for feed, sandbox in pipelines[:times]:
        clean += feed.ledger(sandbox, range(delivered(sandbox))).is_clean
    requests, by_hand = progress.total("requests"), progress.total("starts") - progress.done
    return Seen(
        seen=f"{requests:,} requests through the proxy, {by_hand} starts by hand; "
        f"{clean} of {len(pipelines[:times])} pipelines with nothing lost or twice",
        passed=clean == len(pipelines[:times]) and by_hand == 0,
    )


def one_stream(feed: Feed, sandbox: Sandbox, fault: Fault) -> dict[str, object]:
    """A stream over some new files; started again as often as it gives up."""
    first = delivered(sandbox)
    for number in range(first, first + FILES):
        feed.deliver(sandbox, number)
    started, starts, wanted = time.monotonic(), 0, last_commit(sandbox) + FILES
    with bad_network(fault) as proxy:
        while last_commit(sandbox) < wanted:
            starts += 1
            job = Process(sandbox, "score_stream")
            try:
                while job.process.poll() is None and last_commit(sandbox) < wanted:
                    if time.monotonic() - started > SECONDS:
                        raise AssertionError(f"not through after {SECONDS} s:\n{job.text[-4000:]}")
                    time.sleep(0.5)
            finally:
                job.kill()
        requests = len(proxy.requests)
    return {"starts": starts, "requests": requests, "seconds": round(time.monotonic() - started, 1)}


FAULT = FaultLine(
    name="bad network",
    done="streams through a proxy that loses answers of commits; answers 500 or 503 to 20% of requests and resets 5%; "
    "stalls for 30 s",
    must="0 lost, 0 twice, no manual step",
    times=12,
    run=run,
)
