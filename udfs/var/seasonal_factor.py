"""The triangular factor of [Z Y] when Z has the dummies of a season, which are orthogonal to each other.

The constant and the dummies span the indicators of the phases. Within a phase, an orthogonal transform of its n rows
makes one row of them, sqrt(n) times their mean, and leaves what is around the mean to the other rows, where the
constant and the dummies are zero (the theorem of Frisch, Waugh and Lovell: Davidson and MacKinnon 2004, Econometric
Theory and Methods, section 2.4). So the long QR is one without these columns, and a season of 12 costs little more than
none.
"""

from __future__ import annotations

import numpy as np

from .deterministic import DeterministicTerms
from .kernel import FloatArray
from .least_squares import triangular_factor


def factor_of(rows: FloatArray, terms: DeterministicTerms) -> FloatArray:
    """R of [Z Y], (series, T, m + k) to (series, m + k, m + k), T at least m + k; rows of zeros change nothing."""
    if terms.fourier or not terms.season:
        return triangular_factor(rows)
    by_phase = indicators(rows, terms)
    counts = by_phase.sum(axis=1)
    width = rows.shape[2]
    others = [*range(min(1, terms.n_trend), terms.n_trend), *range(terms.n_of_time, width)]
    around = rows[:, :, others]
    means = (by_phase.transpose(0, 2, 1) @ around) / np.maximum(counts, 1.0)[:, :, None]
    around -= by_phase @ means
    n_phases = by_phase.shape[2]
    stacked = np.zeros((len(rows), n_phases + len(others), width))
    if terms.n_trend:
        stacked[:, :n_phases, 0] = 1.0
    phases = np.arange(1.0, n_phases + 1.0)
    stacked[:, :n_phases, terms.n_trend : terms.n_of_time] = terms.columns(phases)[:, terms.n_trend :]
    stacked[:, :n_phases, others] = means
    stacked[:, :n_phases] *= np.sqrt(counts)[:, :, None]
    stacked[:, n_phases:, others] = triangular_factor(around)
    if terms.n_trend != 1:
        return triangular_factor(stacked)
    # the constant and the dummies come first: below their rows the factor is triangular already
    rotation, corner = np.linalg.qr(stacked[:, :n_phases, :n_phases])
    stacked[:, :n_phases, n_phases:] = rotation.transpose(0, 2, 1) @ stacked[:, :n_phases, n_phases:]
    stacked[:, :n_phases, :n_phases] = corner
    return stacked


def indicators(rows: FloatArray, terms: DeterministicTerms) -> FloatArray:
    """(series, T, s), 1 in the phase of each row, from the dummies; a row of zeros has no phase."""
    dummies = rows[:, :, terms.n_trend : terms.n_of_time]
    result = np.zeros((*rows.shape[:2], terms.n_seasonal + 1))
    result[:, :, :-1] = dummies > 0.0
    result[:, :, -1] = (dummies < 0.0).all(axis=2)
    return result
