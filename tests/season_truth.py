"""Seasonal terms by plain loops: dummies as in R's package vars, sines and cosines of the definition."""

import math

import numpy as np


def dummies(season, times):
    """R, vars 1.6, VAR(): `(diag(season) - 1 / season)[, -season]`, row by row; t = 1 has the first row. (n, s - 1)."""
    rows = (np.eye(season) - 1 / season)[:, :-1]
    return np.array([rows[(int(time) - 1) % season] for time in times]).reshape(-1, season - 1)


def waves(season, pairs, times):
    """(n, 2 K): sin and cos of 2 pi j t / s for j = 1 ... K."""
    return np.array(
        [
            [wave(2 * math.pi * j * time / season) for j in range(1, pairs + 1) for wave in (math.sin, math.cos)]
            for time in times
        ]
    )


def columns(season, fourier, times):
    return waves(season, fourier, times) if fourier else dummies(int(season), times)


def seasonal(k, n, *, season, scale=2.0, seed=0, p=1):
    """A stable VAR(p) around a random pattern of `season` phases: (n, k)."""
    random = np.random.default_rng(seed)
    pattern = random.normal(scale=scale, size=(season, k))
    coefficients = random.uniform(-1, 1, size=(p, k, k)) * 0.7 / (k * p)
    values = random.normal(size=(n + 50, k))
    for t in range(p, n + 50):
        values[t] += pattern[(t - 50) % season] + sum(coefficients[lag] @ values[t - lag - 1] for lag in range(p))
    return values[50:]
