"""Statistics of a VAR by statsmodels as tables: for the diagnostics of a fit, and for a look into one series."""

from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd

WHITENESS_LAGS = 10


def whiteness_lags(lag_order: int) -> int:
    """Lags of the Portmanteau test, which has to have more than the model."""
    return max(WHITENESS_LAGS, lag_order + 2)


def roots_table(roots: Any) -> pd.DataFrame:
    """real, imaginary, modulus: of the roots of the characteristic polynomial. The process is stable if all lie
    outside the unit circle."""
    return pd.DataFrame({"real": np.real(roots), "imaginary": np.imag(roots), "modulus": np.abs(roots)})


def causality_table(result: Any, *, jointly: bool = False) -> pd.DataFrame:
    """Granger causality, F test, of each variable for each other one. result: statsmodels' VARResults. jointly: also
    of all others together, where these are several.

    causing, caused, statistic, critical_value (at 5%), p_value, null_hypothesis (`reject` or `fail to reject`).
    """
    names = list(result.names)
    pairs = [(caused, [causing]) for caused, causing in permutations(names, 2)]
    if jointly and len(names) > 2:
        pairs += [(caused, [name for name in names if name != caused]) for caused in names]
    rows = []
    for caused, causing in pairs:
        test = result.test_causality(caused, causing, kind="f")
        rows.append((", ".join(causing), caused, test.test_statistic, test.crit_value, test.pvalue, test.conclusion))
    columns = ["causing", "caused", "statistic", "critical_value", "p_value", "null_hypothesis"]
    return pd.DataFrame(rows, columns=columns)
