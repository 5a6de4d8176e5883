"""Bounds of a mean that hold at all times at once, so that one may look at them after every batch.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Time-uniform central limit theory
and asymptotic confidence sequences, arXiv 2103.06476, Theorem 2.2: with mean m and variance v of the first n values,

    m -+ sqrt(v) sqrt(2 (n r + 1) log(sqrt(n r + 1) / alpha) / (n^2 r)),

contains the true mean for all n together with a probability of about 1 - alpha. It is about independent values; those
that depend on one another are put into blocks first (penstock.models.verdict.blocks). r, called rho^2 there, may be any
number that was fixed beforehand. The authors' package drconfseq calls the second factor std_conjmix_margin.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

#: The number of values for which the bounds are to be close.
TIGHT_AT = 100


@cache
def best_r(alpha: float, *, tight_at: int = TIGHT_AT) -> float:
    """The r that makes the bounds close after `tight_at` values: best_rho2_exact of drconfseq,

        r = (-W(-alpha^2 exp(alpha^2 - 1)) - 1) / n, with Lambert's W on its lower branch.

    The smallest half-width has exp(-1) in place of exp(alpha^2 - 1): at alpha = 0.05 a difference of 10^-8 of it.
    """
    # A hundred milliseconds, which a stream without an experiment need not wait for.
    from scipy.special import lambertw

    lower_branch = lambertw(-(alpha**2) * np.exp(alpha**2 - 1.0), k=-1)
    return float((-lower_branch.real - 1.0) / tight_at)


def half_width(n: NDArray[np.int64] | int, variance: FloatArray | float, *, alpha: float) -> FloatArray:
    """Of the bounds after n >= 1 values, in their unit. variance: of the first n values, over n - 1."""
    r, values = best_r(alpha), np.asarray(n, dtype=np.float64)
    grown = values * r + 1.0
    standard = np.sqrt(2.0 * grown * np.log(np.sqrt(grown) / alpha) / (values**2 * r))
    return np.asarray(np.sqrt(variance) * standard, dtype=np.float64)
