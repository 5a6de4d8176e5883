"""What the estimated coefficients add to the variance of a forecast's error, for many VARs at once.

Luetkepohl 2005, sections 3.5.1 and 3.5.2: the error of a forecast made with estimated coefficients has covariance
Sigma_y(h) + Omega(h) / T. Step s is B'Z_s with the regressors Z_s = (d_s', y_{s-1}', ..., y_{s-p}')', whose terms d_s
are known; the lags that lie after the cutoff are forecasts themselves. So the h-step forecast changes with B by
sum_{i<h} Phi_i dB' Z_{h-i}, and Omega(h) / T = sum_{i,j<h} tr[(Z'Z)^-1 E(Z_{h-j} Z_{h-i}')] Phi_i Sigma_u Phi_j'.

With no term but a constant this is the book's formula, in which a matrix takes each Z_s to the next, and E(Z_1 Z_1') is
Z'Z / T at every cutoff. The result is that of statsmodels' `VARResults.forecast_cov(method="auto")` (which adds nothing
without a constant: there the result is that of its `_omega_forc_cov`). With other terms, which statsmodels leaves out,
those of the forecast's own steps count: t is no average of the sample's, and a trend is less certain at its end than in
its middle; a phase of the season that was seldom observed is less certain than others. There Z_1 is split into its
terms d_1 and its lags, C d_1 on average, with C and the covariance around it by least squares on d over the sample. The
mean goes through the steps with the terms of each, the deviations from it without any.
"""

from __future__ import annotations

import numpy as np

from .kernel import FloatArray, IntArray

INTERVALS = ("plain", "asymptotic")
"""plain: with the variance of the noise alone. asymptotic: and of the coefficients."""


def check_intervals(intervals: str) -> None:
    """Raise ValueError for a name that isn't one of INTERVALS."""
    if intervals not in INTERVALS:
        raise ValueError(f"unknown intervals {intervals}; use one of {', '.join(INTERVALS)}")


def parameter_variances(
    *,
    factor: FloatArray,
    parameters: FloatArray,
    sigma_u: FloatArray,
    weights: FloatArray,
    n_rows: IntArray,
    future_terms: FloatArray,
) -> FloatArray:
    """Diagonals of Omega(h) / T for h = 1 to horizon.

    That of a sum of forecasts, the level of a differenced variable, has Psi_i = Phi_0 + ... + Phi_i in place of Phi_i:
    so `weights` have the rows of Psi for it.

    factor: (series, m, m), R of Z, whose first columns are those of the terms. parameters: (series, m, k), a column by
    equation. sigma_u: (series, k, k). weights: (series, horizon, k, k), see `transform.scale_weights`. n_rows:
    (series,), T. future_terms: (series, horizon, n_terms), of each step: powers of time, a season, or whatever else is
    known in advance. Returns (series, horizon, k).
    """
    horizon = weights.shape[1]
    n_terms = future_terms.shape[2]
    transition = expected_lags(parameters, n_terms=n_terms)
    moments = [regressor_moment(factor, n_rows=n_rows, terms=future_terms[:, 0])]
    for step in range(1, horizon):
        following = transition @ moments[-1]
        following[:, :n_terms, 0] = future_terms[:, step]
        moments.append(following)
    # With V_s = R'^-1 F_s and E(Z_s Z_r') = F_s F_r', tr[(R'R)^-1 F_s F_r'] is the sum of the elementwise products of
    # V_s and V_r: no inverse of Z'Z, whose condition is that of R squared.
    scaled = np.linalg.solve(factor.transpose(0, 2, 1)[:, None], np.stack(moments, axis=1))
    traces = np.einsum("saij,sbij->sab", scaled, scaled, optimize=True)
    covariances = np.einsum("sivm,sjvm->svij", weights @ sigma_u[:, None], weights, optimize=True)
    variances = np.empty((*weights.shape[:2], weights.shape[2]))
    for step in range(horizon):
        backwards = traces[:, step::-1, step::-1]
        variances[:, step] = np.einsum("sij,svij->sv", backwards, covariances[:, :, : step + 1, : step + 1])
    return variances


def expected_lags(parameters: FloatArray, *, n_terms: int) -> FloatArray:
    """Takes the regressors of a step to the expected lags of the next one, and its terms to zero: (series, m, k) to
    (series, m, m)."""
    n_series, m, k = parameters.shape
    transition = np.zeros((n_series, m, m))
    if m > n_terms:
        transition[:, n_terms : n_terms + k] = parameters.transpose(0, 2, 1)
        older = np.arange(n_terms, m - k)
        transition[:, older + k, older] = 1.0
    return transition


def regressor_moment(factor: FloatArray, *, n_rows: IntArray, terms: FloatArray) -> FloatArray:
    """F with F F' the second moment of the regressors of step 1: its first column is their mean, the others are of
    deviations from it; without terms there is no mean.

    terms: (series, n_terms), of step 1. Returns (series, m, m - n_terms), and one column more with terms.
    """
    n_series, m, _ = factor.shape
    n_terms = terms.shape[1]
    lags = factor[:, n_terms:, n_terms:].transpose(0, 2, 1) / np.sqrt(n_rows)[:, None, None]
    if not n_terms:
        return lags
    moment = np.zeros((n_series, m, 1 + m - n_terms))
    moment[:, :n_terms, 0] = terms
    on_terms = np.linalg.solve(factor[:, :n_terms, :n_terms], factor[:, :n_terms, n_terms:])
    moment[:, n_terms:, 0] = (terms[:, None] @ on_terms)[:, 0]
    moment[:, n_terms:, 1:] = lags
    return moment
