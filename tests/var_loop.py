"""A VAR by a plain loop over periods and numpy's lstsq, for series with holes, which statsmodels does not take."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
from statsmodels.tsa.vector_ar.var_model import forecast, ma_rep

TRENDS = ("n", "c", "ct", "ctt")


@dataclass(frozen=True)
class LoopedFit:
    """terms: (m, k) of 1, t, t squared; coefs, sigma_u, k_ar, forecast and irf as in statsmodels' results with trend c;
    n_rows: of [Z Y]."""

    terms: np.ndarray
    coefs: np.ndarray
    sigma_u: np.ndarray
    n_rows: int

    @property
    def k_ar(self):
        return len(self.coefs)

    def forecast(self, values, steps):
        return forecast(values, self.coefs, self.terms[0], steps)

    def irf(self, steps):
        return SimpleNamespace(cum_effects=np.cumsum(ma_rep(self.coefs, steps), axis=0))


def transformed(levels, periods, transforms):
    """{period: the VAR's input}, only where all of it can be computed."""
    scale = {
        int(period): [np.log(x) if "log" in name else x for x, name in zip(row, transforms, strict=True)]
        for period, row in zip(periods, levels, strict=True)
    }
    if not any(name in ("diff", "dlog") for name in transforms):
        return {period: np.array(row) for period, row in scale.items()}
    return {
        period: np.array(
            [
                x - before if name in ("diff", "dlog") else x
                for x, before, name in zip(row, scale[period - 1], transforms, strict=True)
            ]
        )
        for period, row in scale.items()
        if period - 1 in scale
    }


def rows_of(series, *, order, lags, trend):
    """Z of a VAR(order) and Y, one row for each period before which `lags` periods are complete."""
    first = min(series)
    regressors, targets = [], []
    for period in sorted(series):
        if all(period - lag in series for lag in range(1, lags + 1)):
            time = period - first + 1
            terms = [time**power for power in range(TRENDS.index(trend))]
            regressors.append([*terms, *(x for lag in range(1, order + 1) for x in series[period - lag])])
            targets.append(series[period])
    return np.array(regressors, dtype=float).reshape(len(targets), -1), np.array(targets)


def least_squares(regressors, targets):
    coefficients = np.linalg.lstsq(regressors, targets, rcond=None)[0]
    residuals = targets - regressors @ coefficients
    return coefficients, residuals.T @ residuals


def criterion_of(name, sums, n_rows, n_terms):
    """Luetkepohl 2005, section 4.3."""
    k = len(sums)
    log_determinant = np.linalg.slogdet(sums / n_rows)[1]
    if name == "fpe":
        return ((n_rows + n_terms) / (n_rows - n_terms)) ** k * np.exp(log_determinant)
    penalty = {"aic": 2.0, "bic": np.log(n_rows), "hqic": 2 * np.log(np.log(n_rows))}[name]
    return log_determinant + penalty / n_rows * n_terms * k


def looped(levels, periods, *, max_lags, criterion=None, trend="c", transforms=("none", "none")):
    """The VAR of max_lags, or of the order that is best on the rows that have max_lags complete lags."""
    series = transformed(levels, periods, transforms)
    order = max_lags
    if criterion:
        found = {}
        for candidate in range(0 if trend != "n" else 1, max_lags + 1):
            regressors, targets = rows_of(series, order=candidate, lags=max_lags, trend=trend)
            _, sums = least_squares(regressors, targets)
            found[candidate] = criterion_of(criterion, sums, len(targets), regressors.shape[1])
        order = min(found, key=found.get)
    regressors, targets = rows_of(series, order=order, lags=order, trend=trend)
    coefficients, sums = least_squares(regressors, targets)
    n_terms, k = TRENDS.index(trend), len(sums)
    return LoopedFit(
        terms=coefficients[:n_terms],
        coefs=coefficients[n_terms:].reshape(order, k, k).transpose(0, 2, 1),
        sigma_u=sums / (len(targets) - regressors.shape[1]),
        n_rows=len(targets),
    )
