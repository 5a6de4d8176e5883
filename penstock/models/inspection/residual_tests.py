"""Tests of the residuals of one series by statsmodels: autocorrelation, normality, conditional heteroscedasticity."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from statsmodels.stats.diagnostic import acorr_ljungbox, het_arch
from statsmodels.stats.stattools import jarque_bera

from penstock.models.inspection.estimates import Estimate
from penstock.models.training.var_statistics import whiteness_lags

ARCH_LAGS = 5
#: What statsmodels raises where it can't compute something; besides ValueError it is numpy's.
STATSMODELS_ERRORS = (ValueError, ArithmeticError, LookupError, RuntimeError)
WHITE, NORMAL, EVEN = "no autocorrelation", "normal", "a constant variance"


@dataclass(frozen=True, kw_only=True)
class Tested:
    statistic: float
    degrees: int
    p_value: float


def residual_tests(found: Estimate) -> tuple[pd.DataFrame, list[str]]:
    """test, variable (all together: null), null_hypothesis (what the residuals are by it), statistic,
    degrees_of_freedom (of chi squared), p_value; and the tests that can't be computed, with the reason."""
    rows, problems = [], []
    for name, variable, null, compute in tests_of(found):
        try:
            tested = compute()
        except STATSMODELS_ERRORS as error:
            problems.append(f"{name}: {error}")
        else:
            rows.append((name, variable, null, tested.statistic, tested.degrees, tested.p_value))
    columns = ["test", "variable", "null_hypothesis", "statistic", "degrees_of_freedom", "p_value"]
    return pd.DataFrame(rows, columns=columns), problems


def tests_of(found: Estimate) -> Iterator[tuple[str, str | None, str, Callable[[], Tested]]]:
    n_lags = whiteness_lags(found.lag_order)
    if found.result is None:
        yield f"Box-Pierce, {n_lags} lags", None, WHITE, lambda: portmanteau_of_one(found, n_lags, "bp")
        yield f"Ljung-Box, {n_lags} lags", None, WHITE, lambda: portmanteau_of_one(found, n_lags, "lb")
    else:
        yield f"Portmanteau, {n_lags} lags", None, WHITE, lambda: portmanteau(found, n_lags, adjusted=False)
        yield f"adjusted Portmanteau, {n_lags} lags", None, WHITE, lambda: portmanteau(found, n_lags, adjusted=True)
    yield "Jarque-Bera", None, NORMAL, lambda: normality(found)
    for place, variable in enumerate(found.variables):
        yield f"ARCH-LM, {ARCH_LAGS} lags", variable, EVEN, lambda place=place: arch(found, place, ARCH_LAGS)  # type: ignore[misc]


def portmanteau(found: Estimate, n_lags: int, *, adjusted: bool) -> Tested:
    """Luetkepohl 2005, section 4.4.3."""
    check_rows(found, n_lags)
    test = found.result.test_whiteness(nlags=n_lags, adjusted=adjusted)  # type: ignore[union-attr]
    return Tested(statistic=float(test.test_statistic), degrees=int(test.df), p_value=float(test.pvalue))


def portmanteau_of_one(found: Estimate, n_lags: int, name: str) -> Tested:
    check_rows(found, n_lags)
    test = acorr_ljungbox(found.residuals[:, 0], lags=[n_lags], model_df=found.lag_order, boxpierce=True).iloc[0]
    return Tested(
        statistic=float(test[f"{name}_stat"]), degrees=n_lags - found.lag_order, p_value=float(test[f"{name}_pvalue"])
    )


def check_rows(found: Estimate, n_lags: int) -> None:
    if len(found.residuals) <= n_lags:
        raise ValueError(f"{len(found.residuals)} residuals, more than {n_lags} needed")


def normality(found: Estimate) -> Tested:
    """Of all variables together (Luetkepohl 2005, section 4.5)."""
    if found.result is None:
        statistic, p_value, _, _ = jarque_bera(found.residuals[:, 0])
        return Tested(statistic=float(statistic), degrees=2, p_value=float(p_value))
    test = found.result.test_normality()
    return Tested(statistic=float(test.test_statistic), degrees=int(test.df), p_value=float(test.pvalue))


def arch(found: Estimate, place: int, n_lags: int) -> Tested:
    """Engle's Lagrange multiplier test of one equation."""
    check_rows(found, 2 * n_lags + 1)
    test = het_arch(found.residuals[:, place], nlags=n_lags, result_object=True)
    return Tested(statistic=float(test.lm), degrees=n_lags, p_value=float(test.lmpval))


def correlations(found: Estimate) -> pd.DataFrame:
    """variable, other, correlation: of the residuals."""
    matrix = np.atleast_2d(np.corrcoef(found.residuals, rowvar=False))
    return pd.DataFrame(
        [
            (one, other, matrix[i, j])
            for i, one in enumerate(found.variables)
            for j, other in enumerate(found.variables)
        ],
        columns=["variable", "other", "correlation"],
    )
