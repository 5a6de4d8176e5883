"""Tables of what statsmodels says of a series: standard errors, roots, tests of residuals, Granger causality."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from statsmodels.tsa.vector_ar.util import comp_matrix

from penstock.models.inspection.estimates import Estimate, estimate, regressor_names
from penstock.models.inspection.fit_tables import parameters_of
from penstock.models.inspection.report import Layout, ReportTable
from penstock.models.inspection.residual_tests import STATSMODELS_ERRORS, correlations, residual_tests
from penstock.models.training.var_diagnostics import Subject
from penstock.models.training.var_statistics import causality_table, roots_table
from penstock.udfs.var.fleet_fit import FitSettings, FleetFit

#: Relative to the largest coefficient of an equation.
SAME_COEFFICIENTS = 1e-6


def statsmodels_estimate(subject: Subject, settings: FitSettings) -> tuple[Estimate | None, list[str]]:
    """None, and why, if statsmodels can't fit it."""
    if settings.prior != "none":
        return None, [f"prior {settings.prior}: standard errors and tests of residuals are of least squares"]
    try:
        return estimate(subject, terms=settings.terms), []
    except STATSMODELS_ERRORS as error:
        return None, [f"statsmodels could not fit it: {error}"]


def coefficients_table(fit: FleetFit, found: Estimate | None, *, n_holes: int) -> tuple[ReportTable, list[str]]:
    """equation, regressor, fitted (of the fit's own model), and statsmodels' coefficient, standard_error, t_value,
    p_value; with a problem if both should be the same and are not."""
    names, own = fit.settings.names, parameters_of(fit)
    regressors = regressor_names(names, lag_order=int(fit.lag_order[0]), terms=fit.settings.terms)
    unknown = np.full(own.shape, np.nan)
    columns = {
        "fitted": own,
        "coefficient": found.parameters if found else unknown,
        "standard_error": found.standard_errors if found else unknown,
        "t_value": found.t_values if found else unknown,
        "p_value": found.p_values if found else unknown,
    }
    frame = pd.DataFrame(
        [
            (equation, regressor, *(values[row, place] for values in columns.values()))
            for place, equation in enumerate(names)
            for row, regressor in enumerate(regressors)
        ],
        columns=["equation", "regressor", *columns],
    )
    same = (
        "`fitted` has the coefficients of the fit, the others are statsmodels'; the series has no holes, so that both "
    )
    other = "`fitted` has the coefficients of the fit, on all rows; the others are statsmodels', on the longest run "
    note = other + "without holes alone." if n_holes else same + "are the same."
    if found is None:
        note = "`fitted` has the coefficients of the fit; there are none of statsmodels."
    problems = []
    if found and not n_holes and not is_same(own, found.parameters):
        difference = np.abs(own - found.parameters).max()
        problems.append(f"coefficients: statsmodels' differ from those of the fit, by up to {difference:.3g}")
    return ReportTable(name="coefficients", title="Coefficients", frame=frame, note=note), problems


def is_same(own: np.ndarray, other: np.ndarray) -> bool:
    return bool((np.abs(own - other) <= SAME_COEFFICIENTS * np.abs(own).max(axis=0)).all())


def roots_of(fit: FleetFit) -> ReportTable:
    """Of the fit's own model. Raises ValueError if it has no lags."""
    if not fit.lag_order[0]:
        raise ValueError("a VAR(0) has no roots")
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = 1.0 / np.linalg.eigvals(comp_matrix(fit.coefficients[0, : fit.lag_order[0]])).astype(complex)
    ordered = roots[np.argsort(np.abs(roots), kind="stable")]
    note = "Of the fit's characteristic polynomial, the smallest first: stable if all lie outside the unit circle."
    return ReportTable(name="roots", title="Roots", frame=roots_table(ordered), note=note)


def causality_of(found: Estimate, *, on: str = "") -> ReportTable:
    """on: for the note, which observations it is of. Raises ValueError for a single variable, or without lags."""
    if found.result is None:
        raise ValueError("a single variable has no others to be caused by")
    if not found.lag_order:
        raise ValueError("a VAR(0) has no lags of other variables")
    return ReportTable(
        name="granger_causality",
        title="Granger causality",
        frame=causality_table(found.result, jointly=True),
        note=on + "F tests; null hypothesis: the lags of `causing` do not help to forecast `caused`. At 5%.",
    )


def residual_tables(found: Estimate, *, on: str = "") -> tuple[list[ReportTable], list[str]]:
    """on: for the notes, which observations they are of."""
    tests, problems = residual_tests(found)
    correlation = ReportTable(
        name="residual_correlations",
        title="Correlation of residuals",
        frame=correlations(found),
        note=on.strip(),
        layout=Layout(rows="variable", columns="other", value="correlation"),
    )
    note = f"{on}The null hypothesis says how the residuals are; a small p-value speaks against it."
    return [
        correlation,
        ReportTable(name="residual_tests", title="Tests of residuals", frame=tests, note=note),
    ], problems


def attempted(name: str, compute: Callable[[], ReportTable]) -> tuple[list[ReportTable], list[str]]:
    """The table, or why it can't be computed."""
    try:
        return [compute()], []
    except STATSMODELS_ERRORS as error:
        return [], [f"{name}: {error}"]
