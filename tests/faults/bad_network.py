"""A stream on S3 whose network fails again and again: answers lost, requests refused, broken off and stalled."""

import time
from dataclasses import dataclass

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
FAILING_SECONDS = 600
PATIENCE_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class Network:
    """kind: what fails. seconds: for so long at least files arrive."""

    kind: str
    fault: Fault
    seconds: float = 0.0


def network_of(number: int) -> Network:
    """Of a repetition: the answer to each commit is lost, requests fail for ten minutes, or a commit stalls."""
    kinds = (
        Network(kind="answers of commits lost", fault=once_for_each(drop_answer(COMMIT, times=1_000))),
        Network(
            kind="requests fail",
            fault=flaky(unavailable=UNAVAILABLE, reset=RESET, seed=number),
            seconds=FAILING_SECONDS,
        ),
        Network(kind="a commit stalls", fault=stall(STALL_SECONDS, COMMIT, times=1)),
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
        network = network_of(progress.done)
        progress.add(workload=feed.name, kind=network.kind, **one_stream(feed, sandbox, network))
    clean = 0
    for feed, sandbox in pipelines[:times]:
        clean += feed.ledger(sandbox, range(delivered(sandbox))).is_clean
    requests, by_hand = progress.total("requests"), progress.total("starts") - progress.done
    return Seen(
        seen=f"{progress.total('batches')} batches, {requests:,} requests through the proxy, {by_hand} starts by hand; "
        f"{clean} of {len(pipelines[:times])} pipelines with nothing lost or twice",
        passed=clean == len(pipelines[:times]) and by_hand == 0,
    )


def one_stream(feed: Feed, sandbox: Sandbox, network: Network) -> dict[str, object]:
    """A stream over new files, started again as often as it gives up."""
    begun, first, starts = time.monotonic(), last_commit(sandbox) + 1, 0

    def goes_on() -> bool:
        """The next file comes when the one before is done."""
        done, seconds = last_commit(sandbox) + 1, time.monotonic() - begun
        if seconds > network.seconds + PATIENCE_SECONDS:
            raise AssertionError(f"not through after {seconds:.0f} s")
        if delivered(sandbox) > done:
            return True
        if done - first >= FILES and seconds >= network.seconds:
            return False
        feed.deliver(sandbox, done)
        return True

    with bad_network(network.fault) as proxy:
        while goes_on():
            starts += 1
            job = Process(sandbox, "score_stream")
            try:
                while job.process.poll() is None and goes_on():
                    time.sleep(0.5)
            finally:
                job.kill()
        requests = len(proxy.requests)
    batches = last_commit(sandbox) + 1 - first
    return {"starts": starts, "batches": batches, "requests": requests, "seconds": round(time.monotonic() - begun, 1)}


FAULT = FaultLine(
    name="bad network",
    done="streams through a proxy that loses the answer of each commit; answers 500 or 503 to 20% of requests and "
    "resets 5%, for ten minutes; stalls a commit for 30 s",
    must="0 lost, 0 twice, no manual step",
    times=6,
    run=run,
)
