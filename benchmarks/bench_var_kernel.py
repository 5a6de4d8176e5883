"""Batched VAR forecasts with intervals against statsmodels' `forecast_interval` in a loop; writes JSON.

Usage: python benchmarks/bench_var_kernel.py [--rows 100000] [--loop 300] [--rounds 7] [--out FILE]
A forecast is one row (series at a cutoff) at one step, all variables with their bounds; values count each
variable's forecast on its own. Both sides do the same rows' work in the same run and are compared first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from statsmodels.tsa.api import VAR

sys.path.insert(0, str(Path(__file__).parents[1]))

from penstock.udfs.var.kernel import forecast_rows, half_widths

CASES = ((3, 1, 8), (3, 2, 8), (8, 8, 24))
"""k, p, h."""


def seconds_of(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


def measure(k: int, p: int, horizon: int, *, n_rows: int, n_loop: int, rounds: int) -> dict[str, float]:
    """Medians and ratio of one case."""
    random = np.random.default_rng(k + p)
    fitted = [VAR(random.normal(size=(40 + 3 * k * p, k))).fit(p) for _ in range(20)]
    which = random.integers(0, len(fitted), n_rows)
    lags = random.normal(size=(n_rows, p, k))
    coefficients = np.stack([one.coefs for one in fitted])
    trend = np.stack([one.coefs_exog.T for one in fitted])
    widths = half_widths(
        coefficients=coefficients,
        sigma_u=np.stack([one.sigma_u for one in fitted]),
        horizon=horizon,
        level=0.95,
    )
    orders = np.full(n_rows, p)

    def batched() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        points = forecast_rows(
            coefficients=coefficients[which],
            trend_coefficients=trend[which],
            lags=lags,
            lag_order=orders,
            horizon=horizon,
        )
        row_widths = widths[which]
        return points, points - row_widths, points + row_widths

    def looped() -> list[tuple[np.ndarray, ...]]:
        return [tuple(fitted[which[row]].forecast_interval(lags[row, ::-1], horizon)) for row in range(n_loop)]

    for kernel, statsmodels in zip(batched(), map(np.stack, zip(*looped(), strict=True)), strict=True):
        np.testing.assert_allclose(kernel[:n_loop], statsmodels, rtol=1e-10, atol=1e-10)
    batched_seconds, looped_seconds = [], []
    for _ in range(rounds):
        batched_seconds.append(seconds_of(batched) / n_rows)
        looped_seconds.append(seconds_of(looped) / n_loop)
    ours, theirs = statistics.median(batched_seconds), statistics.median(looped_seconds)
    return {
        "k": k,
        "p": p,
        "horizon": horizon,
        "forecasts_per_second": horizon / ours,
        "values_per_second": horizon * k / ours,
        "statsmodels_forecasts_per_second": horizon / theirs,
        "ratio": theirs / ours,
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--loop", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "var_kernel.json")
    arguments = parser.parse_args()
    results = [
        measure(
            *case,
            n_rows=arguments.rows if case[0] < 8 else arguments.rows // 20,
            n_loop=arguments.loop,
            rounds=arguments.rounds,
        )
        for case in CASES
    ]
    print(json.dumps(results, indent=1))
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
