"""A look into one series has the numbers of statsmodels, called here on the same data, of R, JMulTi and SAS."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.tsa.vector_ar as vector_ar
from fit_sandbox import MACRO, level_forecasts, macro_frame
from inspections import config, matrix, observations
from statsmodels.datasets import macrodata
from statsmodels.stats.diagnostic import het_arch
from statsmodels.tsa.api import VAR

from penstock.models.inspection.estimates import estimate
from penstock.models.inspection.inspection import inspect_series
from penstock.models.inspection.residual_tests import arch, normality, portmanteau
from penstock.models.inspection.responses import error_decomposition, impulse_responses
from penstock.models.training.var_diagnostics import Subject
from penstock.udfs.var.deterministic import DeterministicTerms

GROWTH = np.diff(np.log(macro_frame()[list(MACRO)].to_numpy()), axis=0)
STEPS = 6
#: Of the log differences, lags 1 to 8 with a constant, by R 4.2.2, vars 1.6-1, VARselect: AIC, HQ, SC, FPE.
R_CRITERIA = {
    "aic": [-28.026308291432301, -28.015276207643872, -28.012683593303741, -28.009944259128080, -27.995190116061984,
            -27.957515216589336, -27.934148269034946, -27.926352874087048],
    "hqic": [-27.944457917183446, -27.872038052708373, -27.808057657681598, -27.743930542819296, -27.667788619066560,
             -27.568725938907271, -27.483971210666237, -27.414788035031695],
    "bic": [-27.824172735201579, -27.661538984240110, -27.507344702726936, -27.353003701378235, -27.186647891139099,
            -26.997371324493411, -26.822402709765981, -26.663005647645040],
    "fpe": [6.7349841257848613e-13, 6.8102173062763580e-13, 6.8291278662330271e-13, 6.8501145867234163e-13,
            6.9555692756958261e-13, 7.2281324830933308e-13, 7.4067915872445946e-13, 7.4750925706025631e-13],
}  # fmt: skip
#: Of Luetkepohl's West German data to 1978, VAR(2), as the SAS/ETS User's Guide prints it (The VARMAX Procedure,
#: example "Analysis of German Economic Variables"): of each equation the constant, then the lags 1 and 2.
SAS_COEFFICIENTS = {
    "inv": (-0.01672, -0.31963, 0.14599, 0.96122, -0.16055, 0.11460, 0.93439),
    "inc": (0.01577, 0.04393, -0.15273, 0.28850, 0.05003, 0.01917, -0.01020),
    "con": (0.01293, -0.00242, 0.22481, -0.26397, 0.03388, 0.35491, -0.02223),
}
#: Of that model: shares of the variance of the forecast error at steps 1 to 6 that comes from investment, income,
#: consumption. By their definition (Luetkepohl 2005, section 2.3.3) from NumPy's least squares and Cholesky factor;
#: statsmodels' `fevd` has the same five decimals.
SHARES = {
    "inv": [(1, 0, 0), (0.95996, 0.01751, 0.02253), (0.94565, 0.02802, 0.02633), (0.94079, 0.02936, 0.02985),
            (0.93846, 0.03018, 0.03136), (0.93831, 0.03025, 0.03145)],
    "inc": [(0.01754, 0.98246, 0), (0.06025, 0.90747, 0.03228), (0.06959, 0.89576, 0.03465),
            (0.06831, 0.89232, 0.03937), (0.06850, 0.89212, 0.03938), (0.06924, 0.89141, 0.03935)],
    "con": [(0.07995, 0.27292, 0.64713), (0.07725, 0.27385, 0.64890), (0.12973, 0.33364, 0.53663),
            (0.12870, 0.33499, 0.53631), (0.12859, 0.33924, 0.53217), (0.12852, 0.33963, 0.53185)],
}  # fmt: skip


@pytest.fixture(scope="module")
def macro():
    """Three lags, so that there is something to see."""
    return inspect_series(observations(macro_frame()), config(fit__max_lags=3, fit__criterion="null"), steps=STEPS)


@pytest.fixture(scope="module")
def theirs():
    return VAR(pd.DataFrame(GROWTH, columns=list(MACRO))).fit(3)


def test_coefficients_and_their_errors_are_those_of_statsmodels(macro, theirs):
    frame = macro.frame("coefficients")
    expected = {
        "fitted": theirs.params,
        "coefficient": theirs.params,
        "standard_error": theirs.stderr,
        "t_value": theirs.tvalues,
        "p_value": theirs.pvalues,
    }
    assert frame["regressor"].unique().tolist() == list(theirs.params.index)
    for column, values in expected.items():
        np.testing.assert_allclose(matrix(frame, "regressor", "equation", column), values, rtol=1e-7, err_msg=column)
    assert (macro.modelled.lag_order, macro.modelled.n_rows) == (3, theirs.nobs)
    assert macro.problems == ()


def test_lag_orders_have_the_criteria_of_r():
    frame = inspect_series(observations(macro_frame()), config()).frame("lag_orders").set_index("lag_order")
    for name, values in R_CRITERIA.items():
        np.testing.assert_allclose(frame.loc[1:, name], values, rtol=1e-12, err_msg=name)
    assert frame.index[frame["is_chosen"]].tolist() == [1 + int(np.argmin(R_CRITERIA["aic"]))]


def test_roots_and_the_correlation_of_residuals_are_those_of_statsmodels(macro, theirs):
    np.testing.assert_allclose(np.sort(macro.frame("roots")["modulus"]), np.sort(np.abs(theirs.roots)), rtol=1e-8)
    assert macro.modelled.root_modulus == pytest.approx(1 / np.abs(theirs.roots).min(), rel=1e-8)
    found = matrix(macro.frame("residual_correlations"), "variable", "other", "correlation")
    residuals = theirs.resid.to_numpy()
    np.testing.assert_allclose(found, np.corrcoef(residuals.T), rtol=1e-7)


def test_residual_tests_are_those_of_statsmodels(macro, theirs):
    found = macro.frame("residual_tests").set_index(["test", "variable"])
    found.index = [f"{test}: {variable}" if isinstance(variable, str) else test for test, variable in found.index]
    for name, adjusted in (("Portmanteau, 10 lags", False), ("adjusted Portmanteau, 10 lags", True)):
        test = theirs.test_whiteness(nlags=10, adjusted=adjusted)
        expected = [test.test_statistic, 9 * (10 - 3), test.pvalue]
        row = found.loc[name, ["statistic", "degrees_of_freedom", "p_value"]]
        np.testing.assert_allclose(row.astype(float), expected, rtol=1e-7)
    test = theirs.test_normality()
    np.testing.assert_allclose(found.loc["Jarque-Bera", "statistic"], test.test_statistic, rtol=1e-7)
    np.testing.assert_allclose(found.loc["Jarque-Bera", "p_value"], test.pvalue, rtol=1e-6)
    for variable in MACRO:
        statistic, p_value = het_arch(theirs.resid[variable].to_numpy(), nlags=5, result_object=True)[:2]
        row = found.loc[f"ARCH-LM, 5 lags: {variable}", ["statistic", "p_value"]]
        np.testing.assert_allclose(row.astype(float), [statistic, p_value], rtol=1e-7)


def test_granger_causality_is_that_of_statsmodels_by_each_and_by_all_others(macro, theirs):
    found = macro.frame("granger_causality").set_index(["causing", "caused"])
    assert len(found) == 6 + 3
    for causing, caused in found.index:
        test = theirs.test_causality(caused, causing.split(", "), kind="f")
        row = found.loc[(causing, caused), ["statistic", "critical_value", "p_value"]]
        np.testing.assert_allclose(row.astype(float), [test.test_statistic, test.crit_value, test.pvalue], rtol=1e-7)


def test_responses_and_decomposition_are_those_of_statsmodels(macro, theirs):
    responses = macro.frame("impulse_responses")
    irf, decomposition = theirs.irf(STEPS), theirs.fevd(STEPS).decomp
    for column, expected in {
        "orthogonalised": irf.orth_irfs,
        "cumulated": irf.orth_cum_effects,
        "unit": irf.irfs,
    }.items():
        for (impulse, response), part in responses.groupby(["impulse", "response"]):
            values = expected[:, MACRO.index(response), MACRO.index(impulse)]
            np.testing.assert_allclose(part[column], values, rtol=1e-7, atol=1e-12)
    for (variable, impulse), part in macro.frame("error_decomposition").groupby(["variable", "impulse"]):
        values = decomposition[MACRO.index(variable), :, MACRO.index(impulse)]
        np.testing.assert_allclose(part["share"], values, rtol=1e-7, atol=1e-12)


def test_the_forecast_is_that_of_statsmodels_in_levels(macro, theirs):
    expected = level_forecasts(macro_frame()[list(MACRO)].to_numpy(), VAR(GROWTH).fit(3), steps=STEPS)
    frame = macro.frame("forecast")
    for column, values in zip(("forecast", "lower", "upper"), expected, strict=True):
        np.testing.assert_allclose(matrix(frame, "step", "variable", column), values, rtol=1e-8)
    assert frame["ds"].dt.strftime("%Y-%m-%d").tolist()[:2] == ["2009-10-01", "2010-01-01"]


def test_a_model_is_the_one_that_sas_publishes_and_has_the_shares_of_its_forecast_errors(west_german):
    names = ["inv", "inc", "con"]
    values = pd.DataFrame(west_german, columns=names)
    found = estimate(Subject(series_id="WG", lag_order=2, values=values), terms=DeterministicTerms()).result
    for place, name in enumerate(names):
        np.testing.assert_allclose(np.asarray(found.params)[:, place], SAS_COEFFICIENTS[name], atol=5.1e-6)
    frame = error_decomposition(found.coefs, found.sigma_u, names, steps=6)
    for variable, rows in SHARES.items():
        part = frame[frame["variable"] == variable]
        np.testing.assert_allclose(matrix(part, "step", "impulse", "share"), rows, atol=5.1e-6)


@pytest.fixture
def west_german():
    """Log differences of the first 76 quarters of e1."""
    path = Path(vector_ar.__file__).parent / "tests" / "results" / "e1.dat"
    rows = [line.split() for line in path.read_text().splitlines() if len(line.split()) == 3]
    numbers = [row for row in rows if all(word.isdigit() for word in row)]
    return np.diff(np.log(np.array(numbers, dtype=float)[:76]), axis=0)


@pytest.fixture
def jmulti():
    """JMulTi's example: levels, four lags, a constant; its order of the variables."""
    names = ["realcons", "realgdp", "realinv"]
    levels = macrodata.load_pandas().data[names]
    return estimate(Subject(series_id="US", lag_order=4, values=levels), terms=DeterministicTerms()), names


def test_tests_are_those_that_jmulti_publishes(jmulti):
    """statsmodels ships JMulTi's output: macrodata_jmulti_c_diag.txt."""
    found, _ = jmulti
    assert portmanteau(found, 16, adjusted=False).statistic == pytest.approx(110.1008, abs=5e-5)
    assert portmanteau(found, 16, adjusted=True).statistic == pytest.approx(115.6053, abs=5e-5)
    assert portmanteau(found, 16, adjusted=True).p_value == pytest.approx(0.2908, abs=5e-5)
    assert normality(found).statistic == pytest.approx(41.7946, abs=5e-5)
    assert [arch(found, place, 16).statistic for place in range(3)] == pytest.approx(
        [9.6251, 24.1933, 19.1173], abs=5e-5
    )


def test_unit_responses_are_those_that_jmulti_publishes(jmulti):
    """macrodata_jmulti_c_ir.txt: of realgdp to realcons, and of realinv to realgdp."""
    found, names = jmulti
    frame = impulse_responses(found.result.coefs, found.result.sigma_u, names, steps=4)
    parts = {pair: part["unit"].tolist() for pair, part in frame.groupby(["impulse", "response"])}
    assert parts["realcons", "realgdp"] == pytest.approx([0, 1.2682, 2.1793, 3.1582, 3.8166], abs=5e-5)
    assert parts["realgdp", "realinv"] == pytest.approx([0, -0.1534, -0.3076, -0.7807, -1.1184], abs=5e-5)
