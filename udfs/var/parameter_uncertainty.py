"""What the estimated coefficients add to the variance of a forecast's error, for many VARs at once.

Luetkepohl 2005, sections 3.5.1 and 3.5.2: the error of a forecast made with estimated coefficients has covariance
Sigma_y(h) + Omega(h) / T, where Omega(h) = sum_{i,j<h} tr[(B')^{h-1-i} Gamma^-1 B^{h-1-j} Gamma] Phi_i Sigma_u Phi_j',
B takes Z_t = (1, y_t', ..., y_{t-p+1}')' to the expected Z_{t+1}, and Gamma = E(Z_t Z_t').

Gamma^-1 / T is the inverse of Z'Z = R'R, with R the triangular factor that the fit has at hand. The other Gamma is the
second moment of Z at the cutoff. Without a trend in time it is Z'Z / T at every cutoff, and the result that of
statsmodels' `VARResults.forecast_cov(method="auto")` (which adds nothing without a constant: there the result is that
of its `_omega_forc_cov`). With a trend in time, which statsmodels leaves out, t at the cutoff is no average of the
sample's, and a trend is less certain at its end than in its middle. There Z is split into its trend terms d, which are
known, and its lags, C d on average, with C and the covariance around it by least squares on d over the sample.
"""

from __future__ import annotations

import numpy as np

from .deterministic import TREND_TERMS
from .kernel import FloatArray, IntArray

INTERVALS = ("plain", "asymptotic")
"""plain: with the variance of the noise alone. asymptotic: and of the coefficients."""

NEXT_TERMS = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 2.0, 1.0]])
"""Takes 1, t, t squared to 1, t + 1, (t + 1) squared."""


def check_intervals(intervals: str, *, season: float) -> None:
    """Raise ValueError for a name that isn't one of INTERVALS, and for asymptotic ones with a season, whose uncertainty
    is not worked out."""
    if intervals not in INTERVALS:
        raise ValueError(f"unknown intervals {intervals}; use one of {', '.join(INTERVALS)}")
    if intervals == "asymptotic" and season:
        raise ValueError("intervals asymptotic are not offered with a season: use plain, or no season")


def parameter_variances(
    *,
    factor: FloatArray,
    parameters: FloatArray,
    sigma_u: FloatArray,
    weights: FloatArray,
    n_rows: IntArray,
    first_time_index: FloatArray,
    trend: str,
) -> FloatArray:
    """Diagonals of Omega(h) / T for h = 1 to horizon.

    The gradient of the h-step forecast is sum_{i<h} Z'(B')^{h-1-i} (x) Phi_i. That of a sum of forecasts, the level of
    a differenced variable, is the same sum with Psi_i = Phi_0 + ... + Phi_i: so `weights` have the rows of Psi for it.

    factor: (series, m, m), R of Z. parameters: (series, m, k), a column by equation. sigma_u: (series, k, k). weights:
    (series, horizon, k, k), see `transform.scale_weights`. n_rows: (series,), T. first_time_index: (series,), t of
    step 1. Returns (series, horizon, k).
    """
    horizon = weights.shape[1]
    transition = expected_regressors(parameters, trend=trend)
    moment = regressor_moment(factor, n_rows=n_rows, first_time_index=first_time_index, trend=trend)
    powers = [moment]
    for _ in range(horizon - 1):
        powers.append(transition @ powers[-1])
    # With V_a = R'^-1 B^a F and Gamma = F F', tr[(B')^a (R'R)^-1 B^b Gamma] is the sum of the elementwise products of
    # V_a and V_b: no inverse of Z'Z, whose condition is that of R squared.
    scaled = np.linalg.solve(factor.transpose(0, 2, 1)[:, None], np.stack(powers, axis=1))
    traces = np.einsum("saij,sbij->sab", scaled, scaled, optimize=True)
    covariances = np.einsum("sivm,sjvm->svij", weights @ sigma_u[:, None], weights, optimize=True)
    variances = np.empty((*weights.shape[:2], weights.shape[2]))
    for step in range(horizon):
        backwards = traces[:, step::-1, step::-1]
        variances[:, step] = np.einsum("sij,svij->sv", backwards, covariances[:, :, : step + 1, : step + 1])
    return variances


def expected_regressors(parameters: FloatArray, *, trend: str) -> FloatArray:
    """B (Luetkepohl 2005, section 3.5.1), with t taken to t + 1: (series, m, k) to (series, m, m)."""
    n_series, m, k = parameters.shape
    n_terms = TREND_TERMS[trend]
    transition = np.zeros((n_series, m, m))
    transition[:, :n_terms, :n_terms] = NEXT_TERMS[:n_terms, :n_terms]
    if m > n_terms:
        transition[:, n_terms : n_terms + k] = parameters.transpose(0, 2, 1)
        older = np.arange(n_terms, m - k)
        transition[:, older + k, older] = 1.0
    return transition


def regressor_moment(factor: FloatArray, *, n_rows: IntArray, first_time_index: FloatArray, trend: str) -> FloatArray:
    """F with F F' the second moment of the regressors of step 1; (series, m, m) or one column more or less."""
    n_series, m, _ = factor.shape
    n_terms = TREND_TERMS[trend]
    lags = factor[:, n_terms:, n_terms:].transpose(0, 2, 1) / np.sqrt(n_rows)[:, None, None]
    if not n_terms:
        return lags
    terms = first_time_index[:, None] ** np.arange(n_terms)
    moment = np.zeros((n_series, m, 1 + m - n_terms))
    moment[:, :n_terms, 0] = terms
    on_terms = np.linalg.solve(factor[:, :n_terms, :n_terms], factor[:, :n_terms, n_terms:])
    moment[:, n_terms:, 0] = (terms[:, None] @ on_terms)[:, 0]
    moment[:, n_terms:, 1:] = lags
    return moment
