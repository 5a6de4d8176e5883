"""A look into a series with holes, with one variable, without a model, and what it is written as."""

import json

import numpy as np
import pandas as pd
import pytest
from fit_sandbox import MACRO, fleet_frame, macro_frame, random_levels
from inspections import PROJECT, config, matrix, observations
from statsmodels.stats.diagnostic import acorr_ljungbox
from statsmodels.tsa.api import VAR
from statsmodels.tsa.ar_model import AutoReg
from var_loop import looped

from penstock.config.loading import load_config
from penstock.errors import ConfigError
from penstock.models.inspection.inspection import inspect_series
from penstock.models.inspection.text import as_json, as_text
from penstock.models.inspection.writing import write_inspection
from penstock.udfs.var.fleet_calendar import next_periods

ONE = {"variables": ["realgdp"], "transform": {"realgdp": "dlog"}}
FIXED = {"fit__max_lags": 2, "fit__criterion": "null"}


@pytest.fixture(scope="module")
def holed():
    """Without the quarters 60 and 150."""
    kept = macro_frame().drop(index=[60, 150])
    return kept, inspect_series(observations(kept), config(**FIXED), steps=4)


def test_with_holes_the_fit_has_all_rows_and_statsmodels_the_longest_run(holed):
    kept, found = holed
    ours = looped(kept[list(MACRO)].to_numpy(), kept.index.to_numpy(), max_lags=2, transforms=("dlog",) * 3)
    longest = np.diff(np.log(kept.loc[61:149, list(MACRO)].to_numpy()), axis=0)
    theirs = VAR(longest).fit(2)
    frame = found.frame("coefficients")
    own = np.concatenate([ours.terms, *(one.T for one in ours.coefs)])
    np.testing.assert_allclose(matrix(frame, "regressor", "equation", "fitted"), own, rtol=1e-7, atol=1e-10)
    for column, expected in (("coefficient", theirs.params), ("standard_error", theirs.stderr)):
        np.testing.assert_allclose(matrix(frame, "regressor", "equation", column), expected, rtol=1e-7)
    assert (found.modelled.n_rows, found.modelled.seen.n_observations) == (ours.n_rows, len(longest))
    assert found.observed.holes == ("1973-10-01", "1996-04-01")
    text = " ".join(as_text(found).split())
    assert "statsmodels has seen the longest of 3 runs: 88 transformed observations, 1974-07-01 to 1996-04-01" in text
    assert "On the longest run without holes, 88 observations. F tests" in text


def test_with_holes_responses_are_of_the_fits_own_coefficients(holed):
    kept, found = holed
    ours = looped(kept[list(MACRO)].to_numpy(), kept.index.to_numpy(), max_lags=2, transforms=("dlog",) * 3)
    part = found.frame("impulse_responses").query("impulse == 'realcons' and step == 1")
    expected = ours.coefs[0] @ np.linalg.cholesky(ours.sigma_u)[:, 1]
    np.testing.assert_allclose(part["orthogonalised"], expected, rtol=1e-7)


def test_a_forecast_needs_its_lags_without_a_hole():
    kept = macro_frame().drop(index=[201])
    found = inspect_series(observations(kept), config(**FIXED))
    assert "forecast: the last 1 observations follow a hole, and the model needs 3 in succession" in found.problems
    with pytest.raises(KeyError):
        found.frame("forecast")
    assert "forecast: the last 1 observations" in as_text(found)


def test_of_one_variable_it_is_an_autoregression():
    frame = macro_frame()[["series_id", "ds", "realgdp"]]
    found = inspect_series(observations(frame, variables=["realgdp"]), config(series=ONE, **FIXED), steps=3)
    growth = np.diff(np.log(frame["realgdp"].to_numpy()))
    theirs = AutoReg(growth, lags=2, trend="c").fit()
    rows = found.frame("coefficients")
    assert rows["regressor"].tolist() == ["const", "L1.realgdp", "L2.realgdp"]
    for column in ("fitted", "coefficient"):
        np.testing.assert_allclose(rows[column], theirs.params, rtol=1e-8)
    # AutoReg divides the squares by the rows, a VAR by the degrees of freedom.
    degrees = theirs.nobs / (theirs.nobs - 3)
    np.testing.assert_allclose(rows["standard_error"], theirs.bse * np.sqrt(degrees), rtol=1e-8)
    expected = acorr_ljungbox(theirs.resid, lags=[10], model_df=2, boxpierce=True).iloc[0]
    tests = found.frame("residual_tests").set_index("test")
    assert tests.loc["Ljung-Box, 10 lags", "statistic"] == pytest.approx(expected["lb_stat"], rel=1e-7)
    assert tests.loc["Box-Pierce, 10 lags", "p_value"] == pytest.approx(expected["bp_pvalue"], rel=1e-7)
    np.testing.assert_allclose(np.sort(found.frame("roots")["modulus"]), np.sort(np.abs(theirs.roots)), rtol=1e-8)
    spread = np.sqrt(theirs.resid @ theirs.resid / (theirs.nobs - 3))
    responses = found.frame("impulse_responses")
    np.testing.assert_allclose(responses["orthogonalised"], spread * by_hand(theirs.params[1:]), rtol=1e-8)
    assert (found.frame("error_decomposition")["share"] == 1).all()
    assert found.problems == ("granger_causality: a single variable has no others to be caused by",)


def by_hand(coefficients):
    """Responses of an AR(2) to a shock of 1, at steps 0 to 3."""
    a, b = coefficients
    return np.array([1, a, a**2 + b, a**3 + 2 * a * b])


@pytest.mark.parametrize(
    ("change", "reason", "hint"),
    [
        (lambda frame: frame[:20], "too short: 19 observations after the transform, 27 needed", "wait for more"),
        (lambda frame: frame.assign(realinv=5.0), "constant: realinv after its transform", "leave this variable"),
        (lambda frame: frame.assign(realinv=frame["realgdp"]), "collinear: realinv", "a copy of one"),
        (lambda frame: frame.assign(ds=frame["ds"] + pd.Timedelta("3d")), "no observation is on", "penstock init"),
        (lambda frame: frame.assign(realinv=None), "no observation has a value", "never there"),
        (lambda frame: pd.concat([frame, frame.assign(realgdp=1.0)]), "conflict", "newer file"),
        (lambda frame: frame.assign(realinv=-1.0 * frame["realinv"]), "log of a level", "none or diff"),
    ],
)
def test_of_a_refused_series_it_says_why_and_what_helps(change, reason, hint):
    found = inspect_series(observations(change(macro_frame())), config())
    assert found.refused.startswith(reason)
    assert hint in found.hint
    assert found.modelled is None
    assert [table.name for table in found.tables] == ["variables"]
    text = " ".join(as_text(found).split())
    assert f"refused {found.refused}" in text
    assert f"what helps {found.hint}" in text
    assert json.loads(as_json(found))["refused"] == found.refused


def test_an_unstable_series_is_hinted_to_differences():
    levels = 1.2 ** np.arange(60.0)[:, None] + np.random.default_rng(1).normal(size=(60, 3))
    frame = fleet_frame({"usa": levels})
    found = inspect_series(observations(frame), config(series={"transform": {}}, **FIXED))
    assert found.refused.startswith("unstable")
    assert "difference the variables" in found.hint


def test_what_statsmodels_can_not_compute_is_said_and_the_rest_is_there():
    """Without lags there are neither roots nor causes."""
    found = inspect_series(observations(macro_frame()), config(fit__criterion="bic", fit__max_lags=1), steps=2)
    noise = np.exp(np.cumsum(np.random.default_rng(3).normal(size=(120, 3)), axis=0) / 100)
    without = inspect_series(observations(fleet_frame({"usa": noise})), config(fit__criterion="bic"), steps=2)
    assert (found.modelled.lag_order, found.problems) == (1, ())
    assert without.modelled.lag_order == 0
    assert [problem.split(":")[0] for problem in without.problems] == ["roots", "granger_causality"]
    assert len(without.frame("forecast")) == 2 * 3


def test_a_pipeline_of_rows_has_no_series():
    with pytest.raises(ConfigError, match="wine is a pipeline of rows; inspect is for series"):
        inspect_series(observations(macro_frame()), load_config([PROJECT / "conf" / "wine.yaml"]))


def test_tables_are_written_as_csv_and_say_the_same_as_the_json(tmp_path, holed):
    _, found = holed
    paths = write_inspection(found, tmp_path / "out" / "usa")
    assert sorted(path.name for path in paths) == sorted(path.name for path in (tmp_path / "out" / "usa").iterdir())
    assert (tmp_path / "out" / "usa" / "report.txt").read_text() == as_text(found) + "\n"
    assert (tmp_path / "out" / "usa" / "impulse_responses.png").read_bytes().startswith(b"\x89PNG")
    content = json.loads(as_json(found))
    assert set(content["tables"]) == {path.stem for path in paths if path.suffix == ".csv"}
    for name, rows in content["tables"].items():
        csv = pd.read_csv(tmp_path / "out" / "usa" / f"{name}.csv", dtype=str, keep_default_na=False)
        assert list(csv.columns) == list(rows[0])
        for column in csv.columns:
            if isinstance(rows[0][column], float):
                np.testing.assert_array_equal(csv[column].astype(float), [row[column] for row in rows])


def test_names_of_variables_may_be_anything():
    names = ['a "quoted" one', "step", "impulse"]
    frame = fleet_frame({"usa": random_levels(80, seed=5)}).rename(columns=dict(zip(MACRO, names, strict=True)))
    changed = {"variables": names, "transform": {}}
    found = inspect_series(observations(frame, variables=names), config(series=changed, **FIXED), steps=2)
    assert found.problems == ()
    assert 'impulse a "quoted" one:' in as_text(found)
    assert {row["impulse"] for row in json.loads(as_json(found))["tables"]["impulse_responses"]} == set(names)


@pytest.mark.parametrize(
    ("start", "frequency", "holidays", "expected"),
    [
        ("2026-01-31", "ME", (), ["2026-02-28", "2026-03-31"]),
        ("2026-04-02", "B", ("2026-04-03", "2026-04-06"), ["2026-04-07", "2026-04-08"]),
        ("2026-02-27", "BME", (), ["2026-03-31", "2026-04-30"]),
        ("2026-01-04", "W-SUN", (), ["2026-01-11", "2026-01-18"]),
        ("2025-11-01", "QS-FEB", (), ["2026-02-01", "2026-05-01"]),
        ("2024-12-31", "YE", (), ["2025-12-31", "2026-12-31"]),
        ("2024-12-31 23:45", "15min", (), ["2025-01-01 00:00", "2025-01-01 00:15"]),
    ],
)
def test_the_next_periods_are_those_of_the_calendar(start, frequency, holidays, expected):
    """From a printed calendar."""
    found = pd.DatetimeIndex(next_periods(np.datetime64(start), periods=2, frequency=frequency, holidays=holidays))
    assert found.tolist() == [pd.Timestamp(day) for day in expected]
