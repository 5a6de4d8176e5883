"""A long run of many small micro-batches in one process."""

import math
import re
import statistics
import subprocess
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from sandbox import Sandbox

from faults.bench import Bench, Process, last_commit
from faults.feeds import ROWS_FEED
from faults.killing import members
from faults.result import Fault, Progress, Seen
from penstock.tcp_ports import program_of

FILES_A_BATCH = 10
#: How many files lie ready at most.
AHEAD = 400
LOOK_EVERY = 10
#: The first tenth is warm-up; then a tenth at each end is compared.
SHARE = 10
SLOWER, LARGER = 1.3, 1.15
#: What a batch may leave behind, in all tables and in the checkpoint: as much for the last one as for the first.
#: Every file has a checksum beside it on a local disk.
FILES_LEFT_BY_A_BATCH = {"checkpoint": 8, "tables": 30}
BYTES_LEFT_BY_A_BATCH = {"checkpoint": 8_000, "tables": 200_000}
#: Spark's file source writes a line for each file that it has ever seen into every tenth of its logs, and keeps those
#: of the last hundred batches and of the last ten minutes.
BYTES_OF_A_LINE = 200
BATCHES_OF_A_LOG, KEPT_BATCHES, KEPT_SECONDS = 10, 100, 600.0


def run(
    bench: Bench,
    progress: Progress,
    times: int,
    *,
    look_every: int = LOOK_EVERY,
    slower: float = SLOWER,
    larger: float = LARGER,
) -> Seen:
    """One process from begin to end: an interrupted soak starts over."""
    progress.repetitions.clear()
    sandbox = ROWS_FEED.sandbox(bench, f"soak-{time.time_ns()}", files_a_batch=FILES_A_BATCH)
    job = Process(sandbox, "score_stream")
    try:
        looks(sandbox, job, progress, times, every=look_every)
    finally:
        job.kill()
    sandbox.run()
    ledger = ROWS_FEED.ledger(sandbox, range(times * FILES_A_BATCH))
    return judged(progress, seconds_of(sandbox)[:times], clean=ledger.is_clean, slower=slower, larger=larger)


def looks(sandbox: Sandbox, job: Process, progress: Progress, times: int, *, every: int) -> None:
    delivered = 0
    while (done := last_commit(sandbox) + 1) < times:
        while delivered < min(times, done + AHEAD // FILES_A_BATCH) * FILES_A_BATCH:
            ROWS_FEED.deliver(sandbox, delivered)
            delivered += 1
        if done >= (progress.done + 1) * every:
            progress.add(
                batch=done,
                python_bytes=resident(job.process.pid),
                heap_bytes=sum(map(live_heap, members(job.process.pid))),
                **{f"{name}_files": len(files(sandbox, name)) for name in ("checkpoint", "tables")},
                **{f"{name}_bytes": sum(map(size, files(sandbox, name))) for name in ("checkpoint", "tables")},
            )
        if job.process.poll() is not None:
            raise AssertionError(f"ended by itself:\n{job.text[-4000:]}")
        time.sleep(0.5)


def resident(pid: int) -> int:
    """Bytes in memory; 0 for a process that has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def live_heap(pid: int) -> int:
    """What a JVM's heap holds after a collection; 0 for a process that is no JVM."""
    if program_of(pid) != "java":
        return 0
    subprocess.run(["jcmd", str(pid), "GC.run"], check=True, capture_output=True)
    heap = subprocess.run(["jcmd", str(pid), "GC.heap_info"], check=True, capture_output=True, text=True).stdout
    return 1024 * sum(int(used) for used in re.findall(r"generation\s+total \d+K, used (\d+)K", heap))


def seconds_of(sandbox: Sandbox) -> list[float]:
    """From one finished batch to the next: there were always files waiting."""
    rows = sandbox.table("batches").orderBy("batch_id").select("finished_at").collect()
    return [(after.finished_at - before.finished_at).total_seconds() for before, after in pairwise(rows)]


def files(sandbox: Sandbox, name: str) -> list[Path]:
    return [path for path in (sandbox.root / name).rglob("*") if path.is_file()]


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def judged(
    progress: Progress, seconds: list[float], *, clean: bool, slower: float = SLOWER, larger: float = LARGER
) -> Seen:
    """slower, larger: what the end may be of the begin."""
    tenth = max(1, len(seconds) // SHARE)
    time_grown = statistics.median(seconds[-tenth:]) / statistics.median(seconds[tenth : 2 * tenth])
    looks, few = progress.repetitions[1:], max(1, progress.done // SHARE)
    early, late, last = looks[few : 2 * few], looks[-few:], looks[-1]
    memory_grown = least(late, "python_bytes") / least(early, "python_bytes")
    heap_grown = least(late, "heap_bytes") / least(early, "heap_bytes")
    counted = ", ".join(
        f"{name} {last[f'{name}_files']:,} files and {last[f'{name}_bytes'] / 1e6:.0f} MB"
        for name in ("checkpoint", "tables")
    )
    return Seen(
        seen=f"batches {time_grown:.2f} times as long at the end (median {statistics.median(seconds):.1f} s), driver "
        f"memory {memory_grown:.2f} times, live JVM heap {heap_grown:.2f} times "
        f"({least(late, 'heap_bytes') / 1e6:.0f} MB); {counted} after {len(seconds) * FILES_A_BATCH:,} input files",
        passed=clean and time_grown <= slower and max(memory_grown, heap_grown) <= larger and is_bounded(last, seconds),
    )


def is_bounded(look: dict[str, Any], seconds: list[float]) -> bool:
    batch, bytes_left = look["batch"], dict(BYTES_LEFT_BY_A_BATCH)
    bytes_left["checkpoint"] += kept_logs(statistics.median(seconds)) * FILES_A_BATCH * BYTES_OF_A_LINE
    return all(
        look[f"{name}_files"] <= batch * FILES_LEFT_BY_A_BATCH[name]
        and look[f"{name}_bytes"] <= batch * bytes_left[name]
        for name in FILES_LEFT_BY_A_BATCH
    )


def kept_logs(seconds: float) -> int:
    """How many of the logs with all files are there, where a batch takes so long."""
    return math.ceil((KEPT_BATCHES + KEPT_SECONDS / seconds) / BATCHES_OF_A_LOG)


def least(looks: list[dict[str, Any]], what: str) -> int:
    """A collection in the midst of a batch leaves what the batch is about; the least of some is what stays."""
    return min(look[what] for look in looks)


FAULT = Fault(
    name="soak",
    done=f"micro-batches of {FILES_A_BATCH} files in one process",
    must="memory flat, last tenth at most 1.3 times the first after warm-up, what tables and checkpoint keep bounded",
    times=2_000,
    run=run,
)
