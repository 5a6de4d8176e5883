"""The Minnesota prior in its natural conjugate form: shrinks many coefficients, by one more small QR per series.

The effect of variable j, l periods ago, on variable i is a priori normal. Its mean is that of a random walk (1 for the
first own lag, else 0) for a variable in levels or logs, and of white noise (0) for a differenced one; its variance is
(tightness / l^decay)^2 sigma_i^2 / sigma_j^2, with sigma_i the residual standard deviation of a univariate AR(p).
Deterministic terms have a diffuse prior. The covariance of a row of B between equations is proportional to Sigma_u, so
that the posterior mean is that of least squares on the observations and k p more rows (Kadiyala and Karlsson 1997,
Numerical methods for estimation and inference in Bayesian VAR-models, Journal of Applied Econometrics 12, 99-132;
Banbura, Giannone and Reichlin 2010, Large Bayesian vector auto regressions, Journal of Applied Econometrics 25, 71-92,
section 2; their rows that stand for the prior of Sigma_u change no coefficient and are left out).

All of it comes from the triangular factor R of the observations' [Z Y], which has the same cross products as they.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fleet_fit import FitSettings
from .kernel import FloatArray, IntArray
from .least_squares import triangular_factor
from .transform import differenced


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """coefficients: (series, m, k), the posterior mean. residual_sums: (series, k, k), of the observations' residuals
    at it. residual_degrees, coefficient_degrees: (series,).

    With H, which makes fitted values of the observations (Z B = H Y + what the prior's mean adds), the sums of T rows
    have T - tr(2 H - H H') times the expectation of Sigma_u, if the prior's mean is right, else more (Hastie and
    Tibshirani 1990, Generalized additive models, section 3.5): `residual_degrees`. Fitted values have the variance tr(H
    H') / T times Sigma_u, as a mean over the rows: `coefficient_degrees`. Without shrinkage both are those of least
    squares: T - m and m.
    """

    coefficients: FloatArray
    residual_sums: FloatArray
    residual_degrees: FloatArray
    coefficient_degrees: FloatArray

    @property
    def sigma_u(self) -> FloatArray:
        """(series, k, k), of the next value's error at given coefficients."""
        return self.residual_sums / self.residual_degrees[:, None, None]


def autoregression_factors(factor: FloatArray, *, lag_order: int, n_variables: int, n_terms: int) -> FloatArray:
    """R of each variable's univariate AR(p), p > 0, with the deterministic terms, on the same rows.

    factor: (series, rows, m + k), R of [Z Y]. Returns (series, k, w, w), columns: deterministic terms, own lags,
    left-hand side.
    """
    own = n_terms + np.arange(lag_order + 1) * n_variables + np.arange(n_variables)[:, None]
    terms = np.broadcast_to(np.arange(n_terms), (n_variables, n_terms))
    columns = np.concatenate([terms, own], axis=1)
    return triangular_factor(np.moveaxis(factor[:, :, columns], 2, 1))


def prior_rows(scales: FloatArray, *, lag_order: int, settings: FitSettings) -> FloatArray:
    """The rows of [Z Y] that stand for the prior. scales: (series, k), sigma_i. Returns (series, k p, m + k)."""
    n_series, k = scales.shape
    n_terms = settings.terms.n_terms
    lags = np.arange(1, lag_order + 1, dtype=np.float64)
    weights = (lags**settings.decay)[:, None] * (scales / settings.tightness)[:, None]
    rows = np.zeros((n_series, lag_order * k, n_terms + (lag_order + 1) * k))
    place = np.arange(lag_order * k)
    rows[:, place, n_terms + place] = weights.reshape(n_series, lag_order * k)
    is_walk = np.flatnonzero(~differenced(settings.transforms))
    rows[:, is_walk, n_terms + lag_order * k + is_walk] = weights[:, 0, is_walk]
    return rows


def posterior(
    factor: FloatArray, joint: FloatArray, rows: FloatArray, *, n_rows: IntArray, n_variables: int
) -> Posterior:
    """factor: R of the observations' [Z Y]; rows: of the prior; joint: R of both, with a regular R11; n_rows:
    (series,), of the observations."""
    m, n_prior = joint.shape[2] - n_variables, rows.shape[1]
    identity = np.broadcast_to(np.eye(m), (len(joint), m, m))
    solved = np.linalg.solve(joint[:, :m, :m], np.concatenate([joint[:, :m, m:], identity], axis=2))
    coefficients, inverse = solved[:, :, :n_variables], solved[:, :, n_variables:]
    residuals = factor[:, :, m:] - factor[:, :, :m] @ coefficients
    # with D' D the prior's precision H has the trace m - tr(A A'), A = D R11^-1
    precision_root = np.diagonal(rows[:, :, m - n_prior : m], axis1=1, axis2=2)
    prior_share = precision_root[:, :, None] * inverse[:, m - n_prior :]
    shares = prior_share @ prior_share.swapaxes(1, 2)
    squares = np.square(shares).sum(axis=(1, 2))
    return Posterior(
        coefficients=coefficients,
        residual_sums=residuals.swapaxes(1, 2) @ residuals,
        residual_degrees=n_rows - m + squares,
        coefficient_degrees=m - 2.0 * np.trace(shares, axis1=1, axis2=2) + squares,
    )
