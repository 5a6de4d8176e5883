"""Spark forgets that a batch is finished and runs it again."""

from faults.bench import Bench, last_commit
from faults.feeds import FEEDS
from faults.result import Fault, Progress, Seen


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    pipelines = [(feed, feed.sandbox(bench, f"whole-{feed.name}")) for feed in FEEDS]
    before = []
    for feed, sandbox in pipelines:
        if last_commit(sandbox) < 1:
            for number in range(2):
                feed.deliver(sandbox, number)
            sandbox.run()
        before.append(feed.contents(sandbox))
    while progress.done < times:
        feed, sandbox = pipelines[progress.done % len(pipelines)]
        commits = f"{sandbox.location}/checkpoint/commits"
        last = last_commit(sandbox)
        sandbox.storage.delete(f"{commits}/{last}")
        sandbox.storage.delete(f"{commits}/.{last}.crc")
        sandbox.run()
        is_same = feed.contents(sandbox) == before[progress.done % len(pipelines)]
        progress.add(workload=feed.name, batch=last, changed=not is_same)
    changed = progress.total("changed")
    return Seen(seen=f"{changed} replays changed a table", passed=changed == 0)


FAULT = Fault(
    name="batch replay",
    done="the last file in the checkpoint's commits/ deleted, the pipeline started again, rows and series",
    must="0 new rows in any table",
    times=50,
    run=run,
)
