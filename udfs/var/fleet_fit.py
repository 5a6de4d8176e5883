"""Settings and result of the fit of a fleet of series: plain arrays, one row per fitted series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO

import numpy as np

from .deterministic import DeterministicTerms
from .exogenous_effects import check_names, check_settings
from .fleet_fallback import check_fallback
from .kernel import FloatArray, IntArray, normal_quantile
from .parameter_uncertainty import check_intervals
from .prior_rules import check_decay, check_prior, check_tightness
from .transform import check_point, check_transforms

CRITERIA = ("aic", "aicc", "bic", "hqic", "fpe")


@dataclass(frozen=True)
class FitSettings:
    """How to fit; the same for every series.

    transforms: one per variable. max_lags: the lag order, or the largest one tried when `criterion` is one of
    CRITERIA. level: coverage of the interval. max_root_modulus: a model whose companion matrix has an eigenvalue
    beyond this is refused as unstable; 1.05 lets series in levels pass, whose estimated unit roots lie on either side
    of 1. residual_degrees_per_coefficient, residual_degrees_beyond: see `rows_needed`. variables: their names, for the
    reasons of refusals; y1, y2, ... by default. point: whether point forecasts are medians or means. season, fourier:
    see DeterministicTerms. intervals: whether their variance counts the uncertainty of the coefficients, one of
    parameter_uncertainty.INTERVALS. fallback: what series without a forecast of their own VAR get, see
    fleet_fallback.FALLBACKS. prior: one of prior_rules.PRIORS; with one there is no criterion. tightness: standard
    deviation of the prior of an own first lag. decay: how fast that of a lag falls, by its power -decay.
    exogenous: names of the variables whose values are known in advance.
    """

    transforms: tuple[str, ...]
    max_lags: int
    criterion: str | None = None
    trend: str = "c"
    horizon: int = 8
    level: float = 0.95
    max_root_modulus: float = 1.05
    residual_degrees_per_coefficient: int = 3
    residual_degrees_beyond: int = 10
    variables: tuple[str, ...] = ()
    point: str = "median"
    season: float = 0.0
    fourier: int = 0
    intervals: str = "plain"
    fallback: str = "none"
    prior: str = "none"
    tightness: float = 0.2
    decay: float = 1.0
    exogenous: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_transforms(self.transforms)
        check_point(self.point)
        check_intervals(self.intervals)
        check_fallback(self.fallback, season=self.season)
        normal_quantile(self.level)
        if not self.transforms:
            raise ValueError("a VAR needs at least one variable")
        if self.variables and len(self.variables) != len(self.transforms):
            raise ValueError(f"{len(self.variables)} names of variables for {len(self.transforms)} transforms")
        if self.criterion is not None and self.criterion not in CRITERIA:
            raise ValueError(f"unknown criterion {self.criterion}; use one of {', '.join(CRITERIA)}")
        if self.max_lags < self.terms.smallest_lag_order:
            raise ValueError(f"max_lags {self.max_lags} is too small for trend {self.trend}")
        if min(self.residual_degrees_per_coefficient, self.residual_degrees_beyond) < 0:
            raise ValueError("residual degrees of freedom must not be negative")
        if self.horizon < 1:
            raise ValueError(f"horizon must be at least 1, not {self.horizon}")
        check_tightness(self.tightness)
        check_decay(self.decay)
        check_prior(self.prior, criterion=self.criterion, intervals=self.intervals, max_lags=self.max_lags)
        check_names(self.exogenous, variables=self.names)
        check_settings(self.exogenous, intervals=self.intervals, prior=self.prior)

    @property
    def terms(self) -> DeterministicTerms:
        return DeterministicTerms(trend=self.trend, season=self.season, fourier=self.fourier, exogenous=self.exogenous)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the variables."""
        return self.variables or tuple(f"y{number + 1}" for number in range(len(self.transforms)))

    def rows_needed(self, lag_order: int) -> int:
        """Least number of rows of [Z Y] at which a lag order is tried: so many that residual_degrees_per_coefficient
        residual degrees of freedom remain for each of an equation's m coefficients, and residual_degrees_beyond more.

        A plain interval leaves out the uncertainty of the coefficients, about m / (rows - m) of the residuals'
        variance.
        The defaults keep the coverage of a 95% interval at step 1 at .90 or more (simulated: docs/fitting.md, by
        tests/var_coverage.py). With 0 and 0 it is the bound of statsmodels' `select_order` (var_model.py), k
        residual degrees of freedom, which a regular Sigma_u needs.

        With a prior these are the rows of a variable's own AR, which gives the prior's scale; the fit then looks at the
        degrees of freedom of the shrunk coefficients (`residual_degrees_needed`).
        """
        k = len(self.transforms)
        n_regressors = k if self.prior == "none" else 1
        coefficients = self.terms.n_terms + lag_order * n_regressors
        degrees = self.residual_degrees_per_coefficient * coefficients + self.residual_degrees_beyond
        return coefficients + max(n_regressors, degrees)

    def residual_degrees_needed(self, coefficient_degrees: FloatArray) -> FloatArray:
        """The rule of `rows_needed` for shrunk coefficients (minnesota.Posterior); the same without shrinkage."""
        needed = self.residual_degrees_per_coefficient * coefficient_degrees + self.residual_degrees_beyond
        return np.maximum(needed, 1.0)


@dataclass(frozen=True)
class Refusal:
    """A series that has no model: its position among the series given, and why."""

    position: int
    reason: str


@dataclass(frozen=True)
class FleetFit:
    """The models of n fitted series, k variables, m deterministic terms and exogenous variables.

    n_series: how many series were given. positions: (n,), which of them was fitted, ascending. lag_order: (n,).
    lags_tried: (n,), the largest order that was tried. trend_coefficients: (n, m, k) of settings.terms, with t = 1 at
    the first transformed observation. coefficients: (n, max_lags, k, k), [l, i, j] the effect of variable j, l + 1
    periods ago, on variable i, zero beyond the series' lag order. sigma_u: (n, k, k), adjusted for degrees of freedom.
    half_widths: (n, horizon, k) on the scale (levels, or logs of levels). n_obs: (n,), length of the transformed
    series. n_holes: (n,). rows_left_out: (n,), how many more rows the model would be fitted on if the same observations
    had no holes between them. last_time_index: (n,), t at the last observation. root_modulus: (n,).
    change_spreads: (n_series, k), see spreads.change_spreads; (0, 0) without a fallback. seasonal_spreads: (n_series,
    k), see spreads.seasonal_spreads; (0, 0) without the fallback seasonal_naive. pooled_products, pooled_rows: see
    pooled_fit.PooledSums; empty without the fallback pooled.
    """

    settings: FitSettings
    n_series: int
    positions: IntArray
    lag_order: IntArray
    lags_tried: IntArray
    trend_coefficients: FloatArray
    coefficients: FloatArray
    sigma_u: FloatArray
    half_widths: FloatArray
    n_obs: IntArray
    n_holes: IntArray
    rows_left_out: IntArray
    last_time_index: FloatArray
    root_modulus: FloatArray
    refused: tuple[Refusal, ...]
    change_spreads: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    seasonal_spreads: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    pooled_products: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0)))
    pooled_rows: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def powers_of_time(self) -> FloatArray:
        """(n, m, k), the trend's part of trend_coefficients."""
        return self.trend_coefficients[:, : self.settings.terms.n_trend]

    @property
    def stored_season(self) -> FloatArray:
        """(n, n_stored, k), see DeterministicTerms.stored."""
        terms = self.settings.terms
        return terms.stored(self.trend_coefficients[:, terms.n_trend : terms.n_of_time])

    @property
    def exogenous_coefficients(self) -> FloatArray:
        """(n, q, k)."""
        return self.trend_coefficients[:, self.settings.terms.n_of_time :]

    def seasonal_effects(self, first_time_index: FloatArray, *, horizon: int) -> FloatArray | None:
        """(horizon, k, n), the season's part of forecasts of each series from t = first_time_index (n,) on; None
        without a season."""
        if not self.settings.season:
            return None
        return self.settings.terms.seasonal_effects(
            self.stored_season, np.arange(len(self)), first_time_index, horizon=horizon
        )


def empty_fit(settings: FitSettings, *, n_series: int, refused: tuple[Refusal, ...] = ()) -> FleetFit:
    """A fit without any model."""
    k, m = len(settings.transforms), settings.terms.n_terms
    return FleetFit(
        settings=settings,
        n_series=n_series,
        positions=np.zeros(0, dtype=np.int64),
        lag_order=np.zeros(0, dtype=np.int64),
        lags_tried=np.zeros(0, dtype=np.int64),
        trend_coefficients=np.zeros((0, m, k)),
        coefficients=np.zeros((0, settings.max_lags, k, k)),
        sigma_u=np.zeros((0, k, k)),
        half_widths=np.zeros((0, settings.horizon, k)),
        n_obs=np.zeros(0, dtype=np.int64),
        n_holes=np.zeros(0, dtype=np.int64),
        rows_left_out=np.zeros(0, dtype=np.int64),
        last_time_index=np.zeros(0),
        root_modulus=np.zeros(0),
        change_spreads=np.full((n_series, k) if settings.fallback != "none" else (0, 0), np.nan),
        seasonal_spreads=np.full((n_series, k) if settings.fallback == "seasonal_naive" else (0, 0), np.nan),
        refused=refused,
    )


def concatenate_fits(fits: Sequence[FleetFit]) -> FleetFit:
    """One fit from those of consecutive parts of a fleet: positions count on from part to part."""
    if not fits:
        raise ValueError("no fits to concatenate")
    if any(fit.settings != fits[0].settings for fit in fits):
        raise ValueError("fits with different settings can't be one fleet")
    starts = np.cumsum([0, *(fit.n_series for fit in fits)])
    return FleetFit(
        settings=fits[0].settings,
        n_series=int(starts[-1]),
        positions=np.concatenate([fit.positions + start for fit, start in zip(fits, starts, strict=False)]),
        **{name: np.concatenate([getattr(fit, name) for fit in fits]) for name in _ARRAYS if name != "positions"},
        **{name: np.sum([getattr(fit, name) for fit in fits], axis=0) for name in _SUMS},
        refused=tuple(
            Refusal(refusal.position + int(start), refusal.reason)
            for fit, start in zip(fits, starts, strict=False)
            for refusal in fit.refused
        ),
    )


_ARRAYS = (
    "positions",
    "lag_order",
    "lags_tried",
    "trend_coefficients",
    "coefficients",
    "sigma_u",
    "half_widths",
    "n_obs",
    "n_holes",
    "rows_left_out",
    "last_time_index",
    "root_modulus",
    "change_spreads",
    "seasonal_spreads",
)
_SUMS = ("pooled_products", "pooled_rows")


def fit_to_bytes(fit: FleetFit) -> bytes:
    """A fit as the bytes of an `.npz` without pickles, to be sent from an executor to the driver."""
    buffer = BytesIO()
    np.savez(
        buffer,
        allow_pickle=False,
        n_series=np.int64(fit.n_series),
        refused_positions=np.array([refusal.position for refusal in fit.refused], dtype=np.int64),
        refused_reasons=np.array([refusal.reason for refusal in fit.refused], dtype=np.str_),
        **{name: getattr(fit, name) for name in (*_ARRAYS, *_SUMS)},
    )
    return buffer.getvalue()


def fit_from_bytes(content: bytes, settings: FitSettings) -> FleetFit:
    """The fit that `fit_to_bytes` wrote; the settings are not included in the bytes."""
    with np.load(BytesIO(content), allow_pickle=False) as arrays:
        pairs = zip(arrays["refused_positions"].tolist(), arrays["refused_reasons"].tolist(), strict=True)
        return FleetFit(
            settings=settings,
            n_series=int(arrays["n_series"]),
            refused=tuple(Refusal(position, reason) for position, reason in pairs),
            **{name: arrays[name] for name in (*_ARRAYS, *_SUMS)},
        )
