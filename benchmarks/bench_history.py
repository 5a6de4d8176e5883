"""How the time of a small micro-batch depends on the number of batches before it; writes JSON.

One stream over files of 100 wines, one per batch, backfilled in one process. The median of the batches around the 500th
compared with that around the 10th, as measured by Spark.

Usage: python benchmarks/bench_history.py [--batches 500] [--out FILE]
"""

from __future__ import annotations

import statistics
from pathlib import Path

from rows_setup import BatchSeconds, drop_csv_files, register_wine_model, rows_config, run_benchmark, session

from penstock.operations.run_stream import run_pipeline

ROWS = 100
EARLY = 10
#: The number of batches of a median.
AROUND = 10


def measure(folder: Path, *, batches: int) -> dict[str, object]:
    config = rows_config(folder, max_files_per_trigger=1)
    register_wine_model(config)
    drop_csv_files(folder / "inbox", files=batches, rows=ROWS)
    spark, listener = session("bench-history"), BatchSeconds()
    spark.streams.addListener(listener)
    run_pipeline(config, job="bench", once=True, resume=False)
    seconds = listener.take(batches)
    early = statistics.median(seconds[EARLY : EARLY + AROUND])
    hundredth = statistics.median(seconds[100 : 100 + AROUND])
    late = statistics.median(seconds[-AROUND:])
    return {
        "batches": batches,
        "median_seconds": {"after_10": early, "after_100": hundredth, "at_the_end": late},
        "ratio": late / early,
        "ratio_to_the_hundredth": late / hundredth,
    }


if __name__ == "__main__":
    run_benchmark("history", measure, description=__doc__, batches=500)
