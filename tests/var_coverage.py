"""How often the next value of a short series is in its 95% interval, with known truth; prints JSON, a line each.

Usage: python tests/var_coverage.py [--series 400] [--intervals asymptotic] [--variables 2 3] [--observations 40]; the
tables in docs/fitting.md.
Random stable VARs of 1 and 3 lags with spectral radius .5 and .95 and correlated noise; up to 8 lags by AIC. Given a
series, the next value is Gaussian with known mean and variance, so that each series' coverage is known exactly. Each
number is the mean over series and variables; of the four kinds of truth the worst counts. Beside it: the bound of
statsmodels alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.kernel import FloatArray, forecast_columns, rows_last
from penstock.udfs.var.parameter_uncertainty import INTERVALS

BURN_IN = 100
TRUTHS = ((1, 0.5), (3, 0.5), (1, 0.95), (3, 0.95))
VARIABLES = (1, 2, 3, 5, 8)
LENGTHS = (19, 23, 27, 30, 36, 40, 45, 60, 80, 120, 200)
MAX_LAGS = 8
WITHOUT_BOUND = (0, 0)
NORMAL = np.vectorize(NormalDist().cdf, otypes=[np.float64])


@dataclass(frozen=True)
class SimulatedSeries:
    """levels: (n_series, n, k). next_mean: (n_series, k), of the value that follows, given these; its standard
    deviation is 1."""

    levels: FloatArray
    next_mean: FloatArray


@dataclass(frozen=True)
class Coverage:
    """coverage: the mean probability over the fitted series and variables, NaN without any. lags: the mean order."""

    coverage: float
    n_refused: int
    lags: float


def simulated_series(k: int, p: int, n: int, *, spectral_radius: float, n_series: int, seed: int) -> SimulatedSeries:
    """Series of random VAR(p) models whose companion matrix has the given spectral radius; noise of variance 1 and
    correlation 1/2."""
    random = np.random.default_rng(seed)
    raw = random.normal(size=(n_series, p, k, k))
    companion = np.zeros((n_series, p * k, p * k))
    companion[:, :k] = raw.transpose(0, 2, 1, 3).reshape(n_series, k, p * k)
    below = np.arange((p - 1) * k)
    companion[:, k + below, below] = 1.0
    scale = spectral_radius / np.abs(np.linalg.eigvals(companion)).max(axis=1)
    # multiplying A_l by s**l multiplies all roots by s
    coefficients = raw * scale[:, None, None, None] ** np.arange(1, p + 1)[:, None, None]
    mixing = np.linalg.cholesky(0.5 * np.eye(k) + 0.5)
    noise = random.normal(size=(n_series, BURN_IN + n, k)) @ mixing.T
    values = np.zeros((n_series, p + BURN_IN + n, k))
    for t in range(p, values.shape[1]):
        values[:, t] = mean_after(values[:, :t], coefficients) + noise[:, t - p]
    return SimulatedSeries(levels=values[:, -n:], next_mean=mean_after(values, coefficients))


def mean_after(values: FloatArray, coefficients: FloatArray) -> FloatArray:
    """(n_series, k), the conditional mean of the value after `values` (n_series, t, k)."""
    newest_first = values[:, ::-1][:, : coefficients.shape[1]]
    return np.asarray(np.einsum("slij,slj->si", coefficients, newest_first))


def coverage_at_step_1(
    series: SimulatedSeries, *, max_lags: int, criterion: str | None, transform: str = "none", **options: Any
) -> Coverage:
    """transform: none, or diff, for which the series are the differences of what is fitted. options: as in
    FitSettings."""
    n_series, n, k = series.levels.shape
    settings = FitSettings(transforms=(transform,) * k, max_lags=max_lags, criterion=criterion, horizon=1, **options)
    fitted = series.levels if transform == "none" else cumulated(series.levels)
    fit = fit_fleet(fitted.reshape(-1, k), np.arange(n_series + 1) * fitted.shape[1], settings)
    if not len(fit):
        return Coverage(coverage=float("nan"), n_refused=n_series, lags=float("nan"))
    lags = series.levels[fit.positions][:, ::-1][:, : min(max_lags, n)]
    points = forecast_columns(
        coefficients=rows_last(fit.coefficients),
        trend_coefficients=rows_last(fit.trend_coefficients),
        lags=rows_last(lags),
        horizon=1,
    )[0].T
    error, width = points - series.next_mean[fit.positions], fit.half_widths[:, 0]
    covered = NORMAL(error + width) - NORMAL(error - width)
    return Coverage(coverage=float(covered.mean()), n_refused=n_series - len(fit), lags=float(fit.lag_order.mean()))


def cumulated(values: FloatArray) -> FloatArray:
    """(n_series, n + 1, k), whose differences are `values` (n_series, n, k)."""
    return np.concatenate([np.zeros_like(values[:, :1]), np.cumsum(values, axis=1)], axis=1)


def worst(k: int, n: int, *, n_series: int, intervals: str, bounds: dict[str, int]) -> Coverage | None:
    """Of the kinds of truth; None if series of this length are refused."""
    found = [
        coverage_at_step_1(
            simulated_series(k, p, n, spectral_radius=radius, n_series=n_series, seed=1),
            max_lags=MAX_LAGS,
            criterion="aic",
            intervals=intervals,
            **bounds,
        )
        for p, radius in TRUTHS
    ]
    fitted = [one for one in found if one.n_refused < n_series]
    return min(fitted, key=lambda one: one.coverage) if fitted else None


def main() -> None:
    """Simulate and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=400)
    parser.add_argument("--intervals", choices=INTERVALS, default="plain")
    parser.add_argument("--variables", type=int, nargs="+", default=VARIABLES)
    parser.add_argument("--observations", type=int, nargs="+", default=LENGTHS)
    arguments = parser.parse_args()
    off = dict(zip(("residual_degrees_per_coefficient", "residual_degrees_beyond"), WITHOUT_BOUND, strict=True))
    given = {"n_series": arguments.series, "intervals": arguments.intervals}
    for k in arguments.variables:
        for n in arguments.observations:
            here, before = (worst(k, n, **given, bounds=bounds) for bounds in ({}, off))
            result = {
                "intervals": arguments.intervals,
                "variables": k,
                "observations": n,
                "bounded": asdict(here) if here else None,
                "statsmodels_bound": asdict(before) if before else None,
            }
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
