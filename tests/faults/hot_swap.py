"""The alias moves to and fro while the stream runs."""

import random
import time
from collections import defaultdict
from collections.abc import Callable

from sandbox import Sandbox

from faults.bench import PATIENCE_SECONDS, Bench, last_commit, streaming, wait_for_commit
from faults.feeds import ROWS_FEED, ensure_model
from faults.result import Fault, Progress, Seen
from penstock.pipeline.plan import plan_path, read_plan
from penstock.storage.files import LocalStorage

MODEL = "fault-swap"
#: What each of the two versions makes of x.
FACTORS = {"1": 2.0, "2": 3.0}


def run(bench: Bench, progress: Progress, times: int) -> Seen:
    ensure_model(bench, MODEL, "echo", "champion")
    ensure_model(bench, MODEL, "tripled", "other")
    sandbox = ROWS_FEED.sandbox(bench, "hot-swap", files_a_batch=2)
    sandbox.changes["model"] = {"name": MODEL}
    chance = random.Random(progress.done)
    with streaming(sandbox) as check:
        while progress.done < times:
            # Between 0 and 3 flips meet one batch, at any point of its way.
            version = str(progress.done % 2 + 1)
            bench.registry.client.set_registered_model_alias(MODEL, "champion", version)
            ROWS_FEED.deliver(sandbox, progress.done)
            progress.add(version=version)
            wait_for_commit(sandbox, 0, check)
            time.sleep(chance.uniform(0, 2))
        finish(sandbox, times, check)
    mixed, unpinned, wrong, both = judged(sandbox)
    batches = last_commit(sandbox) + 1
    return Seen(
        seen=f"{batches} batches, {both} models; {mixed} of mixed versions, {unpinned} rows unlike the pin, "
        f"{wrong} answers of another version",
        passed=(mixed, unpinned, wrong) == (0, 0, 0) and both == len(FACTORS),
    )


def finish(sandbox: Sandbox, files: int, check: Callable[[], None]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sandbox.table("batches").selectExpr("sum(size(files))").collect()[0][0] != files:
        check()
        if time.monotonic() > deadline:
            raise AssertionError(f"{files} files were not scored within {PATIENCE_SECONDS:.0f} s")
        time.sleep(0.5)


def judged(sandbox: Sandbox) -> tuple[int, int, int, int]:
    """Batches with more than one version, rows whose version is not the plan's, rows that another version scored,
    and how many versions scored at all."""
    versions = defaultdict(set)
    unpinned = wrong = 0
    checkpoint = str(sandbox.root / "checkpoint")
    pins = {batch: read_plan(LocalStorage(), plan_path(checkpoint, batch)) for batch in range(last_commit(sandbox) + 1)}
    for row in sandbox.table("predictions").collect():
        plan = pins[row.batch_id]
        versions[row.batch_id].add(row.model_version)
        unpinned += plan is None or plan.champion.version != row.model_version
        wrong += row.prediction != row.x * FACTORS[row.model_version]
    marked = {row.batch_id: set(row.versions.values()) for row in sandbox.table("batches").collect()}
    mixed = sum(len(found) != 1 or found != marked[batch] for batch, found in versions.items())
    return mixed, unpinned, wrong, len(set.union(*versions.values()))


FAULT = Fault(
    name="hot swap",
    done="the alias flipped while streaming",
    must="every batch of one version, the pin is the rows' version",
    times=100,
    run=run,
)
