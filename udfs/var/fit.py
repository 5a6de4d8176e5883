"""Fit a VAR to each of many series at once, equal to statsmodels series by series.

With a criterion the lag order is that of `VAR.select_order(max_lags, trend=trend)`, and the model that of
`VAR.fit(order, trend=trend)` on all observations. (statsmodels' `VAR.fit(max_lags, ic=..., trend=...)`
selects with trend "c" whatever its own trend is; this doesn't.) A series that can't be fitted is refused with
its reason and never disturbs another one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .fleet_fit import FitSettings, FleetFit, Refusal, empty_fit, smallest_lag_order
from .kernel import TREND_TERMS, FloatArray, IntArray
from .least_squares import (
    design,
    information_criteria,
    is_rank_deficient,
    largest_root_modulus,
    restrict,
    solve,
    triangular_factor,
)
from .refusals import reasons_before_fitting
from .transform import scale_half_widths, transform_levels

COLLINEARITY_TOLERANCE = 1e-10
"""Smallest sine of the angle between a regressor (or a left-hand side) and those before it."""

BYTES_PER_PACK = 1_500_000
"""Size of the [Z Y] matrices of the series that are worked on together."""

LENGTH_RATIO_PER_PACK = 1.25
"""Series in a pack differ in length at most by this factor: padding costs at most that much time."""


def fit_fleet(levels: FloatArray, offsets: IntArray, settings: FitSettings) -> FleetFit:
    """Fit every series.

    levels: (n_total, k), the series one after the other, oldest observation first, without holes; offsets:
    (n_series + 1,), series i is levels[offsets[i]:offsets[i+1]].
    """
    levels, offsets = np.asarray(levels, dtype=np.float64), np.asarray(offsets, dtype=np.int64)
    _check_shapes(levels, offsets, len(settings.transforms))
    values, value_offsets = transform_levels(levels, offsets, settings.transforms)
    reasons = reasons_before_fitting(levels, offsets, values, value_offsets, settings)
    n_obs = np.diff(value_offsets)
    is_accepted = np.ones(len(n_obs), dtype=bool)
    is_accepted[list(reasons)] = False
    fit = empty_fit(settings, n_series=len(n_obs))
    arrays = _Arrays(len(n_obs), fit)
    # values too large to square overflow here and are refused for it below
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for members in _packs(np.flatnonzero(is_accepted), n_obs, settings):
            reasons.update(_fit_pack(values, value_offsets, members, settings, arrays))
    is_accepted[list(reasons)] = False
    refused = tuple(Refusal(position, reasons[position]) for position in sorted(reasons))
    return arrays.chosen(np.flatnonzero(is_accepted), n_obs, refused)


class _Arrays:
    """Room for the models of all series, filled pack by pack."""

    def __init__(self, n_series: int, template: FleetFit) -> None:
        self.template = template
        self.lag_order = np.zeros(n_series, dtype=np.int64)
        self.trend_coefficients = np.zeros((n_series, *template.trend_coefficients.shape[1:]))
        self.coefficients = np.zeros((n_series, *template.coefficients.shape[1:]))
        self.sigma_u = np.zeros((n_series, *template.sigma_u.shape[1:]))
        self.half_widths = np.zeros((n_series, *template.half_widths.shape[1:]))
        self.root_modulus = np.zeros(n_series)

    def chosen(self, positions: IntArray, n_obs: IntArray, refused: tuple[Refusal, ...]) -> FleetFit:
        everything = len(positions) == len(n_obs)
        rows = slice(None) if everything else positions
        return FleetFit(
            settings=self.template.settings,
            n_series=len(n_obs),
            positions=positions,
            lag_order=self.lag_order[rows],
            trend_coefficients=self.trend_coefficients[rows],
            coefficients=self.coefficients[rows],
            sigma_u=self.sigma_u[rows],
            half_widths=self.half_widths[rows],
            n_obs=n_obs[rows],
            root_modulus=self.root_modulus[rows],
            refused=refused,
        )


def _check_shapes(levels: FloatArray, offsets: IntArray, n_variables: int) -> None:
    if levels.ndim != 2 or levels.shape[1] != n_variables:
        raise ValueError(f"levels have shape {levels.shape}, want (n, {n_variables}): one column per transform")
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(levels) or (np.diff(offsets) < 0).any():
        raise ValueError(f"offsets must rise from 0 to {len(levels)}")


def _packs(accepted: IntArray, n_obs: IntArray, settings: FitSettings) -> Iterator[IntArray]:
    """Groups of series of similar length."""
    order = accepted[np.argsort(n_obs[accepted], kind="stable")]
    lengths = n_obs[order]
    width = TREND_TERMS[settings.trend] + (settings.max_lags + 1) * len(settings.transforms)
    start = 0
    while start < len(order):
        longest = int(lengths[start] * LENGTH_RATIO_PER_PACK)
        room = max(1, BYTES_PER_PACK // (8 * width * longest))
        end = min(int(np.searchsorted(lengths, longest, side="right")), start + room)
        yield order[start:end]
        start = end


def _fit_pack(
    values: FloatArray, offsets: IntArray, members: IntArray, settings: FitSettings, arrays: _Arrays
) -> dict[int, str]:
    """Fit the series `members`, write their models to `arrays`, return the reasons of those refused."""
    n_variables, max_lags, trend = values.shape[1], settings.max_lags, settings.trend
    reasons: dict[int, str] = {}
    n_obs = offsets[members + 1] - offsets[members]
    times = offsets[members][:, None] + np.arange(int(n_obs.max()))
    padded = values[np.minimum(times, len(values) - 1)]
    factor = triangular_factor(design(padded, n_obs, lag_order=max_lags, first_row=max_lags, trend=trend))
    is_finite = np.isfinite(factor.reshape(len(members), -1).sum(axis=1))
    is_deficient = is_rank_deficient(factor, tolerance=COLLINEARITY_TOLERANCE)
    for row in np.flatnonzero(~is_finite | is_deficient):
        reasons[int(members[row])] = (
            "collinear: a variable or one of its lags is a combination of the others"
            if is_finite[row]
            else "not finite: the values are too large to square"
        )
    usable = np.flatnonzero(is_finite & ~is_deficient)
    orders = np.full(len(members), max_lags, dtype=np.int64)
    if settings.criterion is not None and len(usable):
        criteria = information_criteria(
            factor[usable], n_obs[usable] - max_lags, max_lags=max_lags, n_variables=n_variables, trend=trend
        )
        orders[usable] = criteria[settings.criterion].argmin(axis=1) + smallest_lag_order(trend)
    for lag_order in np.unique(orders[usable]):
        rows = usable[orders[usable] == lag_order]
        own = factor[rows]
        if lag_order < max_lags:
            before = design(padded[rows, :max_lags], n_obs[rows], lag_order=lag_order, first_row=lag_order, trend=trend)
            own = restrict(own, before, lag_order=lag_order, n_variables=n_variables, trend=trend)
        reasons.update(_store(own, members[rows], n_obs[rows], int(lag_order), settings, arrays))
    return reasons


def _store(
    factor: FloatArray,
    members: IntArray,
    n_obs: IntArray,
    lag_order: int,
    settings: FitSettings,
    arrays: _Arrays,
) -> dict[int, str]:
    """Models of one lag order from the factors of their own samples; returns the reasons of those refused."""
    n_variables, n_terms = len(settings.transforms), TREND_TERMS[settings.trend]
    parameters, residual_sums = solve(factor, n_variables=n_variables)
    residual_degrees = n_obs - lag_order - parameters.shape[1]
    sigma_u = residual_sums / residual_degrees[:, None, None]
    # a row of B holds one regressor's effect on all variables: transposed it is a column of A_l
    coefficients = parameters[:, n_terms:].reshape(len(members), lag_order, n_variables, n_variables).swapaxes(2, 3)
    modulus = largest_root_modulus(coefficients)
    widths = scale_half_widths(
        coefficients=coefficients,
        sigma_u=sigma_u,
        horizon=settings.horizon,
        level=settings.level,
        transforms=settings.transforms,
    )
    arrays.lag_order[members] = lag_order
    arrays.trend_coefficients[members] = parameters[:, :n_terms]
    arrays.coefficients[members, :lag_order] = coefficients
    arrays.sigma_u[members] = sigma_u
    arrays.half_widths[members] = widths
    arrays.root_modulus[members] = modulus
    reasons: dict[int, str] = {}
    for row in np.flatnonzero(~np.isfinite(widths).all(axis=(1, 2)) | ~np.isfinite(parameters).all(axis=(1, 2))):
        reasons[int(members[row])] = "not finite: the model overflows"
    for row in np.flatnonzero(modulus > settings.max_root_modulus):
        reasons[int(members[row])] = (
            f"unstable: largest root modulus {modulus[row]:.4f} is beyond {settings.max_root_modulus:g}"
        )
    return reasons
