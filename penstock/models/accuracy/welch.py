"""The difference of two means over different rows, with unequal variances.

Welch 1947, "The generalization of 'Student's' problem when several different population variances are involved",
Biometrika 34, with the degrees of freedom of Satterthwaite 1946.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sample:
    """variance: with n - 1; None for less than two rows."""

    n: int
    mean: float
    variance: float | None


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Of the means, second less first, and the bounds of its confidence interval."""

    mean: float
    lower: float
    upper: float


def welch(first: Sample, second: Sample, *, level: float = 0.95) -> Difference | None:
    """None where a sample has less than two rows, or neither varies."""
    if first.variance is None or second.variance is None or first.n < 2 or second.n < 2:
        return None
    parts = first.variance / first.n, second.variance / second.n
    squared = sum(parts)
    if not math.isfinite(squared) or squared <= 0.0:
        return None
    freedom = squared**2 / (parts[0] ** 2 / (first.n - 1) + parts[1] ** 2 / (second.n - 1))
    from scipy.stats import t

    half = float(t.ppf(0.5 + level / 2, freedom)) * math.sqrt(squared)
    mean = second.mean - first.mean
    return Difference(mean=mean, lower=mean - half, upper=mean + half)
