"""Numbers that no one here made: statsmodels' results and the data sets and results that it ships."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import numpy as np
import statsmodels.tsa.vector_ar as vector_ar
from statsmodels.datasets import macrodata

SHIPPED = Path(vector_ar.__file__).parent / "tests"
MACRO = ("realgdp", "realcons", "realinv")


@cache
def macro_levels() -> np.ndarray:
    """US real GDP, consumption and investment, quarterly, 1959-2009: (203, 3)."""
    return macrodata.load_pandas().data[list(MACRO)].to_numpy()


@cache
def west_german_levels() -> np.ndarray:
    """Luetkepohl's e1: investment, income, consumption, quarterly, 1960-1982: (92, 3)."""
    lines = (SHIPPED / "results" / "e1.dat").read_text().splitlines()
    rows = [line.split() for line in lines if re.fullmatch(r"\s*\d+\s+\d+\s+\d+\s*", line)]
    return np.array(rows, dtype=float)


def jmulti_forecasts(terms: str) -> dict[str, np.ndarray]:
    """JMulTi's forecasts of the levels of macrodata, VAR(4), by variable: (5, 3) forecast, lower, upper."""
    text = (SHIPPED / "JMulTi_results" / f"macrodata_jmulti_{terms}_fc5.txt").read_text()
    tables: dict[str, list[list[float]]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 1 and words[0] in MACRO:
            name = words[0]
            tables[name] = []
        elif re.match(r"\d{4} Q\d", line):
            tables[name].append([float(word) for word in words[2:5]])
    return {name: np.array(rows) for name, rows in tables.items()}


def simulated(k: int, p: int, n: int, *, seed: int) -> np.ndarray:
    """A stable random VAR(p) with correlated noise: (n, k)."""
    random = np.random.default_rng(seed)
    coefficients = random.uniform(-1, 1, size=(p, k, k)) * 0.7 / (k * p)
    mixing = np.eye(k) + 0.3 * random.normal(size=(k, k))
    values = random.normal(size=(n + 50, k)) @ mixing.T
    for t in range(p, n + 50):
        values[t] += sum(coefficients[lag] @ values[t - lag - 1] for lag in range(p))
    return values[50:] + random.normal(size=k)
