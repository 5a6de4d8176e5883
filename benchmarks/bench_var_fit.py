"""Batched VAR fits against statsmodels' `VAR.fit` in a loop; writes JSON.

Usage: python benchmarks/bench_var_fit.py [--series 3000] [--loop 60] [--rounds 7] [--out FILE]
Ragged series (150 to 250 observations, k=3). Ours also computes the roots and the half-widths of 8 steps.
Both sides fit the same series in the same run and are compared first. With one observation of each series missing,
which statsmodels does not take, the fit is compared with that of the complete series.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from statsmodels.tsa.api import VAR

sys.path.insert(0, str(Path(__file__).parents[1]))

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings

CASES = (("fixed p=2", 2, None), ("aic over 8 lags", 8, "aic"))
BURN_IN = 50


def made_up_series(n_series: int) -> tuple[np.ndarray, np.ndarray]:
    """Ragged stationary VAR(2) series, one after the other, and their offsets."""
    random = np.random.default_rng(0)
    lengths = random.integers(150, 251, n_series)
    draws = random.normal(size=(n_series, BURN_IN + 250, 3))
    first = np.array([[0.5, 0.1, 0.0], [0.1, 0.4, 0.1], [0.0, 0.2, 0.3]])
    second = np.array([[-0.2, 0.0, 0.1], [0.0, 0.1, 0.0], [0.1, 0.0, -0.1]])
    for t in range(2, draws.shape[1]):
        draws[:, t] += draws[:, t - 1] @ first.T + draws[:, t - 2] @ second.T
    values = np.concatenate([one[BURN_IN : BURN_IN + length] for one, length in zip(draws, lengths, strict=True)])
    return values, np.concatenate([[0], np.cumsum(lengths)])


def seconds_of(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


def measure(
    name: str, max_lags: int, criterion: str | None, *, n_series: int, n_loop: int, rounds: int
) -> dict[str, float | str]:
    """Medians and ratio of one case."""
    values, offsets = made_up_series(n_series)
    settings = FitSettings(transforms=("none",) * 3, max_lags=max_lags, criterion=criterion)
    pieces = [values[offsets[i] : offsets[i + 1]] for i in range(n_loop)]

    def looped() -> list[Any]:
        return [VAR(piece).fit(max_lags, ic=criterion) for piece in pieces]

    fit = fit_fleet(values, offsets, settings)
    for position, theirs in enumerate(looped()):
        order = theirs.k_ar
        assert fit.lag_order[position] == order
        np.testing.assert_allclose(fit.coefficients[position, :order], theirs.coefs, atol=1e-8)
        np.testing.assert_allclose(fit.sigma_u[position], theirs.sigma_u, atol=1e-8)
    ours_seconds, theirs_seconds = [], []
    for _ in range(rounds):
        ours_seconds.append(seconds_of(lambda: fit_fleet(values, offsets, settings)) / n_series)
        theirs_seconds.append(seconds_of(looped) / n_loop)
    ours, theirs_median = statistics.median(ours_seconds), statistics.median(theirs_seconds)
    return {
        "case": name,
        "microseconds_per_series": ours * 1e6,
        "series_per_second": 1 / ours,
        "statsmodels_microseconds_per_series": theirs_median * 1e6,
        "ratio": theirs_median / ours,
    }


def measure_holes(max_lags: int, criterion: str | None, *, n_series: int, rounds: int) -> dict[str, float | str]:
    """The fit of series that each lack one observation, and how much longer it takes than without holes."""
    values, offsets = made_up_series(n_series)
    settings = FitSettings(transforms=("none",) * 3, max_lags=max_lags, criterion=criterion)
    random, lengths = np.random.default_rng(1), np.diff(offsets)
    periods = np.concatenate([np.arange(length, dtype=np.float64) for length in lengths])
    keep = np.ones(len(values), dtype=bool)
    keep[offsets[:-1] + random.integers(40, lengths - 40)] = False
    holed, holed_offsets, holed_periods = values[keep], offsets - np.arange(len(offsets)), periods[keep]
    complete_seconds, holed_seconds = [], []
    for _ in range(rounds):
        complete_seconds.append(seconds_of(lambda: fit_fleet(values, offsets, settings, periods=periods)) / n_series)
        holed_seconds.append(
            seconds_of(lambda: fit_fleet(holed, holed_offsets, settings, periods=holed_periods)) / n_series
        )
    ours = statistics.median(holed_seconds)
    return {
        "case": "aic over 8 lags, a hole in each",
        "microseconds_per_series": ours * 1e6,
        "series_per_second": 1 / ours,
        "ratio_to_complete": ours / statistics.median(complete_seconds),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=3_000)
    parser.add_argument("--loop", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "var_fit.json")
    arguments = parser.parse_args()
    results = [
        measure(*case, n_series=arguments.series, n_loop=arguments.loop, rounds=arguments.rounds) for case in CASES
    ]
    _, max_lags, criterion = CASES[-1]
    results.append(measure_holes(max_lags, criterion, n_series=arguments.series, rounds=arguments.rounds))
    print(json.dumps(results, indent=1))
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
