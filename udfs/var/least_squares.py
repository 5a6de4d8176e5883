"""Least squares for a pack of VARs of similar length: one Householder QR per series, no normal equations.

For one series let Z (T x m) hold the regressors and Y (T x k) the left-hand sides. The triangular factor R of
[Z Y] = QR holds all that is needed (Q never is): with R = [[R11, R12], [0, R22]], the coefficients solve R11
B = R12 and the residual sum of squares is R22' R22. Leaving out the last columns of Z only moves rows of R12
to R22, so one factorisation serves every lag order over a common sample. Rows of zeros change nothing,
so series of different lengths share a pack.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .deterministic import DeterministicTerms
from .fleet_fit import CRITERIA
from .kernel import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

COLLINEARITY_TOLERANCE = 1e-10
"""Smallest sine of the angle between a regressor (or a left-hand side) and those before it."""


def design(
    values: FloatArray,
    n_obs: IntArray,
    *,
    lag_order: int,
    first_row: int,
    terms: DeterministicTerms,
    exogenous: FloatArray | None = None,
) -> FloatArray:
    """[Z Y] of every series of a pack (Luetkepohl 2005, section 3.2.1: Z_t = (1, y_t', ..., y_{t-p+1}')').

    values: (series, T, k), oldest first, series i in its first n_obs[i] rows. exogenous: (series, T, q), needed if
    `terms` has some. Rows t = first_row .. T-1 of the result, zero where a series has ended. The time index of row t is
    t + 1, as in statsmodels' `VAR.fit`.
    Returns (series, T - first_row, m + k), columns: deterministic terms, exogenous variables, lag 1, ..., lag p,
    left-hand side.
    """
    n_series, n_times, n_variables = values.shape
    n_terms = terms.n_terms
    rows = np.empty((n_series, n_times - first_row, n_terms + (lag_order + 1) * n_variables))
    rows[:, :, : terms.n_of_time] = terms.columns(np.arange(first_row + 1, n_times + 1, dtype=np.float64))
    if exogenous is not None:
        rows[:, :, terms.n_of_time : n_terms] = exogenous[:, first_row:]
    for lag in range(1, lag_order + 1):
        start = n_terms + (lag - 1) * n_variables
        rows[:, :, start : start + n_variables] = values[:, first_row - lag : n_times - lag]
    rows[:, :, -n_variables:] = values[:, first_row:]
    if (n_obs < n_times).any():
        rows[np.arange(first_row, n_times) >= n_obs[:, None]] = 0.0
    return rows


def gathered_design(
    values: FloatArray,
    rows: IntArray,
    is_there: BoolArray,
    *,
    time_index: FloatArray,
    lag_order: int,
    terms: DeterministicTerms,
    exogenous: FloatArray | None = None,
) -> FloatArray:
    """[Z Y] of every series of a pack at given rows, for series with holes; columns as in `design`.

    values: (n_total, k), all series, oldest first. rows: (series, R), whose lags are the observations before each;
    is_there: (series, R), the others become rows of zeros. time_index: (series, R). exogenous: (n_total, q), as in
    `design`. Returns (series, R, m + k).
    """
    n_variables = values.shape[1]
    n_terms = terms.n_terms
    result = np.empty((*rows.shape, n_terms + (lag_order + 1) * n_variables))
    result[:, :, : terms.n_of_time] = terms.columns(time_index)
    if exogenous is not None:
        result[:, :, terms.n_of_time : n_terms] = exogenous[rows]
    for lag in range(1, lag_order + 1):
        start = n_terms + (lag - 1) * n_variables
        result[:, :, start : start + n_variables] = values[rows - lag]
    result[:, :, -n_variables:] = values[rows]
    if not is_there.all():
        result[~is_there] = 0.0
    return result


def triangular_factor(rows: FloatArray) -> FloatArray:
    """R of the QR decomposition of each matrix: (series, T, c) to (series, c, c); T must be at least c."""
    return np.asarray(np.linalg.qr(rows, mode="r"))


def first_dependent_column(factor: FloatArray, *, tolerance: float) -> IntArray:
    """(series,), the first column of [Z Y] that is a combination of those before it; -1: there is none.

    |R_jj| / ||R_.j|| is the sine of the angle between column j and the span of the columns before it. The
    ratio doesn't depend on the columns' units.
    """
    diagonal = np.abs(np.diagonal(factor, axis1=1, axis2=2))
    norms = np.sqrt(np.einsum("sij,sij->sj", factor, factor))
    # `<` alone would let a column of zeros pass, and a norm that overflows says nothing about angles
    is_flat = (diagonal == 0.0) | (diagonal < tolerance * norms)
    is_dependent = is_flat & np.isfinite(norms)
    return np.where(is_dependent.any(axis=1), is_dependent.argmax(axis=1), -1)


def solve(factor: FloatArray, *, n_variables: int) -> tuple[FloatArray, FloatArray]:
    """Coefficients (series, m, k) and residual sums of squares (series, k, k) from the factor of [Z Y]."""
    m = factor.shape[1] - n_variables
    residual = factor[:, m:, m:]
    coefficients = np.asarray(np.linalg.solve(factor[:, :m, :m], factor[:, :m, m:]))
    return coefficients, residual.transpose(0, 2, 1) @ residual


def information_criteria(
    factor: FloatArray, n_rows: IntArray, *, max_lags: int, n_variables: int, terms: DeterministicTerms
) -> dict[str, FloatArray]:
    """aic, aicc, bic, hqic and fpe of every lag order over the common sample (Luetkepohl 2005, section 4.3, pp.
    146-150; aicc: Hurvich and Tsai 1993, A corrected Akaike information criterion for vector autoregressive model
    selection, Journal of Time Series Analysis 14, 271-279, divided by the rows T and without the constant k, where an
    equation's number of lag coefficients also counts the deterministic terms, as in Bedrick and Tsai 1994, Biometrics
    50, 226-231).

    factor: R of [Z Y] at max_lags; n_rows: (series,), rows of the common sample. The determinant is that of
    the maximum likelihood estimate of Sigma_u. As in statsmodels' `select_order` the first order is 0, or 1
    when there are no deterministic terms. Returns {name: (series, orders)}.
    """
    n_terms = terms.n_terms
    total = n_rows.astype(np.float64)
    criteria: dict[str, list[FloatArray]] = {name: [] for name in CRITERIA}
    for lag_order in range(terms.smallest_lag_order, max_lags + 1):
        per_equation = n_terms + lag_order * n_variables
        residual = factor[:, per_equation:, -n_variables:]
        sums = residual.transpose(0, 2, 1) @ residual
        log_determinant = np.linalg.slogdet(sums / total[:, None, None])[1]
        parameters = per_equation * n_variables
        criteria["aic"].append(log_determinant + (2.0 / total) * parameters)
        degrees = total - per_equation - n_variables - 1
        corrected = 2.0 / degrees * (parameters + n_variables * (n_variables + 1) / 2)
        criteria["aicc"].append(np.where(degrees > 0, log_determinant + corrected, np.inf))
        criteria["bic"].append(log_determinant + (np.log(total) / total) * parameters)
        criteria["hqic"].append(log_determinant + (2.0 * np.log(np.log(total)) / total) * parameters)
        spread = (total + per_equation) / (total - per_equation)
        criteria["fpe"].append(spread**n_variables * np.exp(log_determinant))
    return {name: np.stack(columns, axis=1) for name, columns in criteria.items()}


def restrict(
    factor: FloatArray, rows_before: FloatArray, *, lag_order: int, n_variables: int, terms: DeterministicTerms
) -> FloatArray:
    """The factor for a smaller lag order over its own, longer sample, from that of the common sample.

    factor: R of [Z Y] at the largest order; rows_before: (series, extra, m_p + k), the rows of the smaller
    model's [Z Y] that come before the common sample. An R stacked on new rows has the same R as all the rows.
    """
    per_equation = terms.n_terms + lag_order * n_variables
    width = factor.shape[2]
    columns = [*range(per_equation), *range(width - n_variables, width)]
    return triangular_factor(np.concatenate([factor[:, :, columns], rows_before], axis=1))


def largest_root_modulus(coefficients: FloatArray) -> FloatArray:
    """Spectral radius of the companion matrix (Luetkepohl 2005, section 2.1.1); (series, p, k,
    k)."""
    n_series, n_lags, n_variables, _ = coefficients.shape
    if n_lags == 0:
        return np.zeros(n_series)
    companion = np.zeros((n_series, n_lags * n_variables, n_lags * n_variables))
    companion[:, :n_variables] = coefficients.transpose(0, 2, 1, 3).reshape(n_series, n_variables, -1)
    below = np.arange((n_lags - 1) * n_variables)
    companion[:, n_variables + below, below] = 1.0
    try:
        roots = np.linalg.eigvals(companion)
    except np.linalg.LinAlgError:
        # one matrix that doesn't converge stops the whole batch: then take them one by one
        if n_series == 1:
            return np.array([np.inf])
        return np.concatenate([largest_root_modulus(one[None]) for one in coefficients])
    return np.asarray(np.abs(roots).max(axis=1))
