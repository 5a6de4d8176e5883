"""Fit a VAR to each of many series at once, equal to statsmodels series by series.

With a criterion the lag order is that of `VAR.select_order(max_lags, trend=trend)`, and the model that of
`VAR.fit(order, trend=trend)` on all observations, with `VAR(endog, exog)` for exogenous variables. (statsmodels'
`VAR.fit(max_lags, ic=..., trend=...)` selects with trend "c" whatever its own trend is; this doesn't.) A series with
holes, which statsmodels does not take, is fitted by the same least squares on all rows whose lags are complete, on both
sides of every hole; an observation without a value of an exogenous variable is no row. A short series is given fewer
lags to choose from than max_lags (see `FitSettings.rows_needed`); one that can't be fitted is refused with its reason
and never disturbs another one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .fallback_statistics import with_fallback
from .fleet_fit import FitSettings, FleetFit, Refusal, empty_fit
from .kernel import FloatArray, IntArray
from .least_squares import (
    COLLINEARITY_TOLERANCE,
    first_dependent_column,
    information_criteria,
    largest_root_modulus,
    restrict,
    solve,
)
from .packs import Observations, Pack, packs
from .parameter_uncertainty import parameter_variances
from .refusals import TOO_LARGE, collinear, reasons_before_fitting
from .runs import Runs, runs_of, whole_runs
from .seasonal_factor import factor_of
from .shrunk_fit import fit_shrunk
from .transform import observations_lost, scale_half_widths, scale_weights
from .transformed import exogenous_of, transformed_observations


def fit_fleet(
    levels: FloatArray,
    offsets: IntArray,
    settings: FitSettings,
    *,
    periods: FloatArray | None = None,
    exogenous: FloatArray | None = None,
) -> FleetFit:
    """Fit every series.

    levels: (n_total, k), the series one after the other, oldest observation first; offsets: (n_series + 1,), series i
    is levels[offsets[i]:offsets[i+1]]. periods: (n_total,), the number of each observation's period on the calendar,
    counted from anywhere and rising within a series; a step other than 1 is a hole. None: there are no holes.
    exogenous: (n_total, q), the values of settings.exogenous in each observation's period; one that is not finite is
    missing, and its observation is then a lag of others, but no row of its own. Needed if settings.exogenous has some.
    Raises ValueError for shapes that do not fit.
    """
    levels, offsets = np.asarray(levels, dtype=np.float64), np.asarray(offsets, dtype=np.int64)
    _check_shapes(levels, offsets, periods, len(settings.transforms))
    known = exogenous_of(exogenous, settings, n_observations=len(levels))
    runs = whole_runs(offsets) if periods is None else runs_of(offsets, np.asarray(periods, dtype=np.float64))
    observations = transformed_observations(levels, runs, settings, exogenous=known)
    reasons = reasons_before_fitting(levels, offsets, observations, settings)
    is_accepted = np.ones(len(offsets) - 1, dtype=bool)
    is_accepted[list(reasons)] = False
    models = _Models(
        len(is_accepted),
        empty_fit(settings, n_series=len(is_accepted)),
        last_time_index=_last_time_index(observations.runs, runs),
    )
    # values too large to square overflow here and are refused for it below
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for pack in packs(np.flatnonzero(is_accepted), observations, settings):
            reasons.update(_fit_pack(pack, observations.complete_rows[pack.members], settings, models))
    is_accepted[list(reasons)] = False
    refused = tuple(Refusal(position, reasons[position]) for position in sorted(reasons))
    fit = models.chosen(np.flatnonzero(is_accepted), observations, runs, refused)
    return with_fallback(fit, levels, runs)


class _Models:
    """Room for the models of all series, filled pack by pack."""

    def __init__(self, n_series: int, template: FleetFit, *, last_time_index: FloatArray) -> None:
        self.template = template
        self.last_time_index = last_time_index
        self.lag_order = np.zeros(n_series, dtype=np.int64)
        self.trend_coefficients = np.zeros((n_series, *template.trend_coefficients.shape[1:]))
        self.coefficients = np.zeros((n_series, *template.coefficients.shape[1:]))
        self.sigma_u = np.zeros((n_series, *template.sigma_u.shape[1:]))
        self.half_widths = np.zeros((n_series, *template.half_widths.shape[1:]))
        self.root_modulus = np.zeros(n_series)

    def chosen(
        self, positions: IntArray, observations: Observations, runs: Runs, refused: tuple[Refusal, ...]
    ) -> FleetFit:
        """positions: of the fitted series. runs: of the levels."""
        n_series = len(self.lag_order)
        rows = slice(None) if len(positions) == n_series else positions
        lag_order = self.lag_order[rows]
        n_complete = observations.complete_rows[positions, lag_order]
        n_without_holes = np.diff(runs.series_offsets)[rows] - observations_lost(self.template.settings.transforms)
        return FleetFit(
            settings=self.template.settings,
            n_series=n_series,
            positions=positions,
            lag_order=lag_order,
            lags_tried=observations.max_lags[rows],
            trend_coefficients=self.trend_coefficients[rows],
            coefficients=self.coefficients[rows],
            sigma_u=self.sigma_u[rows],
            half_widths=self.half_widths[rows],
            n_obs=observations.n_obs[rows],
            n_holes=runs.n_holes[rows],
            rows_left_out=n_without_holes - lag_order - n_complete,
            last_time_index=self.last_time_index[rows],
            root_modulus=self.root_modulus[rows],
            refused=refused,
        )


def _last_time_index(transformed: Runs, runs: Runs) -> FloatArray:
    """(n,), t at each series' last level, with t = 1 at its first transformed observation; 0 where there is none."""
    result = np.zeros(len(runs.owned) - 1)
    offsets, value_offsets = runs.series_offsets, transformed.series_offsets
    filled = np.flatnonzero(np.diff(value_offsets) > 0)
    first, last = transformed.periods()[value_offsets[filled]], runs.periods()[offsets[filled + 1] - 1]
    result[filled] = np.rint(last - first) + 1.0
    return result


def _check_shapes(levels: FloatArray, offsets: IntArray, periods: FloatArray | None, n_variables: int) -> None:
    if levels.ndim != 2 or levels.shape[1] != n_variables:
        raise ValueError(f"levels have shape {levels.shape}, want (n, {n_variables}): one column per transform")
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(levels) or (np.diff(offsets) < 0).any():
        raise ValueError(f"offsets must rise from 0 to {len(levels)}")
    if periods is None:
        return
    if np.shape(periods) != (len(levels),):
        raise ValueError(f"periods have shape {np.shape(periods)}, want ({len(levels)},): one per observation")
    is_rising = np.diff(periods) > 0
    starts = offsets[(offsets > 0) & (offsets < len(levels))]
    is_rising[starts - 1] = True
    if not is_rising.all():
        raise ValueError("periods must rise within each series")


def _fit_pack(pack: Pack, n_rows: IntArray, settings: FitSettings, models: _Models) -> dict[int, str]:
    """Fit the series of a pack, write their models to `models`, return the reasons of those refused.

    n_rows: (members, max_lags + 1), by lag order the rows that each series has.
    """
    members, max_lags = pack.members, pack.max_lags
    n_variables, terms = len(settings.transforms), settings.terms
    reasons: dict[int, str] = {}
    if settings.prior != "none":
        shrunk = fit_shrunk(pack.samples, n_rows=n_rows[:, max_lags], lag_order=max_lags, settings=settings)
        reasons = {int(members[row]): reason for row, reason in shrunk.reasons.items()}
        found = _Estimates(
            members=members[shrunk.rows],
            lag_order=max_lags,
            parameters=shrunk.coefficients,
            sigma_u=shrunk.sigma_u,
            further_variances=None,
        )
        return reasons | _store(found, settings, models)
    factor = factor_of(pack.samples.common(), terms, are_in_step=pack.samples.are_in_step)
    is_finite = np.isfinite(factor.reshape(len(members), -1).sum(axis=1))
    for row in np.flatnonzero(~is_finite):
        reasons[int(members[row])] = TOO_LARGE
    dependent = first_dependent_column(factor, tolerance=COLLINEARITY_TOLERANCE)
    is_deficient = dependent >= 0
    for row in np.flatnonzero(is_finite & is_deficient):
        reasons[int(members[row])] = collinear(
            int(dependent[row]), settings=settings, max_lags=max_lags, times=pack.samples.times(int(row))
        )
    usable = np.flatnonzero(is_finite & ~is_deficient)
    orders = np.full(len(members), max_lags, dtype=np.int64)
    if settings.criterion is not None and len(usable):
        criteria = information_criteria(
            factor[usable], n_rows[usable, max_lags], max_lags=max_lags, n_variables=n_variables, terms=terms
        )
        orders[usable] = criteria[settings.criterion].argmin(axis=1) + terms.smallest_lag_order
    for lag_order in np.unique(orders[usable]).tolist():
        rows = usable[orders[usable] == lag_order]
        own = factor[rows]
        if lag_order < max_lags:
            further = pack.samples.further(rows, lag_order)
            own = restrict(own, further, lag_order=lag_order, n_variables=n_variables, terms=terms)
        next_times = models.last_time_index[members[rows]] + 1.0
        found = _least_squares(own, members[rows], n_rows[rows, lag_order], lag_order, next_times, settings)
        reasons.update(_store(found, settings, models))
    return reasons


@dataclass(frozen=True, kw_only=True)
class _Estimates:
    """Of series with the same lag order: B (members, m, k), Sigma_u (members, k, k), and what the uncertainty of B adds
    to the variances of forecasts, (members, horizon, k), where the intervals count it."""

    members: IntArray
    lag_order: int
    parameters: FloatArray
    sigma_u: FloatArray
    further_variances: FloatArray | None


def _least_squares(
    factor: FloatArray,
    members: IntArray,
    n_rows: IntArray,
    lag_order: int,
    next_times: FloatArray,
    settings: FitSettings,
) -> _Estimates:
    """factor: (members, m + k, m + k), of their own samples. next_times: (members,), t of the period after the last."""
    n_variables = len(settings.transforms)
    parameters, residual_sums = solve(factor, n_variables=n_variables)
    sigma_u = residual_sums / (n_rows - parameters.shape[1])[:, None, None]
    further_variances = None
    if settings.intervals == "asymptotic":
        coefficients = _lag_coefficients(parameters, lag_order, settings)
        further_variances = parameter_variances(
            factor=factor[:, :-n_variables, :-n_variables],
            parameters=parameters,
            sigma_u=sigma_u,
            weights=scale_weights(coefficients, horizon=settings.horizon, transforms=settings.transforms),
            n_rows=n_rows,
            future_terms=settings.terms.columns(next_times[:, None] + np.arange(settings.horizon)),
        )
    return _Estimates(
        members=members,
        lag_order=lag_order,
        parameters=parameters,
        sigma_u=sigma_u,
        further_variances=further_variances,
    )


def _lag_coefficients(parameters: FloatArray, lag_order: int, settings: FitSettings) -> FloatArray:
    """(members, p, k, k): a row of B holds one regressor's effect on all variables, transposed it is a column of
    A_l."""
    k = len(settings.transforms)
    return parameters[:, settings.terms.n_terms :].reshape(len(parameters), lag_order, k, k).swapaxes(2, 3)


def _store(found: _Estimates, settings: FitSettings, models: _Models) -> dict[int, str]:
    """Makes models of the estimates; returns the reasons of those refused."""
    members, lag_order, parameters = found.members, found.lag_order, found.parameters
    if not len(members):
        return {}
    coefficients = _lag_coefficients(parameters, lag_order, settings)
    modulus = largest_root_modulus(coefficients)
    widths = scale_half_widths(
        coefficients=coefficients,
        sigma_u=found.sigma_u,
        horizon=settings.horizon,
        level=settings.level,
        transforms=settings.transforms,
        further_variances=found.further_variances,
    )
    models.lag_order[members] = lag_order
    models.trend_coefficients[members] = parameters[:, : settings.terms.n_terms]
    models.coefficients[members, :lag_order] = coefficients
    models.sigma_u[members] = found.sigma_u
    models.half_widths[members] = widths
    models.root_modulus[members] = modulus
    reasons: dict[int, str] = {}
    for row in np.flatnonzero(~np.isfinite(widths).all(axis=(1, 2)) | ~np.isfinite(parameters).all(axis=(1, 2))):
        reasons[int(members[row])] = "not finite: the model overflows"
    for row in np.flatnonzero(modulus > settings.max_root_modulus):
        reasons[int(members[row])] = (
            f"unstable: largest root modulus {modulus[row]:.4f} is beyond {settings.max_root_modulus:g}"
        )
    return reasons
