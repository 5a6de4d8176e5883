"""Fits the series of a pack with a prior, or says which of them can't be fitted and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .fleet_fit import FitSettings
from .kernel import FloatArray, IntArray
from .lag_bounds import TOO_SHORT
from .least_squares import COLLINEARITY_TOLERANCE, first_dependent_column, triangular_factor
from .minnesota import autoregression_factors, posterior, prior_rows
from .refusals import TOO_LARGE, collinear
from .samples import Samples


@dataclass(frozen=True, kw_only=True)
class ShrunkFit:
    """rows: (fitted,), which series of the pack have a model. coefficients: (fitted, m, k). sigma_u: (fitted, k, k).
    reasons: of the others, by row."""

    rows: IntArray
    coefficients: FloatArray
    sigma_u: FloatArray
    reasons: dict[int, str]


def fit_shrunk(samples: Samples, *, n_rows: IntArray, lag_order: int, settings: FitSettings) -> ShrunkFit:
    """samples: of a pack, with `lag_order` lags; n_rows: (series,), how many each series has."""
    k, n_terms = len(settings.transforms), settings.terms.n_terms
    # R of the observations' [Z Y], which may have fewer rows than columns
    factor = triangular_factor(samples.common())
    is_finite = np.isfinite(factor).all(axis=(1, 2))
    candidates = np.flatnonzero(is_finite)
    reasons: dict[int, str] = dict.fromkeys(np.flatnonzero(~is_finite).tolist(), TOO_LARGE)

    own = autoregression_factors(factor[candidates], lag_order=lag_order, n_variables=k, n_terms=n_terms)
    width = own.shape[-1]
    dependent = first_dependent_column(own.reshape(-1, width, width), tolerance=COLLINEARITY_TOLERANCE)
    by_variable = dependent.reshape(len(candidates), k)
    is_dependent = by_variable >= 0
    for place in np.flatnonzero(is_dependent.any(axis=1)):
        row, variable = int(candidates[place]), int(is_dependent[place].argmax())
        column = int(by_variable[place, variable])
        # the deterministic terms come first, as in Z
        reasons[row] = (
            collinear(column, settings=settings, max_lags=lag_order, times=samples.times(row))
            if column < n_terms
            else collinear_alone(settings.names[variable])
        )
    is_left = ~is_dependent.any(axis=1)
    rows, own = candidates[is_left], own[is_left]

    degrees = n_rows[rows] - (width - 1)
    scales = np.abs(own[:, :, -1, -1]) / np.sqrt(degrees)[:, None]
    prior = prior_rows(scales, lag_order=lag_order, settings=settings)
    joint = triangular_factor(np.concatenate([factor[rows], prior], axis=1))
    is_left = np.isfinite(joint).all(axis=(1, 2))
    reasons.update(dict.fromkeys(rows[~is_left].tolist(), TOO_LARGE))
    rows, joint, prior = rows[is_left], joint[is_left], prior[is_left]
    regressors = joint[:, : joint.shape[2] - k, : joint.shape[2] - k]
    dependent = first_dependent_column(regressors, tolerance=COLLINEARITY_TOLERANCE)
    for place in np.flatnonzero(dependent >= 0):
        reasons[int(rows[place])] = collinear(
            int(dependent[place]), settings=settings, max_lags=lag_order, times=samples.times(int(rows[place]))
        )
    is_left = dependent < 0
    rows, joint, prior = rows[is_left], joint[is_left], prior[is_left]

    found = posterior(factor[rows], joint, prior, n_rows=n_rows[rows], n_variables=k)
    needed = settings.residual_degrees_needed(found.coefficient_degrees)
    is_long_enough = found.residual_degrees >= needed
    for place in np.flatnonzero(~is_long_enough):
        reasons[int(rows[place])] = too_few_degrees(
            int(n_rows[rows[place]]),
            degrees=float(found.residual_degrees[place]),
            needed=float(needed[place]),
            settings=settings,
        )
    return ShrunkFit(
        rows=rows[is_long_enough],
        coefficients=found.coefficients[is_long_enough],
        sigma_u=found.sigma_u[is_long_enough],
        reasons=reasons,
    )


def collinear_alone(name: str) -> str:
    return f"collinear: {name} is a combination of its own lags, or these are of each other, so that it has no scale"


def too_few_degrees(n_rows: int, *, degrees: float, needed: float, settings: FitSettings) -> str:
    return (
        f"{TOO_SHORT}: {n_rows} rows leave {math.floor(degrees)} residual degrees of freedom, {math.ceil(needed)} "
        f"needed for {settings.max_lags} lags with tightness {settings.tightness:g}; a smaller one needs fewer"
    )
