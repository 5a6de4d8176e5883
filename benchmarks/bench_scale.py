"""How time and memory of a backfill scale with rows and cores; writes JSON.

Parquet files of wines, all in one micro-batch, each backfill in its own process whose model and JVM are warmed up by a
batch before. Seconds of the micro-batch as measured by Spark; peak memory (VmHWM) of the JVM, of the Python driver and
of the largest Python worker. One core is measured in two ways: Spark's local[1], where the Python worker has the second
core of the machine to itself, and all processes bound to one processor.

Usage: python benchmarks/bench_scale.py [--rows 100000 --rows 1000000 --rows 10000000] [--rounds 3] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from rows_setup import BatchSeconds, register_wine_model, rows_config, session, wines

from penstock.operations.run_stream import run_pipeline

ROWS_PER_FILE = 250_000
WARM_UP_ROWS = 100_000
PROC = Path("/proc")


def write_files(inbox: Path, rows: int, *, prefix: str) -> None:
    inbox.mkdir(parents=True, exist_ok=True)
    for number, first in enumerate(range(0, rows, ROWS_PER_FILE)):
        path = inbox / f"{prefix}{number:04d}.parquet"
        wines(min(ROWS_PER_FILE, rows - first), seed=number).to_parquet(path, index=False)
        os.utime(path, (time.time() - 60,) * 2)


class Peaks:
    """Peak memory of each kind of child process in bytes, sampled every half second."""

    def __init__(self) -> None:
        self.bytes = {"jvm": 0, "driver": 0, "worker": 0}
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self) -> None:
        while True:
            self.look()
            time.sleep(0.5)

    def look(self) -> None:
        for folder in PROC.iterdir():
            if folder.name.isdigit():
                try:
                    self.add(int(folder.name), (folder / "status").read_text())
                except (FileNotFoundError, ProcessLookupError):
                    continue

    def add(self, pid: int, status: str) -> None:
        peak = re.search(r"VmHWM:\s+(\d+) kB", status)
        if peak is None or os.getsid(pid) != os.getsid(0):
            return
        kind = "driver" if pid == os.getpid() else "jvm" if "Name:\tjava" in status else "worker"
        self.bytes[kind] = max(self.bytes[kind], int(peak[1]) * 1024)


def child(folder: Path, *, rows: int, cores: int, is_bound: bool) -> None:
    """One backfill; prints its figures as JSON. is_bound: to this many processors, with its child processes."""
    if is_bound:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    config = rows_config(folder, format="parquet", max_files_per_trigger=10_000)
    write_files(folder / "inbox", WARM_UP_ROWS, prefix="warm-up-")
    spark, listener = session("bench-scale", cores=cores), BatchSeconds()
    spark.streams.addListener(listener)
    run_pipeline(config, job="bench", once=True, resume=False)
    write_files(folder / "inbox", rows, prefix="rows-")
    peaks = Peaks()
    run_pipeline(config, job="bench", once=True, resume=False)
    print(json.dumps({"seconds": listener.take(2)[-1], "peak_bytes": peaks.bytes}))


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """Seconds of its micro-batch, and peak memory of each kind of process."""

    seconds: float
    peak_bytes: dict[str, int]


def backfill(*, rows: int, cores: int, is_bound: bool = False) -> Backfill:
    with tempfile.TemporaryDirectory() as folder:
        register_wine_model(rows_config(Path(folder)))
        command = [sys.executable, __file__, "--child", folder, "--rows", str(rows), "--cores", str(cores)]
        command += ["--bound"] if is_bound else []
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, start_new_session=True).stdout
    result = Backfill(**json.loads(output.splitlines()[-1]))
    print(f"{rows:,} rows, {cores} cores{', bound' if is_bound else ''}: {result}", flush=True)
    return result


def median(results: list[Backfill]) -> Backfill:
    """The one with the median time."""
    seconds = statistics.median_low(result.seconds for result in results)
    return next(result for result in results if result.seconds == seconds)


def measure(sizes: list[int], *, rounds: int) -> dict[str, object]:
    by_rows = {rows: median([backfill(rows=rows, cores=2) for _ in range(rounds)]) for rows in sizes}
    # Of the largest size: in a smaller one, fixed costs dominate.
    one_core = median([backfill(rows=sizes[-1], cores=1) for _ in range(rounds)])
    one_processor = median([backfill(rows=sizes[-1], cores=1, is_bound=True) for _ in range(rounds)])
    return {
        "by_rows": [
            {"rows": rows, "microseconds_per_row": 1e6 * result.seconds / rows, **asdict(result)}
            for rows, result in by_rows.items()
        ],
        "one_core": {"rows": sizes[-1], **asdict(one_core)},
        "one_processor": {"rows": sizes[-1], **asdict(one_processor)},
        "speed_up_of_two_cores": one_core.seconds / by_rows[sizes[-1]].seconds,
        "speed_up_of_two_processors": one_processor.seconds / by_rows[sizes[-1]].seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2, help=argparse.SUPPRESS)
    parser.add_argument("--bound", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "scale.json")
    options = parser.parse_args()
    if options.child:
        child(options.child, rows=options.rows[0], cores=options.cores, is_bound=options.bound)
        return
    result = measure(options.rows or [100_000, 1_000_000, 10_000_000], rounds=options.rounds)
    print(json.dumps(result, indent=1))
    options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
