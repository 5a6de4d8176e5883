"""A look into a series with exogenous variables has the numbers of statsmodels' `VAR(endog, exog)`."""

import json

import numpy as np
import pandas as pd
import pytest
from exogenous_truth import driven
from fit_sandbox import MACRO, QUANTILE
from inspections import config, observations
from statsmodels.tsa.api import VAR

from penstock.models.inspection.inspection import inspect_series

N, STEPS = 110, 5
LEVELS, KNOWN = driven(3, 2, N + STEPS, seed=21)
LEVELS = 100 * np.exp(0.02 * np.cumsum(LEVELS, axis=0))
GROWTH = np.diff(np.log(LEVELS[:N]), axis=0)


def frame_of(levels):
    dates = pd.date_range("1990-01-01", periods=len(levels), freq="QS")
    return pd.DataFrame(levels, columns=list(MACRO)).assign(series_id="usa", ds=dates)[["series_id", "ds", *MACRO]]


def inspected(path, known):
    """known: (n, 2), from 1990 on, of all series."""
    dates = pd.date_range("1990-01-01", periods=len(known), freq="QS")
    file = path / "known.parquet"
    pd.DataFrame(known, columns=["price", "sale"]).assign(ds=dates).to_parquet(file, index=False)
    exogenous = json.dumps({"path": str(file), "columns": ["price", "sale"]})
    given = config(fit__max_lags=2, fit__criterion="null", series__exogenous=exogenous)
    return inspect_series(observations(frame_of(LEVELS[:N])), given, steps=STEPS)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return inspected(tmp_path_factory.mktemp("known"), KNOWN)


@pytest.fixture(scope="module")
def theirs():
    model = VAR(pd.DataFrame(GROWTH, columns=list(MACRO)), exog=pd.DataFrame(KNOWN[1:N], columns=["price", "sale"]))
    return model.fit(2)


def test_coefficients_are_those_of_statsmodels(found, theirs):
    assert found.problems == ()
    assert "exogenous price, sale" in found.settings
    frame = found.frame("coefficients")
    for equation in MACRO:
        own = frame[frame["equation"] == equation].set_index("regressor")
        assert own.index.tolist() == theirs.params.index.tolist()
        assert own.index[:3].tolist() == ["const", "price", "sale"]
        for column, values in (
            ("fitted", theirs.params),
            ("coefficient", theirs.params),
            ("standard_error", theirs.stderr),
            ("t_value", theirs.tvalues),
            ("p_value", theirs.pvalues),
        ):
            np.testing.assert_allclose(own[column], values[equation], rtol=1e-8, atol=1e-10)


def test_lag_orders_are_those_of_select_order(found):
    theirs = VAR(GROWTH, exog=KNOWN[1:N]).select_order(2)
    for name in ("aic", "bic", "hqic", "fpe"):
        np.testing.assert_allclose(found.frame("lag_orders")[name], theirs.ics[name], rtol=1e-8)


def test_forecasts_are_those_of_statsmodels(found, theirs):
    steps = theirs.forecast(GROWTH[-theirs.k_ar :], STEPS, exog_future=KNOWN[N:])
    points = np.log(LEVELS[N - 1]) + np.cumsum(steps, axis=0)
    psi = theirs.irf(STEPS).cum_effects[:STEPS]
    sigma_u = np.asarray(theirs.sigma_u)
    width = QUANTILE * np.sqrt(np.cumsum([np.diag(one @ sigma_u @ one.T) for one in psi], axis=0))
    frame = found.frame("forecast")
    for place, name in enumerate(MACRO):
        own = frame[frame["variable"] == name]
        for bound, values in (("forecast", points), ("lower", points - width), ("upper", points + width)):
            np.testing.assert_allclose(own[bound], np.exp(values[:, place]), rtol=1e-8)


def test_their_values_are_described(found):
    own = found.frame("exogenous").set_index("variable")
    assert own[["values", "missing", "ahead"]].to_numpy().tolist() == [[N, 0, STEPS]] * 2
    np.testing.assert_allclose(own["mean"], KNOWN[:N].mean(axis=0), rtol=1e-12)


def test_a_missing_value_ahead_is_a_problem_by_name_and_time(tmp_path):
    found = inspected(tmp_path, KNOWN[: N + 2])
    assert found.problems == ("forecast: price has no value at 2018-01-01",)
    assert found.frame("exogenous")["ahead"].tolist() == [2, 2]


def test_a_missing_value_in_the_past_leaves_statsmodels_the_longest_run(tmp_path):
    known = KNOWN.copy()
    known[10, 1] = np.nan
    found = inspected(tmp_path, known)
    assert found.problems == ()
    assert (found.modelled.rows_left_out, found.modelled.n_rows) == (1, N - 1 - 2 - 1)
    assert (found.modelled.seen.n_runs, found.modelled.seen.n_observations) == (2, N - 11)
    theirs = VAR(GROWTH[10:], exog=known[11:N]).fit(2)
    own = found.frame("coefficients")
    np.testing.assert_allclose(own[own["equation"] == MACRO[0]]["coefficient"], theirs.params[:, 0], rtol=1e-8)


def test_a_refusal_says_what_to_do(tmp_path):
    known = KNOWN.copy()
    known[:, 1] = 3.0
    found = inspected(tmp_path, known)
    assert found.refused.startswith("collinear: exogenous variable sale does not vary in the rows of the fit")
    assert found.hint.startswith("leave it out of series.exogenous.columns")
