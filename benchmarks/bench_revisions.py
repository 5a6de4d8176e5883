"""A micro-batch of a fleet in which a share of the rows are revisions, compared with one without; writes JSON.

Both are of one pipeline with `series.revisions: newest`, in turns: new observations of all series, and in every second
batch other values for periods that are known, as many as the share of its rows.

Usage: python benchmarks/bench_revisions.py [--series 100000] [--share 0.01] [--rounds 5] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from bench_series_stream import PERIODS_PER_BATCH, WARM_UP_BATCHES, new_observations, run_microbatches
from series_setup import ids_of, observations, register_made_up_fleet, series_config, session, spread


def with_revisions(new: pd.DataFrame, *, n_series: int, batch: int, share: float) -> pd.DataFrame:
    """New observations, and other values for the period before them of so many series."""
    number = min(n_series, round(share * len(new)))
    chosen = np.sort(np.random.default_rng(batch).choice(n_series, number, replace=False))
    known = batch * PERIODS_PER_BATCH - 1
    revised = observations(ids_of(n_series)[chosen], first=known, n_periods=1, seed=1_000)
    return pd.concat([new, revised], ignore_index=True)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "revisions.json")
    arguments = parser.parse_args()
    n_series = arguments.series

    def frame(batch: int) -> pd.DataFrame:
        new = new_observations(n_series, batch=batch)
        is_revised = batch > 0 and (batch - WARM_UP_BATCHES) % 2
        return with_revisions(new, n_series=n_series, batch=batch, share=arguments.share) if is_revised else new

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["PENSTOCK_MODEL_CACHE"] = str(folder / "cache")
        os.environ["PENSTOCK_SPARK_LOG"] = str(folder / "spark.log")
        uri = f"sqlite:///{folder / 'mlflow.db'}"
        session("bench")
        register_made_up_fleet(uri, folder, n_series=n_series)
        config = series_config(folder, uri)
        config = config.model_copy(update={"series": config.the_series.model_copy(update={"revisions": "newest"})})
        frames = (frame(batch) for batch in range(WARM_UP_BATCHES + 2 * arguments.rounds))
        batches = run_microbatches(config, folder / "inbox", frames)[WARM_UP_BATCHES:]
    without, revised = batches[::2], batches[1::2]
    counted = revised[-1][1].forecasts.without_forecast
    result = {
        "series": n_series,
        "rows_per_batch": without[-1][1].rows_in,
        "revised_rows_per_batch": counted.get("revised", 0),
        "batch_seconds": spread([seconds for seconds, _ in without]),
        "batch_with_revisions_seconds": spread([seconds for seconds, _ in revised]),
        "batch_phase_seconds": without[len(without) // 2][1].seconds,
        "batch_with_revisions_phase_seconds": revised[len(revised) // 2][1].seconds,
    }
    result["ratio_with_revisions"] = (
        result["batch_with_revisions_seconds"]["median"] / result["batch_seconds"]["median"]
    )
    print(json.dumps(result, indent=1))
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
