"""The pooled VAR of a fleet: sums of squares and products over the rows of all series, and least squares from them.

A row is a cutoff with its last p changes. Its errors are those of the forecasts that the VAR makes from there. Their
mean squares over the rows are quadratic in the sums: they are what came true, and count that the series of a fleet have
other coefficients than the pooled ones, so that the errors of one of them resemble each other from step to step. The
covariance of one-step errors alone, carried on as for one VAR, would leave that out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fleet_fit import FitSettings, FleetFit
from .kernel import FloatArray, IntArray
from .least_squares import largest_root_modulus
from .pooled_var import PooledVar
from .runs import Runs
from .transform import observations_lost, to_scale

ROWS_PER_CHUNK = 20_000
SMALLEST_RECIPROCAL_CONDITION = 1e-12
"""Of Z'Z, in which all columns have about the same size."""


@dataclass(frozen=True, kw_only=True)
class PooledSums:
    """Of the rows that have `step` known periods ahead, by step. products: (horizon, m + k, m + k), [Z C]'[Z C] with
    the change C of the level over the steps. rows: (horizon,)."""

    products: FloatArray
    rows: IntArray


def most_lags(settings: FitSettings) -> int:
    """So that a pooled VAR takes no more levels than the VARs of max_lags, or 2."""
    return max(1, settings.max_lags + observations_lost(settings.transforms) - 1)


def n_constants(settings: FitSettings) -> int:
    return int(settings.trend != "n")


def pooled_sums(levels: FloatArray, runs: Runs, spreads: FloatArray, settings: FitSettings) -> PooledSums:
    """levels: (n_total, k). spreads: (n_series, k), see spreads.change_spreads; a series without one has no rows."""
    n_lags, horizon, k = most_lags(settings), settings.horizon, levels.shape[1]
    lengths = np.diff(runs.series_offsets)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    is_known = np.asarray(np.isfinite(spreads).all(axis=1))
    places = runs.places()
    periods_left = np.repeat(runs.offsets[1:], np.diff(runs.offsets)) - 1 - np.arange(len(levels))
    cutoffs = np.flatnonzero((places >= n_lags) & is_known[owner] & (periods_left > 0))
    scale = to_scale(levels, settings.transforms)
    width = n_constants(settings) + (n_lags + 1) * k
    products, rows = np.zeros((horizon, width, width)), np.zeros(horizon, dtype=np.int64)
    for start in range(0, len(cutoffs), ROWS_PER_CHUNK):
        at = cutoffs[start : start + ROWS_PER_CHUNK]
        spread = spreads[owner[at]]
        changes = [(scale[at - lag] - scale[at - lag - 1]) / spread for lag in range(n_lags)]
        regressors = np.hstack([np.ones((len(at), n_constants(settings))), *changes])
        for step in range(1, horizon + 1):
            has_step = periods_left[at] >= step
            ahead = (scale[at[has_step] + step] - scale[at[has_step]]) / spread[has_step]
            joint = np.hstack([regressors[has_step], ahead])
            products[step - 1] += joint.T @ joint
            rows[step - 1] += len(joint)
    return PooledSums(products=products, rows=rows)


def pooled_var(fit: FleetFit) -> PooledVar:
    """Of as many lags as the fitted VARs need levels. Raises ValueError if the fleet has too few rows, or changes that
    are combinations of each other, or if the VAR is unstable."""
    settings = fit.settings
    k, horizon = len(settings.transforms), settings.horizon
    used = max(1, int(fit.lag_order.max(initial=0)) + observations_lost(settings.transforms) - 1)
    n_largest = n_constants(settings) + most_lags(settings) * k
    check_rows(int(fit.pooled_rows.min()), n_coefficients=n_largest, settings=settings)
    constants, coefficients = np.zeros((used, k)), np.zeros((used, used, k, k))
    deviations = np.empty((used, horizon, k))
    for n_lags in range(1, used + 1):
        m = n_constants(settings) + n_lags * k
        columns = [*range(m), *range(n_largest, n_largest + k)]
        products = fit.pooled_products[:, columns][:, :, columns]
        moment = products[0, :m, :m]
        eigenvalues = np.linalg.eigvalsh(moment)
        if eigenvalues[0] <= SMALLEST_RECIPROCAL_CONDITION * eigenvalues[-1]:
            raise ValueError(
                "fallback pooled: the changes of the variables are combinations of each other in all series; leave out "
                "a variable, or use the fallback naive"
            )
        parameters = np.asarray(np.linalg.solve(moment, products[0, :m, m:]), dtype=np.float64)
        constants[n_lags - 1] = parameters[: n_constants(settings)].sum(axis=0)
        lags = parameters[n_constants(settings) :].reshape(n_lags, k, k).swapaxes(1, 2)
        coefficients[n_lags - 1, :n_lags] = lags
        for step, ahead in enumerate(changes_by_regressors(parameters, n_lags=n_lags, horizon=horizon)):
            cross = np.concatenate([-ahead, np.eye(k)])
            squares = np.einsum("ai,ab,bi->i", cross, products[step], cross)
            deviations[n_lags - 1, step] = np.sqrt(np.maximum(squares, 0.0) / (fit.pooled_rows[step] - m))
    modulus = float(largest_root_modulus(coefficients).max())
    if modulus > settings.max_root_modulus:
        raise ValueError(
            f"fallback pooled: the VAR of all series is unstable, its largest root modulus {modulus:.4f} is beyond "
            f"{settings.max_root_modulus:g}; use the fallback naive"
        )
    return PooledVar(constants=constants, coefficients=coefficients, deviations=deviations)


def check_rows(n_rows: int, *, n_coefficients: int, settings: FitSettings) -> None:
    """The rule of FitSettings.rows_needed."""
    degrees = settings.residual_degrees_per_coefficient * n_coefficients + settings.residual_degrees_beyond
    needed = n_coefficients + max(len(settings.transforms), degrees)
    if n_rows < needed:
        length = most_lags(settings) + 1 + settings.horizon
        raise ValueError(
            f"fallback pooled: {n_rows} rows of all series, {needed} needed; each is of {length} observations in "
            "succession, for the lags and the horizon. Use the fallback naive, or a smaller max_lags or horizon"
        )


def changes_by_regressors(parameters: FloatArray, *, n_lags: int, horizon: int) -> list[FloatArray]:
    """By step (m, k), what the forecast change of the level over the steps is made of: its coefficients of Z.

    parameters: (m, k), of the constant, if there is one, and the lags.
    """
    m, k = parameters.shape
    n_terms = m - n_lags * k
    identity = np.eye(m)
    # each lag, at first of the cutoff and then forecast, by the cutoff's regressors
    lags = [identity[:, n_terms + lag * k : n_terms + (lag + 1) * k] for lag in range(n_lags)]
    total, by_step = np.zeros((m, k)), []
    for _ in range(horizon):
        change = np.hstack([identity[:, :n_terms], *lags]) @ parameters
        lags = [change, *lags[:-1]]
        total = total + change
        by_step.append(total)
    return by_step
