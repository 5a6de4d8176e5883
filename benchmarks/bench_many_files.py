"""The share of a micro-batch that the admission of many small files takes; writes JSON.

Files of 10 wines, 500 per batch. The phase `plan` (settling, admission, model selection, the plan itself) compared with
the whole batch.

Usage: python benchmarks/bench_many_files.py [--files 10000] [--out FILE]
"""

from __future__ import annotations

import statistics
from pathlib import Path

from rows_setup import drop_csv_files, register_wine_model, rows_config, run_benchmark, session

from penstock.operations.run_stream import run_pipeline

ROWS = 10
FILES_A_BATCH = 500


def measure(folder: Path, *, files: int) -> dict[str, object]:
    config = rows_config(folder, max_files_per_trigger=FILES_A_BATCH)
    register_wine_model(config)
    drop_csv_files(folder / "inbox", files=files, rows=ROWS)
    session("bench-many-files")
    records = run_pipeline(config, job="bench", once=True, resume=False)[1:]
    seconds = [(record.finished_at - record.started_at).total_seconds() for record in records]
    plan = [record.seconds["plan"] for record in records]
    return {
        "files": files,
        "files_a_batch": FILES_A_BATCH,
        "median_seconds": {"batch": statistics.median(seconds), "plan": statistics.median(plan)},
        "share": statistics.median(one / whole for one, whole in zip(plan, seconds, strict=True)),
    }


if __name__ == "__main__":
    run_benchmark("many_files", measure, description=__doc__, files=10_000)
