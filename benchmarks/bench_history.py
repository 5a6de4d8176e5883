"""What a long history costs; writes JSON.

The stream: files of 100 wines, one per batch, backfilled in one process. The median of the batches around the 500th
compared with that around the 10th, as measured by Spark.

The simulated history: tables and logs of a pipeline of many files and batches, written and not run
(history_setup.py). Seconds and peak memory, each in a process of its own, of what a start reads, of what a batch asks
(the file log at a compaction; after a resume, the ledger), of `status`, of the backlog in the metrics and of
`reconcile`, whose memory includes its JVM's.

Usage: python benchmarks/bench_history.py [--batches 500] [--files 10000000] [--markers 100000] [--waiting 1000]
       [--out FILE]; --batches 0 leaves out the stream, --files 0 the simulated history
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import psutil
from history_setup import QUERY, History, write_history
from rows_setup import BatchSeconds, drop_csv_files, register_wine_model, rows_config, run_benchmark, session

from penstock.operations.monitoring.backlog import Backlog
from penstock.operations.monitoring.status import read_status
from penstock.operations.reconcile.reconcile import reconcile
from penstock.operations.run_stream import run_pipeline
from penstock.pipeline.done_files import read_done_files
from penstock.pipeline.ledger import read_state
from penstock.sources.checkpoint import arrivals
from penstock.storage.files import LocalStorage

ROWS = 100
EARLY = 10
#: The number of batches of a median.
AROUND = 10
MEGABYTE = 1_000_000
STORAGE = LocalStorage()


def measure(folder: Path, *, batches: int, files: int, markers: int, waiting: int) -> dict[str, object]:
    measured: dict[str, object] = {}
    if batches:
        measured |= measure_stream(folder / "stream", batches=batches)
    if files:
        config = rows_config(folder / "simulated")
        history = History(config=config, files=files, batches=markers, waiting=waiting)
        measured["simulated"] = measure_history(history)
    return measured


def measure_stream(folder: Path, *, batches: int) -> dict[str, object]:
    config = rows_config(folder, max_files_per_trigger=1)
    register_wine_model(config)
    drop_csv_files(folder / "inbox", files=batches, rows=ROWS)
    spark, listener = session("bench-history"), BatchSeconds()
    spark.streams.addListener(listener)
    run_pipeline(config, job="bench", once=True, resume=False)
    seconds = listener.take(batches)
    spark.stop()
    early = statistics.median(seconds[EARLY : EARLY + AROUND])
    hundredth = statistics.median(seconds[100 : 100 + AROUND])
    late = statistics.median(seconds[-AROUND:])
    return {
        "batches": batches,
        "median_seconds": {"after_10": early, "after_100": hundredth, "at_the_end": late},
        "ratio": late / early,
        "ratio_to_the_hundredth": late / hundredth,
    }


def measure_history(history: History) -> dict[str, object]:
    write_history(history)
    found = {"files": history.files, "batches": history.batches, "waiting": history.waiting}
    return found | {work.__name__: in_own_process(work, history) for work in (start, batch, resumed_batch, *WATCHING)}


def start(history: History) -> None:
    state = read_state(history.config, STORAGE)
    expect(state.done, {QUERY: history.batches - 1})


def batch(history: History) -> None:
    arrived = arrivals(STORAGE, history.config.checkpoint, history.batches - 1)
    expect([one.path for one in arrived], [history.path(file) for file in history.files_of(history.batches - 1)])


def resumed_batch(history: History) -> None:
    arrived = arrivals(STORAGE, history.config.checkpoint, history.batches - 1)
    expect(read_done_files(history.config, [QUERY]).among(arrived), arrived)


def status(history: History) -> None:
    found = read_status(history.config)
    expect(found.backlog_files, history.waiting)


def metrics(history: History) -> None:
    shown: list[int | None] = []
    done = {QUERY: history.batches - 1}
    Backlog(config=history.config, storage=STORAGE, done=done, every_seconds=1, show=shown.append).look()
    expect(shown, [history.waiting])


def reconciled(history: History) -> None:
    spark = session("bench-history", settings={"spark.driver.memory": "700m"})
    found = reconcile(spark, history.config, count=False)
    expect(found.differences, ())


WATCHING: tuple[Callable[[History], None], ...] = (status, metrics, reconciled)


def in_own_process(work: Callable[[History], None], history: History) -> dict[str, float]:
    """Seconds, and peak memory in MB, of `work` in a fresh process with its imports done."""
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        result = pool.submit(timed, work, history).result()
    print(work.__name__, result, flush=True)
    return result


def timed(work: Callable[[History], None], history: History) -> dict[str, float]:
    started = time.monotonic()
    work(history)
    seconds = time.monotonic() - started
    me = psutil.Process()
    peak = sum(peak_bytes(process.pid) for process in (me, *me.children(recursive=True)))
    return {"seconds": round(seconds, 2), "peak_megabytes": round(peak / MEGABYTE)}


def peak_bytes(pid: int) -> int:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def expect(found: object, expected: object) -> None:
    if found != expected:
        raise SystemExit(f"found {str(found)[:200]}, expected {str(expected)[:200]}")


if __name__ == "__main__":
    run_benchmark(
        "history", measure, description=__doc__, batches=500, files=10_000_000, markers=100_000, waiting=1_000
    )
