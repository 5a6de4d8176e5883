"""The triangular factor of [Z Y] when Z has the dummies of a season, which are orthogonal to each other.

The constant and the dummies span the indicators of the phases. Within a phase, an orthogonal transform of its n rows
makes one row of them, sqrt(n) times their mean, and leaves what is around the mean to the other rows, where the
constant and the dummies are zero (the theorem of Frisch, Waugh and Lovell: Davidson and MacKinnon 2004, Econometric
Theory and Methods, section 2.4). So the long QR is one without these columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .deterministic import DeterministicTerms
from .kernel import FloatArray
from .least_squares import triangular_factor


@dataclass(frozen=True)
class _ByPhase:
    """counts: (series, s), the rows of each phase. means: (series, s, c). around: (series, T or more, c), the rows less
    the means of their phases, in any order and with rows of zeros."""

    counts: FloatArray
    means: FloatArray
    around: FloatArray


def factor_of(rows: FloatArray, terms: DeterministicTerms, *, are_in_step: bool = False) -> FloatArray:
    """R of [Z Y], (series, T, m + k) to (series, m + k, m + k), T at least m + k; rows of zeros change nothing.

    are_in_step: row t of all series that have it is of the same phase, and of the next one after that of row t - 1.
    """
    if terms.fourier or not terms.season:
        return triangular_factor(rows)
    width = rows.shape[2]
    others = [*range(min(1, terms.n_trend), terms.n_trend), *range(terms.n_of_time, width)]
    dummies, rest = rows[:, :, terms.n_trend : terms.n_of_time], rows[:, :, others]
    split = _split_in_step(dummies, rest) if are_in_step else _split(dummies, rest)
    n_phases = split.means.shape[1]
    stacked = np.zeros((len(rows), n_phases + len(others), width))
    if terms.n_trend:
        stacked[:, :n_phases, 0] = 1.0
    phases = np.arange(1.0, n_phases + 1.0)
    stacked[:, :n_phases, terms.n_trend : terms.n_of_time] = terms.columns(phases)[:, terms.n_trend :]
    stacked[:, :n_phases, others] = split.means
    stacked[:, :n_phases] *= np.sqrt(split.counts)[:, :, None]
    stacked[:, n_phases:, others] = triangular_factor(split.around)
    if terms.n_trend != 1:
        return triangular_factor(stacked)
    # the constant and the dummies come first: below their rows the factor is triangular already
    rotation, corner = np.linalg.qr(stacked[:, :n_phases, :n_phases])
    stacked[:, :n_phases, n_phases:] = rotation.transpose(0, 2, 1) @ stacked[:, :n_phases, n_phases:]
    stacked[:, :n_phases, :n_phases] = corner
    return stacked


def _split(dummies: FloatArray, rest: FloatArray) -> _ByPhase:
    by_phase = _indicators(dummies)
    counts = by_phase.sum(axis=1)
    means = (by_phase.transpose(0, 2, 1) @ rest) / np.maximum(counts, 1.0)[:, :, None]
    return _ByPhase(counts, means, rest - by_phase @ means)


def _split_in_step(dummies: FloatArray, rest: FloatArray) -> _ByPhase:
    """As `_split`, season by season and without indicators."""
    n_series, n_rows, n_columns = rest.shape
    n_phases = dummies.shape[2] + 1
    n_seasons = -(-n_rows // n_phases)
    around = np.zeros((n_series, n_seasons * n_phases, n_columns))
    around[:, :n_rows] = rest
    is_there = np.zeros(around.shape[:2], dtype=bool)
    is_there[:, :n_rows] = dummies[:, :, 0] != 0.0
    seasons = around.reshape(n_series, n_seasons, n_phases, n_columns)
    counts = is_there.reshape(n_series, n_seasons, n_phases).sum(axis=1).astype(np.float64)
    means = seasons.sum(axis=1) / np.maximum(counts, 1.0)[:, :, None]
    seasons -= means[:, None]
    around[~is_there] = 0.0
    # the phase of row 0, which every series with any row has
    first = int(_indicators(dummies[:, :1]).max(axis=0)[0].argmax()) if n_rows else 0
    return _ByPhase(np.roll(counts, first, axis=1), np.roll(means, first, axis=1), around)


def _indicators(dummies: FloatArray) -> FloatArray:
    """(series, T, s), 1 in the phase of each row; a row of zeros has no phase."""
    result = np.zeros((*dummies.shape[:2], dummies.shape[2] + 1))
    result[:, :, :-1] = dummies > 0.0
    result[:, :, -1] = (dummies < 0.0).all(axis=2)
    return result
