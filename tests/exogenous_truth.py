"""Series that exogenous variables act on, with known effects."""

import numpy as np

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings

NAMES = ("price", "sale", "warmth")
EFFECTS = np.array([[1.0, -0.5, 0.3], [0.0, 2.0, -1.0], [0.7, 0.4, 0.2]])


def driven(k, q, n, *, seed, p=1):
    """A stable VAR(p) of k variables that q exogenous ones act on at once, and their values: (n, k), (n, q)."""
    random = np.random.default_rng(seed)
    given_values = random.normal(size=(n + 50, q))
    given_values[:, 1:2] = random.uniform(size=(n + 50, len(given_values[0, 1:2]))) < 0.3
    coefficients = random.uniform(-1, 1, size=(p, k, k)) * 0.7 / (k * p)
    values = random.normal(size=(n + 50, k)) + given_values @ EFFECTS[:q, :k]
    for t in range(p, n + 50):
        values[t] += sum(coefficients[lag] @ values[t - lag - 1] for lag in range(p))
    return values[50:] + 1.0, given_values[50:]


def fit_driven(pieces, known, periods=None, **options):
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    options.setdefault("transforms", ("none",) * pieces[0].shape[1])
    options.setdefault("exogenous", NAMES[: known[0].shape[1]])
    numbers = None if periods is None else np.concatenate(periods).astype(float)
    return fit_fleet(
        np.concatenate(pieces), offsets, FitSettings(**options), periods=numbers, exogenous=np.concatenate(known)
    )
