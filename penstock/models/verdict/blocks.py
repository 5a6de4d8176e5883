"""Means over blocks of time, as long as it takes until they no longer depend on one another, at every look so far.

Losses of successive units depend on one another: forecasts some steps ahead overlap, and a bad day is bad for all of
its hours. Bounds that take them for independent are far too close. The means of long blocks are nearly independent.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.models.verdict.confidence import FloatArray, half_width

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What there was to see after 1, 2, ... units, in the shape of the values.

    block_units: how many units a block has; 0 where no block is long enough, and there is nothing to see yet. blocks:
    how many there are. mean, half_width: of the confidence sequence, NaN where there is none.
    """

    block_units: IntArray
    blocks: IntArray
    mean: FloatArray
    half_width: FloatArray

    @property
    def lower(self) -> FloatArray:
        return self.mean - self.half_width

    @property
    def upper(self) -> FloatArray:
        return self.mean + self.half_width


def looks(values: FloatArray, *, alpha: float, least_blocks: int) -> Looks:
    """The confidence sequence of block means at every look.

    values: one for each unit, in the order of time along the last axis, all finite; each further axis is another
    sequence. A block has the smallest power of two of units for which the lag-1 autocorrelation of the means of the
    blocks so far is at most 0, while at least `least_blocks` (>= 2) of them are complete. Where none is, there is
    nothing to see: too few units, or the longest blocks that leave so many still depend on one another.
    Units after the last complete block wait until theirs is. Values that are all the same do not depend on one another:
    their half-width is 0.
    """
    units = values.shape[-1]
    block_units = np.zeros(values.shape, dtype=np.int64)
    blocks = np.zeros(values.shape, dtype=np.int64)
    mean, width = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    counts = np.arange(1, units + 1)
    for length, of_length in block_lengths(values, least_blocks):
        # After `counts` units, so many blocks are complete.
        complete = counts // length
        place = np.maximum(complete, 1) - 1
        is_chosen = (block_units == 0) & (complete >= least_blocks) & np.take(of_length.is_uncorrelated, place, axis=-1)
        block_units[is_chosen] = length
        blocks[is_chosen] = np.broadcast_to(complete, values.shape)[is_chosen]
        mean[is_chosen] = np.take(of_length.mean, place, axis=-1)[is_chosen]
        widths = half_width(np.maximum(complete, 1), np.take(of_length.variance, place, axis=-1), alpha=alpha)
        width[is_chosen] = widths[is_chosen]
    return Looks(block_units=block_units, blocks=blocks, mean=mean, half_width=width)


@dataclass(frozen=True, kw_only=True)
class Prefixes:
    """Of the first 1, 2, ... block means: their mean, their variance (over n - 1; 0 of one), and whether their lag-1
    autocorrelation is at most 0."""

    mean: FloatArray
    variance: FloatArray
    is_uncorrelated: NDArray[np.bool_]


def block_lengths(values: FloatArray, least_blocks: int) -> Iterator[tuple[int, Prefixes]]:
    """The lengths that leave enough blocks of all units, the shortest first."""
    length = 1
    while values.shape[-1] // length >= least_blocks:
        yield length, prefixes(block_means(values, length))
        length *= 2


def block_means(values: FloatArray, length: int) -> FloatArray:
    complete = values.shape[-1] // length
    whole = values[..., : complete * length]
    return np.asarray(whole.reshape(*values.shape[:-1], complete, length).mean(axis=-1))


def prefixes(means: FloatArray) -> Prefixes:
    """By running sums, from the first value on: what is the same in all of them costs no digits, and of values that are
    all the same nothing but zeros is left."""
    first = means[..., :1]
    y = means - first
    n = np.arange(1, means.shape[-1] + 1, dtype=np.float64)
    sums, squares = np.cumsum(y, axis=-1), np.cumsum(y * y, axis=-1)
    average = sums / n
    deviation = np.maximum(squares - n * average**2, 0.0)
    products = np.zeros_like(y)
    products[..., 1:] = np.cumsum(y[..., :-1] * y[..., 1:], axis=-1)
    # Sum of (y_i - m)(y_{i+1} - m): the sums of the first n - 1 and of the last n - 1 values are those of all less one.
    ends = 2.0 * sums - y - y[..., :1]
    covariance = products - average * ends + (n - 1.0) * average**2
    rounding = np.finfo(np.float64).eps * n * squares
    return Prefixes(
        mean=first + average,
        variance=deviation / np.maximum(n - 1.0, 1.0),
        is_uncorrelated=covariance <= rounding,
    )
