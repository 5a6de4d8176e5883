"""The deterministic terms of a VAR: the powers of its trend, and its season as dummies or as sines and cosines.

All of them are functions of t, the number of an observation's period on the calendar, 1 at the series' first
transformed observation. A season of s periods has the phases 1 to s, and t = 1 is in phase 1. Its dummies are centered:
s - 1 columns, 1 in one phase and 0 in the others, less 1 / s, as `season` of R's package vars has them (Pfaff 2008,
VAR, SVAR and SVEC models: implementation within R package vars, Journal of Statistical Software 27(4)). So they sum to
zero over a season, the constant remains the mean over the phases, and without a constant the season is one around zero.
The other choice, K pairs of sine and cosine of 2 pi j t / s, j = 1 ... K, is for long seasons and for those of no whole
number of periods (Hyndman and Athanasopoulos 2021, Forecasting: principles and practice, section 12.1).

After these columns stand those of exogenous variables, whose values are given and not computed, and then the lags, as
in statsmodels' `VAR(endog, exog)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .kernel import FloatArray, IntArray

TREND_TERMS = {"n": 0, "c": 1, "ct": 2, "ctt": 3}
"""Number of powers of t (1, t, t squared) by statsmodels' name of the trend."""


@dataclass(frozen=True)
class DeterministicTerms:
    """trend: one of TREND_TERMS. season: its number of periods, 0 for none. fourier: pairs of sine and cosine, 0 for
    dummies. exogenous: names of variables. The columns are the powers of t, those of the season, and one for each
    exogenous variable. Raises ValueError."""

    trend: str = "c"
    season: float = 0.0
    fourier: int = 0
    exogenous: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.trend not in TREND_TERMS:
            raise ValueError(f"unknown trend {self.trend}; use one of {', '.join(TREND_TERMS)}")
        if self.season and not (math.isfinite(self.season) and self.season > 1):
            raise ValueError(f"season {self.season:g} must be more than 1 period")
        if self.fourier < 0:
            raise ValueError(f"fourier {self.fourier} must be at least 1 pair of sine and cosine")
        if self.fourier and not self.season:
            raise ValueError(f"fourier {self.fourier} needs season: the number of periods in a season")
        if self.fourier and 2 * self.fourier >= self.season:
            raise ValueError(
                f"fourier {self.fourier} is too much for season {self.season:g}: want at most "
                f"{math.ceil(self.season / 2) - 1} pairs of sine and cosine, fewer than half of the season's periods"
            )
        if self.season and not self.fourier and self.season != int(self.season):
            raise ValueError(
                f"season {self.season:g} is no whole number of periods, which dummies need; set fourier to a number of "
                "pairs of sine and cosine instead, for example 2"
            )

    @property
    def n_trend(self) -> int:
        return TREND_TERMS[self.trend]

    @property
    def n_seasonal(self) -> int:
        if self.fourier:
            return 2 * self.fourier
        return int(self.season) - 1 if self.season else 0

    @property
    def n_of_time(self) -> int:
        """The number of columns that are functions of t."""
        return self.n_trend + self.n_seasonal

    @property
    def n_terms(self) -> int:
        """m, the number of columns."""
        return self.n_of_time + len(self.exogenous)

    @property
    def counts_periods(self) -> bool:
        """Whether forecasts depend on t."""
        return self.n_trend > 1 or self.season > 0

    @property
    def smallest_lag_order(self) -> int:
        """0, but 1 when there is no term at all: a VAR(0) then has no parameter."""
        return 0 if self.n_terms else 1

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns, for the reasons of refusals."""
        seasonal: list[str] = []
        if self.fourier:
            for number in range(1, self.fourier + 1):
                seasonal += [f"sine {number}", f"cosine {number}"]
        else:
            seasonal += [f"phase {number}" for number in range(1, self.n_seasonal + 1)]
        of_season = [f"season of {self.season:g}: {name}" for name in seasonal]
        return (*("constant", "t", "t squared")[: self.n_trend], *of_season, *self.exogenous)

    def columns(self, time_index: FloatArray) -> FloatArray:
        """(..., n_of_time) at t, which is (...,)."""
        result = np.empty((*time_index.shape, self.n_of_time))
        for term in range(self.n_trend):
            result[..., term] = time_index**term
        if self.season:
            self._fill_seasonal(result[..., self.n_trend :], self.phases(time_index))
        return result

    def _fill_seasonal(self, columns: FloatArray, phases: FloatArray) -> None:
        for number in range(self.fourier):
            angles = phases * (2.0 * math.pi * (number + 1) / self.season)
            columns[..., 2 * number] = np.sin(angles)
            columns[..., 2 * number + 1] = np.cos(angles)
        if not self.fourier:
            columns[...] = (phases[..., None] == np.arange(1, self.n_seasonal + 1)) - 1.0 / self.season

    def phases(self, time_index: FloatArray) -> FloatArray:
        """(...,), t modulo the season; with dummies season itself in place of 0, so that phases count from 1."""
        times = np.rint(time_index)
        if self.fourier:
            return np.asarray(np.mod(times, self.season))
        return np.asarray(np.mod(times - 1.0, self.season) + 1.0)

    def unseen_phases(self, time_index: FloatArray) -> list[int]:
        """The phases, from 1, in which there is no t; none of a season without dummies."""
        if self.fourier or not self.season:
            return []
        seen = self.phases(time_index)
        return [phase for phase in range(1, int(self.season) + 1) if phase not in seen]

    @property
    def n_stored(self) -> int:
        """How many numbers a variable's season has in a model's record: with dummies one for each phase."""
        return self.n_seasonal + 1 if self.season and not self.fourier else self.n_seasonal

    def stored(self, coefficients: FloatArray) -> FloatArray:
        """(n, n_stored, k) from the season's coefficients (n, n_seasonal, k): what each phase adds to the mean over all
        phases, or the coefficients of sines and cosines."""
        if self.fourier or not self.season:
            return coefficients
        by_phase = np.concatenate([coefficients, np.zeros((len(coefficients), 1, coefficients.shape[2]))], axis=1)
        return np.asarray(by_phase - coefficients.sum(axis=1, keepdims=True) / self.season)

    def places(self, first_time_index: FloatArray, *, horizon: int) -> IntArray:
        """(horizon, n), with dummies the place in `stored` of each step's phase; first_time_index: (n,), finite."""
        first = self.phases(first_time_index).astype(np.int64) - 1
        return np.asarray((first + np.arange(horizon)[:, None]) % int(self.season), dtype=np.int64)

    def wave_effects(self, coefficients: FloatArray, first_time_index: FloatArray, *, horizon: int) -> FloatArray:
        """(horizon, k, rows), what the sines and cosines add to the forecasts. coefficients: (n_seasonal, k, rows);
        first_time_index: (rows,), t of step 1, finite.

        Elementwise over rows, as everything that a forecast is made of (see `kernel`), and by the angles' sums, so that
        sines and cosines are taken once a row and not once a step.
        """
        effects = np.zeros((horizon, *coefficients.shape[1:]))
        phases = self.phases(first_time_index)
        for number in range(self.fourier):
            step_angle = 2.0 * math.pi * (number + 1) / self.season
            angles = phases * step_angle
            sine, cosine = np.sin(angles), np.cos(angles)
            of_sine, of_cosine = coefficients[2 * number], coefficients[2 * number + 1]
            along, across = of_sine * sine + of_cosine * cosine, of_sine * cosine - of_cosine * sine
            for step in range(horizon):
                effects[step] += along * math.cos(step * step_angle) + across * math.sin(step * step_angle)
        return effects

    def seasonal_effects(
        self, records: FloatArray, series: IntArray, first_time_index: FloatArray, *, horizon: int
    ) -> FloatArray:
        """(horizon, k, rows), what the season adds to the forecasts; NaN where t is.

        records: (n, n_stored, k), see `stored`; series: (rows,), which of the n a row is of; first_time_index: (rows,),
        t of step 1. Of dummies only the phases of the steps are read, however long the season is.
        """
        is_known = np.isfinite(first_time_index)
        times = np.where(is_known, first_time_index, 1.0)
        if self.fourier:
            coefficients = np.array(np.moveaxis(records[series], 0, -1), order="C")
            effects = self.wave_effects(coefficients, times, horizon=horizon)
        else:
            variables = np.arange(records.shape[2])[:, None]
            effects = records[series, self.places(times, horizon=horizon)[:, None], variables]
        effects[..., ~is_known] = np.nan
        return effects
