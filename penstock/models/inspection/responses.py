"""What a shock does, by the coefficients of a fit: impulse responses and the decomposition of forecast errors."""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pandas as pd
from statsmodels.tsa.vector_ar.var_model import ma_rep

from penstock.udfs.var.kernel import FloatArray

#: Of a correlation matrix: below it is nothing but rounding.
SMALLEST_EIGENVALUE = 1e-12


def orthogonalised(coefficients: FloatArray, sigma_u: FloatArray, *, steps: int) -> FloatArray:
    """(steps + 1, k, k), [h, i, j] the response of variable i, h periods after a shock of one standard deviation to
    variable j: Theta_h = Phi_h P with Sigma_u = P P', P lower triangular (Luetkepohl 2005, section 2.3.2).

    coefficients: (p, k, k); sigma_u: (k, k). Raises LinAlgError where a residual follows from the others: whether such
    a matrix has a Cholesky factor depends on the last digits.
    """
    deviations = np.sqrt(np.diag(sigma_u))
    if np.linalg.eigvalsh(sigma_u / np.outer(deviations, deviations))[0] <= SMALLEST_EIGENVALUE:
        raise np.linalg.LinAlgError("the covariance of the residuals is not positive definite")
    return np.asarray(ma_rep(coefficients, steps) @ np.linalg.cholesky(sigma_u))


def impulse_responses(
    coefficients: FloatArray, sigma_u: FloatArray, variables: Sequence[str], *, steps: int
) -> pd.DataFrame:
    """impulse, response, step (0 to `steps`); orthogonalised: to a shock of one standard deviation; cumulated: its sum
    up to the step; unit: to a shock of 1 to this variable alone (Luetkepohl 2005, section 2.3.2)."""
    theta, phi = orthogonalised(coefficients, sigma_u, steps=steps), ma_rep(coefficients, steps)
    cumulated = np.cumsum(theta, axis=0)
    return pd.DataFrame(
        [
            (variables[j], variables[i], step, theta[step, i, j], cumulated[step, i, j], phi[step, i, j])
            for j, i, step in cells(len(variables), steps + 1)
        ],
        columns=["impulse", "response", "step", "orthogonalised", "cumulated", "unit"],
    )


def error_decomposition(
    coefficients: FloatArray, sigma_u: FloatArray, variables: Sequence[str], *, steps: int
) -> pd.DataFrame:
    """variable, impulse, step (1 to `steps`), share: of the variance of the variable's forecast error at that step that
    comes from shocks to `impulse`, 0 to 1 (Luetkepohl 2005, section 2.3.3)."""
    parts = np.cumsum(np.square(orthogonalised(coefficients, sigma_u, steps=steps - 1)), axis=0)
    shares = parts / parts.sum(axis=2, keepdims=True)
    return pd.DataFrame(
        [(variables[i], variables[j], step + 1, shares[step, i, j]) for i, j, step in cells(len(variables), steps)],
        columns=["variable", "impulse", "step", "share"],
    )


def cells(k: int, steps: int) -> Iterator[tuple[int, int, int]]:
    return product(range(k), range(k), range(steps))
