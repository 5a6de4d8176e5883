"""Batched VAR fits against statsmodels' `VAR.fit` in a loop; writes JSON.

Usage: python benchmarks/bench_var_fit.py [--series 3000] [--loop 60] [--rounds 7] [--conflicts 0.01] [--out FILE]
Ragged series (150 to 250 observations, k=3). Ours also computes the roots and the half-widths of 8 steps.
Both sides fit the same series in the same run and are compared first. What statsmodels does not take is compared with
our own plain fit, in turns: one observation of each series missing, a season, and a share of the observations
contradicted by another row (arranging the rows included), and exogenous variables.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from statsmodels.tsa.api import VAR

sys.path.insert(0, str(Path(__file__).parents[1]))

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings, FleetFit
from penstock.udfs.var.histories import histories

CASES = (("fixed p=2", 2, None), ("aic over 8 lags", 8, "aic"))
BURN_IN = 50


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A fit, and the plain one that it is compared with. ratio: the name of the result."""

    name: str
    work: Callable[[], object]
    plain: Callable[[], object]
    ratio: str = "ratio_to_plain"


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


def with_holes(max_lags: int, criterion: str | None, *, n_series: int) -> Beside:
    """Series that each lack one observation, and without holes."""
    values, offsets = made_up_series(n_series)
    settings = FitSettings(transforms=("none",) * 3, max_lags=max_lags, criterion=criterion)
    random, lengths = np.random.default_rng(1), np.diff(offsets)
    periods = np.concatenate([np.arange(length, dtype=np.float64) for length in lengths])
    keep = np.ones(len(values), dtype=bool)
    keep[offsets[:-1] + random.integers(40, lengths - 40)] = False
    holed, holed_offsets, holed_periods = values[keep], offsets - np.arange(len(offsets)), periods[keep]
    return Beside(
        name="a hole in each",
        work=lambda: fit_fleet(holed, holed_offsets, settings, periods=holed_periods),
        plain=lambda: fit_fleet(values, offsets, settings, periods=periods),
        ratio="ratio_to_complete",
    )


def with_season(max_lags: int, criterion: str | None, *, n_series: int, season: float, fourier: int = 0) -> Beside:
    """A season in each fit, and none."""
    values, offsets = made_up_series(n_series)
    plain = FitSettings(transforms=("none",) * 3, max_lags=max_lags, criterion=criterion)
    seasonal = replace(plain, season=season, fourier=fourier)
    kind = f", {fourier} pairs of sine and cosine" if fourier else ""
    return Beside(
        name=f"a season of {season:g}{kind}",
        work=lambda: fit_fleet(values, offsets, seasonal),
        plain=lambda: fit_fleet(values, offsets, plain),
    )


def with_exogenous(max_lags: int, criterion: str | None, *, n_series: int, missing: bool) -> Beside:
    """Two exogenous variables in each fit, with a missing value in each series or none; and without them."""
    values, offsets = made_up_series(n_series)
    plain = FitSettings(transforms=("none",) * 3, max_lags=max_lags, criterion=criterion)
    random, lengths = np.random.default_rng(2), np.diff(offsets)
    known = np.column_stack([random.normal(size=len(values)), random.uniform(size=len(values)) < 0.2]).astype(float)
    if missing:
        known[offsets[:-1] + random.integers(40, lengths - 40), 0] = np.nan
    settings = replace(plain, exogenous=("price", "holiday"))
    return Beside(
        name="two exogenous variables" + (", a value missing in each" if missing else ""),
        work=lambda: fit_fleet(values, offsets, settings, exogenous=known),
        plain=lambda: fit_fleet(values, offsets, plain),
    )


def with_conflicts(max_lags: int, criterion: str | None, *, n_series: int, share: float) -> Beside:
    """Observations to arrange and fit, a share of which is contradicted by another row of its file; and without."""
    values, offsets = made_up_series(n_series)
    names = ("u", "v", "w")
    settings = FitSettings(transforms=("none",) * 3, max_lags=max_lags, criterion=criterion)
    lengths = np.diff(offsets)
    days = np.concatenate([np.arange(length) for length in lengths])
    rows = pd.DataFrame(values, columns=list(names)).assign(
        series_id=np.repeat([f"series-{number:07d}" for number in range(n_series)], lengths),
        ds=pd.Timestamp("2000-01-01", tz="UTC") + pd.to_timedelta(days, unit="D"),
        recency=0,
    )
    other = rows.sample(frac=share, random_state=1)
    contradicted = pd.concat([rows, other.assign(u=other["u"] + 1)], ignore_index=True)

    def arranged_and_fitted(table: pa.Table) -> FleetFit:
        given = histories(table, variables=names, frequency="D")
        return fit_fleet(given.levels, given.offsets, settings, periods=given.periods)

    tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in (contradicted, rows)]
    assert histories(tables[0], variables=names, frequency="D").conflicts.sum() == len(other)
    return Beside(
        name=f"{share:.0%} of the observations contradicted",
        work=lambda: arranged_and_fitted(tables[0]),
        plain=lambda: arranged_and_fitted(tables[1]),
    )


def measure_beside(beside: Beside, *, n_series: int, rounds: int) -> dict[str, float | str]:
    """How much longer the fit takes than the plain one."""
    seconds, plain_seconds = [], []
    for _ in range(rounds):
        plain_seconds.append(seconds_of(beside.plain) / n_series)
        seconds.append(seconds_of(beside.work) / n_series)
    ours = statistics.median(seconds)
    return {
        "case": f"aic over 8 lags, {beside.name}",
        "microseconds_per_series": ours * 1e6,
        "series_per_second": 1 / ours,
        beside.ratio: ours / statistics.median(plain_seconds),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=3_000)
    parser.add_argument("--loop", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--conflicts", type=float, default=0.01, metavar="SHARE")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "var_fit.json")
    arguments = parser.parse_args()
    results = [
        measure(*case, n_series=arguments.series, n_loop=arguments.loop, rounds=arguments.rounds) for case in CASES
    ]
    _, max_lags, criterion = CASES[-1]
    n_series, share = arguments.series, arguments.conflicts
    for beside in (
        with_holes(max_lags, criterion, n_series=n_series),
        with_season(max_lags, criterion, n_series=n_series, season=12),
        with_season(max_lags, criterion, n_series=n_series, season=365.25 / 7, fourier=2),
        with_exogenous(max_lags, criterion, n_series=n_series, missing=False),
        with_exogenous(max_lags, criterion, n_series=n_series, missing=True),
        with_conflicts(max_lags, criterion, n_series=n_series, share=share),
    ):
        results.append(measure_beside(beside, n_series=n_series, rounds=arguments.rounds))
    print(json.dumps(results, indent=1))
    arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
