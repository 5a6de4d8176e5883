"""How often the next value is in the 95% interval of a model with the Minnesota prior; prints JSON, a line each.

Usage: python tests/var_prior_coverage.py [--series 100]; the table in docs/fitting.md.
Truth and measure are those of var_coverage.py, for series in levels (whose prior mean, a random walk, is far from
stationary truths) and in differences; of all these kinds the worst counts, of those in which at least a quarter
of the series is fitted. Beside it: without the rule about residual degrees of freedom.
"""

from __future__ import annotations

import argparse
import json
from itertools import product

from var_coverage import TRUTHS, Coverage, coverage_at_step_1, simulated_series

VARIABLES = (1, 3, 5, 10, 20)
LAGS = 4
LENGTHS = (30, 34, 40, 50, 60, 80, 120)
TIGHTNESS = (0.1, 0.2, 0.5)
WITHOUT_BOUND = {"residual_degrees_per_coefficient": 0, "residual_degrees_beyond": 0}
FITTED_SHARE = 0.25


def worst(k: int, n: int, *, tightness: float, n_series: int, bounds: dict[str, int]) -> tuple[Coverage, float] | None:
    """Coverage and share of fitted series, of the kinds of truth; None if series like these are refused."""
    found = [
        coverage_at_step_1(
            simulated_series(k, p, n, spectral_radius=radius, n_series=n_series, seed=1),
            max_lags=LAGS,
            criterion=None,
            transform=transform,
            prior="minnesota",
            tightness=tightness,
            **bounds,
        )
        for p, radius in TRUTHS
        for transform in ("none", "diff")
    ]
    fitted = [one for one in found if n_series - one.n_refused >= FITTED_SHARE * n_series]
    if not fitted:
        return None
    chosen = min(fitted, key=lambda one: one.coverage)
    return chosen, 1.0 - sum(one.n_refused for one in found) / (n_series * len(found))


def main() -> None:
    """Simulate and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=100)
    arguments = parser.parse_args()
    for k, n, tightness in product(VARIABLES, LENGTHS, TIGHTNESS):
        here, unbounded = (
            worst(k, n, tightness=tightness, n_series=arguments.series, bounds=bounds) for bounds in ({}, WITHOUT_BOUND)
        )
        result = {
            "variables": k,
            "observations": n,
            "tightness": tightness,
            "bounded": round(here[0].coverage, 3) if here else None,
            "share_fitted": round(here[1], 2) if here else 0.0,
            "without_bound": round(unbounded[0].coverage, 3) if unbounded else None,
        }
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
