"""A look into a series whose model has more than lags and a trend: a season, or a prior."""

import numpy as np
from fit_sandbox import MACRO, macro_frame
from inspections import config, matrix, observations
from season_truth import dummies
from statsmodels.regression.linear_model import OLS
from statsmodels.tsa.api import VAR

from penstock.models.inspection.inspection import inspect_series
from penstock.models.inspection.text import as_text

GROWTH = np.diff(np.log(macro_frame()[list(MACRO)].to_numpy()), axis=0)
SEASON = dummies(4, np.arange(1, len(GROWTH) + 1))


def test_a_season_is_among_the_regressors():
    found = inspect_series(
        observations(macro_frame()), config(fit__max_lags=2, fit__criterion="null", fit__season=4), steps=4
    )
    assert found.problems == ()
    theirs = VAR(GROWTH, exog=SEASON).fit(2, trend="c")
    frame = found.frame("coefficients")
    assert frame["regressor"].tolist()[:5] == ["const", *(f"season of 4: phase {n}" for n in (1, 2, 3)), "L1.realgdp"]
    for column, expected in (
        ("coefficient", theirs.params),
        ("fitted", theirs.params),
        ("standard_error", theirs.stderr),
    ):
        np.testing.assert_allclose(matrix(frame, "regressor", "equation", column), expected, rtol=1e-6, atol=1e-10)
    path = theirs.forecast(GROWTH[-2:], 4, exog_future=dummies(4, len(GROWTH) + np.arange(1, 5)))
    levels = macro_frame()[list(MACRO)].to_numpy()[-1] * np.exp(np.cumsum(path, axis=0))
    np.testing.assert_allclose(matrix(found.frame("forecast"), "step", "variable", "forecast"), levels, rtol=1e-8)


def test_a_season_of_one_variable():
    found = inspect_series(
        observations(macro_frame(), variables=MACRO[:1]),
        config(
            series={"variables": MACRO[:1], "transform": {MACRO[0]: "dlog"}},
            fit__max_lags=2,
            fit__criterion="null",
            fit__season=4,
        ),
        steps=4,
    )
    y = GROWTH[:, 0]
    columns = np.column_stack([np.ones(len(y) - 2), SEASON[2:], y[1:-1], y[:-2]])
    theirs = OLS(y[2:], columns).fit()
    frame = found.frame("coefficients")
    np.testing.assert_allclose(frame["coefficient"], theirs.params, rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(frame["standard_error"], theirs.bse, rtol=1e-6)


def test_with_a_prior_there_are_no_statistics_of_least_squares():
    found = inspect_series(
        observations(macro_frame()), config(fit__max_lags=2, fit__criterion="null", fit__prior="minnesota"), steps=4
    )
    assert found.problems == ("prior minnesota: standard errors and tests of residuals are of least squares",)
    names = [table.name for table in found.tables]
    assert "coefficients" in names
    assert "forecast" in names
    assert not {"lag_orders", "residual_tests", "granger_causality"} & set(names)
    assert found.frame("coefficients")["standard_error"].isna().all()


def test_what_a_prior_fits_though_residuals_are_combinations():
    frame = macro_frame().assign(realinv=macro_frame()["realgdp"])
    found = inspect_series(
        observations(frame), config(fit__max_lags=2, fit__criterion="null", fit__prior="minnesota"), steps=4
    )
    assert found.refused is None
    assert {problem.partition(":")[0] for problem in found.problems[1:]} == {"impulse_responses", "error_decomposition"}
    assert found.frame("forecast")["forecast"].notna().all()
    text = as_text(found)
    assert "prior minnesota with tightness 0.2 and decay 1" in text
    assert "statsmodels    has seen nothing" in text
