"""A VAR of one series by statsmodels, with standard errors and residuals; of a single variable an AR by its OLS."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from statsmodels.regression.linear_model import OLS
from statsmodels.tsa.api import VAR
from statsmodels.tsa.vector_ar.util import make_lag_names

from penstock.models.training.var_diagnostics import Subject
from penstock.udfs.var.deterministic import DeterministicTerms
from penstock.udfs.var.kernel import FloatArray
from penstock.udfs.var.least_squares import design


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Of k variables, m regressors of each equation, and T rows, p of whose lags are complete.

    parameters, standard_errors, t_values, p_values: (m, k), deterministic terms first, then lag by lag; p-values by the
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


def regressor_names(variables: tuple[str, ...], *, lag_order: int, terms: DeterministicTerms) -> tuple[str, ...]:
    """As statsmodels names them: `const`, `trend`, `L1.realgdp`; those of a season and exogenous variables between."""
    names = make_lag_names(list(variables), lag_order, terms.n_trend)
    return (*names[: terms.n_trend], *terms.names[terms.n_trend :], *names[terms.n_trend :])


def estimate(subject: Subject, *, terms: DeterministicTerms) -> Estimate:
    """Raises what statsmodels and numpy raise."""
    variables = tuple(subject.values.columns)
    given = subject.given_columns(terms)
    if len(variables) == 1:
        return estimate_one(subject, variables, terms=terms)
    # Without dates, of whose frequency statsmodels would warn.
    exog = None if given is None else given.reset_index(drop=True)
    result = VAR(subject.values.reset_index(drop=True), exog=exog).fit(subject.lag_order, trend=terms.trend)
    return Estimate(
        variables=variables,
        lag_order=subject.lag_order,
        regressors=regressor_names(variables, lag_order=subject.lag_order, terms=terms),
        parameters=np.asarray(result.params),
        standard_errors=np.asarray(result.stderr),
        t_values=np.asarray(result.tvalues),
        p_values=np.asarray(result.pvalues),
        residuals=np.asarray(result.resid),
        result=result,
    )


def estimate_one(subject: Subject, variables: tuple[str, ...], *, terms: DeterministicTerms) -> Estimate:
    """Of a subject with one variable."""
    values, p = subject.values.to_numpy(), subject.lag_order
    of_trend = replace(terms, season=0.0, fourier=0, exogenous=())
    rows = design(values[None], np.array([len(values)]), lag_order=p, first_row=p, terms=of_trend)[0]
    given = subject.given_columns(terms)
    if given is not None:
        rows = np.insert(rows, [terms.n_trend] * given.shape[1], given.to_numpy()[p:], axis=1)
    result = OLS(rows[:, -1], rows[:, :-1]).fit(use_t=False)
    return Estimate(
        variables=variables,
        lag_order=p,
        regressors=regressor_names(variables, lag_order=p, terms=terms),
        parameters=result.params[:, None],
        standard_errors=result.bse[:, None],
        t_values=result.tvalues[:, None],
        p_values=result.pvalues[:, None],
        residuals=result.resid[:, None],
    )
