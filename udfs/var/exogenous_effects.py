"""What exogenous variables, known in advance, add to forecasts: B x of the period that is forecast.

y_t = d_t + B x_t + A_1 y_{t-1} + ... + A_p y_{t-p} + u_t, the reduced form of a system with unmodelled variables,
without their lags (Luetkepohl 2005, section 10.2.2). The values of a forecast's periods are given: their part of the
forecast is no random variable, so that the errors of forecasts are those of the VAR (section 10.5.1, conditional
forecasts).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .kernel import FloatArray


def check_names(exogenous: Sequence[str], *, variables: Sequence[str]) -> None:
    """Raise ValueError for names that stand twice."""
    if len(set(exogenous)) < len(exogenous):
        raise ValueError(f"the exogenous variables {', '.join(exogenous)} are not different from one another")
    both = [name for name in exogenous if name in variables]
    if both:
        raise ValueError(f"{', '.join(both)} can't be exogenous and among the variables that are forecast")


def check_settings(exogenous: Sequence[str], *, intervals: str, prior: str) -> None:
    """Raise ValueError for settings that exogenous variables are not offered with."""
    if exogenous and intervals != "plain":
        raise ValueError(
            f"intervals {intervals} are not offered with exogenous variables ({', '.join(exogenous)}): use plain, or "
            "no exogenous variables"
        )
    if exogenous and prior != "none":
        raise ValueError(
            f"prior {prior} is not offered with exogenous variables ({', '.join(exogenous)}): use none, or no "
            "exogenous variables"
        )


def exogenous_effects(coefficients: FloatArray, values: FloatArray) -> FloatArray:
    """(horizon, k, rows), NaN in all steps of a row where a value of any step is not finite.

    coefficients: (q, k, rows); values: (horizon, q, rows). Elementwise over rows and in a fixed order, as everything
    that a forecast is made of (see `kernel`).
    """
    effects = np.zeros((len(values), *coefficients.shape[1:]))
    is_known = np.isfinite(values).all(axis=(0, 1))
    given = values if is_known.all() else np.where(is_known, values, 0.0)
    for step in range(len(values)):
        for place in range(len(coefficients)):
            effects[step] += coefficients[place] * given[step, place]
    if not is_known.all():
        effects[..., ~is_known] = np.nan
    return effects
