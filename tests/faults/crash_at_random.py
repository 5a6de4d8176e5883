"""SIGKILL at random moments of a running stream into which small files arrive; and how soon it is back."""

import random
import re
import time

from sandbox import Sandbox

from faults.bench import Bench, Process
from faults.feeds import FEEDS, Feed, delivered
from faults.result import Fault, Progress, Seen

MARKED = re.compile(r"batch \d+: \d+ files, .* rows in ")
STARTED = re.compile(r"fault: Spark started in ([\d.]+) s")
#: How long after its first finished batch a stream is killed, at most. One in FIRST is killed earlier.
SPAN_SECONDS = 6.0
FIRST = 5
#: How likely a file comes in each turn of about a quarter of a second. A calendar of quarters has an end.
RATES = {"rows": 0.4, "series": 0.1}
P99_SECONDS = 60.0


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    pipelines = [(feed, feed.sandbox(bench, f"random-{feed.name}", files_a_batch=20)) for feed in FEEDS]
    while progress.done < times:
        number = progress.done
        feed, sandbox = pipelines[number % len(pipelines)]
        first = delivered(sandbox)
        progress.add(workload=feed.name, **one_kill(feed, sandbox, first, random.Random(number)))
    seen, passed = [], True
    for feed, sandbox in pipelines[:times]:
        for _ in range(2):  # the batch that was cut off, then what is left
            sandbox.run()
        ledger = feed.ledger(sandbox, range(delivered(sandbox)))
        seen.append(f"{feed.name}: {ledger.rows:,} rows, {ledger.lost} lost, {ledger.twice} twice")
        passed = passed and ledger.is_clean
    return Seen(seen="; ".join(seen), passed=passed)


def one_kill(feed: Feed, sandbox: Sandbox, first: int, chance: random.Random) -> dict[str, object]:
    """Start, let files come, kill; what is left is the next start's. recovery: from the start, which follows the kill
    before at once, to the first batch that is finished, less Spark's own start."""
    number = first
    job = Process(sandbox, "score_stream")
    early = chance.randrange(FIRST) == 0
    life = chance.uniform(2, 14) if early else None
    recovery = None
    try:
        while True:
            if chance.random() < RATES[feed.name]:
                feed.deliver(sandbox, number)
                number += 1
            time.sleep(chance.uniform(0.05, 0.4))
            age = time.monotonic() - job.started
            if recovery is None and MARKED.search(job.text):
                started = STARTED.search(job.text)
                recovery = round(age - float(started[1] if started else 0), 2)
                life = life or age + chance.uniform(0, SPAN_SECONDS)
            if job.process.poll() is not None:
                raise AssertionError(f"ended by itself with {job.process.returncode}:\n{job.text}")
            if age > (life or 180):
                break
    finally:
        job.kill()
    return {
        "files": number - first,
        "batches": len(MARKED.findall(job.text)),
        "seconds": round(time.monotonic() - job.started, 1),
        "recovery": recovery,
    }


def recovery(bench: Bench, progress: Progress, times: int, *, within_seconds: float = P99_SECONDS) -> Seen:
    """Takes what the kills at random have measured, and brings more of them only if those are too few."""
    for kill in progress.of(FAULT.key)[progress.done :]:
        progress.repetitions.append(kill)
    while len(measured(progress)) < times:
        feed = FEEDS[progress.done % len(FEEDS)]
        sandbox = feed.sandbox(bench, f"recovery-{feed.name}", files_a_batch=20)
        progress.add(**one_kill(feed, sandbox, delivered(sandbox), random.Random(progress.done)))
    seconds = measured(progress)
    p99 = seconds[min(len(seconds) - 1, int(len(seconds) * 0.99))]
    return Seen(
        seen=f"median {seconds[len(seconds) // 2]:.1f} s, p99 {p99:.1f} s, longest {seconds[-1]:.1f} s",
        passed=p99 < within_seconds,
    )


def measured(progress: Progress) -> list[float]:
    return sorted(kill["recovery"] for kill in progress.repetitions[1:] if kill["recovery"] is not None)


FAULT = Fault(
    name="crash at random",
    done="kills at random moments, in the start too, restarted each time while files arrive",
    must="0 lost, 0 twice",
    times=200,
    run=run,
)

RECOVERY = Fault(
    name="recovery",
    done="restarted at once after a kill; to the first finished batch, less Spark's own start",
    must="p99 under 60 s",
    times=100,
    run=recovery,
)
