"""A VAR of one series by statsmodels, with standard errors and residuals; of a single variable an AR by its OLS."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS
from statsmodels.tsa.api import VAR
from statsmodels.tsa.vector_ar.util import make_lag_names

from penstock.udfs.var.kernel import TREND_TERMS, FloatArray
from penstock.udfs.var.least_squares import design


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Of k variables, m regressors of each equation, and T rows, p of whose lags are complete.

    parameters, standard_errors, t_values, p_values: (m, k), trend terms first, then lag by lag; p-values by the
    normal distribution, as in statsmodels' VAR. residuals: (T, k). result: statsmodels' VARResults; None of a single
    variable, which its VAR does not take.
    """

    variables: tuple[str, ...]
    lag_order: int
    regressors: tuple[str, ...]
    parameters: FloatArray
    standard_errors: FloatArray
    t_values: FloatArray
    p_values: FloatArray
    residuals: FloatArray
    result: Any | None = None


def regressor_names(variables: tuple[str, ...], *, lag_order: int, trend: str) -> tuple[str, ...]:
    """As statsmodels names them: `const`, `trend`, `L1.realgdp`."""
    return tuple(make_lag_names(list(variables), lag_order, TREND_TERMS[trend]))


def estimate(values: pd.DataFrame, *, lag_order: int, trend: str) -> Estimate:
    """values: the VAR's input by variable, consecutive periods. Raises what statsmodels and numpy raise."""
    variables = tuple(values.columns)
    if len(variables) == 1:
        return estimate_one(values.to_numpy(), variables, lag_order=lag_order, trend=trend)
    # Without dates, of whose frequency statsmodels would warn.
    result = VAR(values.reset_index(drop=True)).fit(lag_order, trend=trend)
    return Estimate(
        variables=variables,
        lag_order=lag_order,
        regressors=regressor_names(variables, lag_order=lag_order, trend=trend),
        parameters=np.asarray(result.params),
        standard_errors=np.asarray(result.stderr),
        t_values=np.asarray(result.tvalues),
        p_values=np.asarray(result.pvalues),
        residuals=np.asarray(result.resid),
        result=result,
    )


def estimate_one(values: FloatArray, variables: tuple[str, ...], *, lag_order: int, trend: str) -> Estimate:
    """values: (n, 1)."""
    rows = design(values[None], np.array([len(values)]), lag_order=lag_order, first_row=lag_order, trend=trend)[0]
    result = OLS(rows[:, -1], rows[:, :-1]).fit(use_t=False)
    return Estimate(
        variables=variables,
        lag_order=lag_order,
        regressors=regressor_names(variables, lag_order=lag_order, trend=trend),
        parameters=result.params[:, None],
        standard_errors=result.bse[:, None],
        t_values=result.tvalues[:, None],
        p_values=result.pvalues[:, None],
        residuals=result.resid[:, None],
    )
