"""Point forecasts of many VAR(p) models at once, in plain numpy.

Everything here is laid out in *columns*: the row (one series at one cutoff) is the last axis, so that one
numpy operation works on all rows of a block with contiguous memory. Every arithmetic step is elementwise over
rows and runs in a fixed order, so that the result for a row is the same to the last bit whatever else is in
its batch.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MAX_TREND_TERMS = 3
ROWS_PER_BLOCK = 4096
"""Rows worked on at a time: a block's state stays in the processor's cache."""


def normal_quantile(level: float) -> float:
    """Two-sided standard normal quantile of a coverage `level`, e.g. 1.96 for 0.95."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level must be between 0 and 1, not {level}")
    return NormalDist().inv_cdf(0.5 + level / 2.0)


def forecast_columns(
    *,
    coefficients: FloatArray,
    trend_coefficients: FloatArray,
    lags: FloatArray,
    horizon: int,
    first_time_index: FloatArray | None = None,
    seasonal: FloatArray | None = None,
) -> FloatArray:
    """Minimum MSE point forecasts (Luetkepohl 2005, section 2.2.2, pp. 37-38), rows last.

    y(s) = d(s) + A_1 y(s-1) + ... + A_p y(s-p), where y(s) for s <= 0 is the history.

    coefficients: (p, k, k, rows), [l, i, j] is the effect of variable j, l+1 periods ago, on variable i;
    padded
        with zeros where a row's own lag order is less than p.
    trend_coefficients: (m, k, rows), the m = 0..3 terms of 1, t, t squared. lags: (p, k, rows), newest first;
    must be finite also where the coefficients are padding. first_time_index: (rows,), t of step 1; needed
    when m > 1. For a cutoff at the last observation of the fitted
        sample of n observations it is n + 1 (statsmodels counts from 1), and one more per period after that.
    seasonal: (horizon, k, rows), the season's part of d(s), see DeterministicTerms.seasonal_effects, and that of
        exogenous variables, see exogenous_effects; None: there is neither.
    Returns (horizon, k, rows).
    """
    n_lags, n_variables, _, n_rows = coefficients.shape
    n_terms = trend_coefficients.shape[0]
    if n_terms > 1 and first_time_index is None:
        raise ValueError("a linear or quadratic trend needs first_time_index")
    if n_terms > MAX_TREND_TERMS:
        raise ValueError(f"{n_terms} terms of a trend: want at most {MAX_TREND_TERMS}, and those of a season apart")
    forecasts = np.empty((horizon, n_variables, n_rows))
    product = np.empty((n_variables, n_rows))
    for step in range(horizon):
        total = forecasts[step]
        total[...] = trend_coefficients[0] if n_terms else 0.0
        if n_terms > 1 and first_time_index is not None:
            time_index = first_time_index + step
            total += trend_coefficients[1] * time_index
            if n_terms > 2:
                total += trend_coefficients[2] * (time_index * time_index)
        if seasonal is not None:
            total += seasonal[step]
        for lag in range(n_lags):
            source = forecasts[step - lag - 1] if lag < step else lags[lag - step]
            for j in range(n_variables):
                np.multiply(coefficients[lag, :, j], source[j], out=product)
                total += product
    return forecasts


def forecast_rows(
    *,
    coefficients: FloatArray,
    trend_coefficients: FloatArray,
    lags: FloatArray,
    lag_order: IntArray,
    horizon: int,
    first_time_index: FloatArray | None = None,
) -> FloatArray:
    """`forecast_columns` for arrays whose first axis is the row, in blocks.

    coefficients (rows, p, k, k), trend_coefficients (rows, m, k), lags (rows, p, k) newest first, lag_order
    (rows,), first_time_index (rows,). Lags beyond a row's own order are ignored, NaN included.
    Returns (rows, horizon, k).
    """
    n_rows, n_lags, n_variables = lags.shape
    forecasts = np.empty((n_rows, horizon, n_variables))
    for start in range(0, n_rows, ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        lag_columns = rows_last(lags[block])
        for lag in range(n_lags):
            # 0 * NaN is NaN: the padded coefficients alone don't silence a lag that isn't there
            np.copyto(lag_columns[lag], 0.0, where=lag_order[block] <= lag)
        columns = forecast_columns(
            coefficients=rows_last(coefficients[block]),
            trend_coefficients=rows_last(trend_coefficients[block]),
            lags=lag_columns,
            horizon=horizon,
            first_time_index=None if first_time_index is None else first_time_index[block],
        )
        forecasts[block] = np.moveaxis(columns, -1, 0)
    return forecasts


def rows_last(array: FloatArray) -> FloatArray:
    """A contiguous copy of (rows, a, b, ...) as (a, b, ..., rows)."""
    flat = array.reshape(len(array), -1) if array.size else array.reshape(len(array), 0)
    return np.array(flat.T, order="C").reshape(*array.shape[1:], len(array))


def moving_average_coefficients(coefficients: FloatArray, *, n_steps: int) -> FloatArray:
    """Phi_0..Phi_{n_steps-1} of the MA representation (Luetkepohl 2005, section 2.1.2, pp. 22-23).

    Phi_0 = I, Phi_i = sum_{j=1}^{min(i, p)} Phi_{i-j} A_j.
    coefficients (series, p, k, k); returns (series, n_steps, k, k).
    """
    n_series, n_lags, n_variables, _ = coefficients.shape
    phis = np.zeros((n_series, n_steps, n_variables, n_variables))
    phis[:, 0] = np.eye(n_variables)
    for step in range(1, n_steps):
        for lag in range(1, min(step, n_lags) + 1):
            phis[:, step] += phis[:, step - lag] @ coefficients[:, lag - 1]
    return phis


def forecast_variances(weights: FloatArray, sigma_u: FloatArray) -> FloatArray:
    """Diagonals of Sigma_y(h) = sum_{i<h} W_i Sigma_u W_i' (Luetkepohl 2005, section 2.2.2, p. 38).

    weights: (series, steps, k, k), the MA coefficients Phi_i for the process itself, their cumulated sums for
    its
        running total. sigma_u: (series, k, k). Returns (series, steps, k).
    """
    shares = np.einsum("shij,shij->shi", weights @ sigma_u[:, None], weights)
    return np.asarray(np.cumsum(shares, axis=1))


def half_widths(*, coefficients: FloatArray, sigma_u: FloatArray, horizon: int, level: float) -> FloatArray:
    """Half the width of the Gaussian forecast interval (Luetkepohl 2005, section 2.2.3, pp. 39-40).

    It depends on the model only, not on the history, so it is computed once, at fitting. Like statsmodels'
    `forecast_interval` it leaves out the uncertainty of the estimated coefficients.
    coefficients (series, p, k, k), sigma_u (series, k, k); returns (series, horizon, k).
    """
    phis = moving_average_coefficients(coefficients, n_steps=horizon)
    return normal_quantile(level) * np.sqrt(forecast_variances(phis, sigma_u))
