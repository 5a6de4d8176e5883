"""Whether two forecasts differ in their losses, by the test of Diebold and Mariano with a correction for few units.

Diebold and Mariano 1995, Comparing predictive accuracy, Journal of Business and Economic Statistics 13, 253-263,
section 1.1: the mean loss difference over its standard error, in which the differences h steps ahead are correlated up
to lag h - 1. Harvey, Leybourne and Newbold 1997, Testing the equality of prediction mean squared errors, International
Journal of Forecasting 13, 281-291, equation 9 and below: the statistic times sqrt((n + 1 - 2h + h(h - 1)/n) / n),
against Student's t with n - 1 degrees of freedom. As `dm.test` of R's package forecast has it.

It is for one look, at a window that was chosen beforehand. One who looks after every batch, and stops when p is small,
is wrong far more often than p says.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DieboldMariano:
    """mean: of the differences. statistic: corrected. p_value: two-sided. bartlett: whether the
    autocovariances in the variance are weighted, as their plain sum is not positive."""

    n: int
    horizon: int
    mean: float
    statistic: float
    p_value: float
    bartlett: bool = False


def diebold_mariano(differences: Sequence[float] | FloatArray, *, horizon: int) -> DieboldMariano | str:
    """The test of whether the mean of loss differences is zero, or why there is none.

    differences: one for each unit of time, in its order. horizon: steps ahead, h.
    """
    d = np.asarray(differences, dtype=np.float64)
    n = len(d)
    if n <= max(horizon, 1):
        return f"{n} units of time, and more than {max(horizon, 1)} are needed"
    centered = d - d.mean()
    covariances = np.array([centered[lag:] @ centered[: n - lag] for lag in range(horizon)]) / n
    # What rounding alone can make of differences that are all the same.
    if covariances[0] <= (np.finfo(np.float64).eps * np.abs(d).max()) ** 2 * n:
        return "the loss difference is the same in all units of time"
    variance, bartlett = float(covariances[0] + 2.0 * covariances[1:].sum()) / n, False
    if variance <= 0.0:
        # Weights of Newey and West 1987, with which the sum can't be negative.
        weights = 1.0 - np.arange(1, horizon) / horizon
        variance, bartlett = float(covariances[0] + 2.0 * (weights @ covariances[1:])) / n, True
    correction = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    statistic = float(d.mean() / np.sqrt(variance) * np.sqrt(correction))
    return DieboldMariano(
        n=n,
        horizon=horizon,
        mean=float(d.mean()),
        statistic=statistic,
        p_value=two_sided(statistic, degrees=n - 1),
        bartlett=bartlett,
    )


def two_sided(statistic: float, *, degrees: int) -> float:
    # Takes half a second.
    from scipy.stats import t

    return float(2.0 * t.sf(abs(statistic), degrees))
