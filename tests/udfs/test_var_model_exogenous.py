"""Forecasts of a saved fleet with exogenous variables are statsmodels' with the same future values."""

from __future__ import annotations

import json
from dataclasses import asdict

import mlflow
import numpy as np
import pandas as pd
import pytest
from exogenous_truth import NAMES, driven, fit_driven
from season_truth import columns, seasonal
from statsmodels.tsa.api import VAR
from var_frames import answers, window

from penstock.config.exogenous import lead_column
from penstock.udfs.var.fleet_forecast import lead_columns
from penstock.udfs.var.fleet_save import FLEET_METADATA, save_fleet_model
from penstock.udfs.var.fleet_store import FleetAbout

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
CLOSE = {"rtol": 1e-8, "atol": 1e-8}
VARIABLES = ("u", "v")
HORIZON = 5
FITTED = 120


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_MODEL_CACHE", str(tmp_path / "cache"))


def saved(path, pieces, known, **options):
    """The model of the first FITTED periods of each piece, daily from 2024-01-01, loaded."""
    options = {"max_lags": 2, "horizon": HORIZON} | options
    fit = fit_driven([piece[:FITTED] for piece in pieces], [values[:FITTED] for values in known], **options)
    last = np.datetime64("2024-01-01", "ns") + np.timedelta64(FITTED - 1, "D")
    save_fleet_model(
        path / "m",
        fit,
        ids=[f"s{i}" for i in range(len(pieces))],
        variables=VARIABLES,
        frequency="D",
        last_ds=np.full(len(pieces), last),
    )
    return mlflow.pyfunc.load_model(str(path / "m"))


def row_of(levels, known, *, series_id, cutoff=FITTED - 1, lags=2):
    """An input row at the period `cutoff`, from 0."""
    ds = pd.Timestamp("2024-01-01") + pd.Timedelta(days=cutoff)
    row = window(levels[: cutoff + 1], VARIABLES, lags=lags, series_id=series_id, ds=ds)
    for step in range(1, HORIZON + 1):
        for name, value in zip(NAMES, known[cutoff + step], strict=False):
            row[lead_column(name, step)] = value
    return row


@pytest.mark.parametrize("trend", ["n", "c", "ct", "ctt"])
@pytest.mark.parametrize("season", [0, 7])
@pytest.mark.parametrize("q", [1, 2, 3])
def test_forecasts_and_intervals_equal_statsmodels(tmp_path, trend, season, q):
    pairs = [driven(2, q, 140, seed=i) for i in range(3)]
    pattern = seasonal(2, 140, season=7, seed=9)
    pieces, known = [levels + pattern for levels, _ in pairs], [values for _, values in pairs]
    model = saved(tmp_path, pieces, known, trend=trend, season=season)
    found = model.predict(
        pd.DataFrame(
            [row_of(piece, x, series_id=f"s{i}") for i, (piece, x) in enumerate(zip(pieces, known, strict=True))]
        )
    )
    for row, (piece, x) in enumerate(zip(pieces, known, strict=True)):
        exog = np.hstack([columns(season, 0, np.arange(1, 141)), x]) if season else x
        theirs = VAR(piece[:FITTED], exog=exog[:FITTED]).fit(2, trend=trend)
        ahead = exog[FITTED : FITTED + HORIZON]
        expected = theirs.forecast_interval(piece[FITTED - 2 : FITTED], HORIZON, exog_future=ahead)
        for bound, values in zip(("forecast", "lower", "upper"), expected, strict=True):
            np.testing.assert_allclose(answers(found, VARIABLES, bound, row=row), values, **CLOSE)
        by_point = theirs.forecast(piece[FITTED - 2 : FITTED], HORIZON, exog_future=ahead)
        np.testing.assert_allclose(answers(found, VARIABLES, "forecast", row=row), by_point, **CLOSE)


@pytest.mark.parametrize("transform", ["diff", "dlog", "log"])
def test_transformed_variables(tmp_path, transform):
    """Forecasts of levels are statsmodels' of differences and logs, summed up and exponentiated."""
    levels, known = driven(2, 2, 140, seed=3)
    levels = np.exp(0.02 * np.cumsum(levels, axis=0)) if transform != "log" else np.exp(0.1 * levels)
    model = saved(tmp_path, [levels], [known], transforms=(transform,) * 2)
    is_difference = transform in ("diff", "dlog")
    found = model.predict(pd.DataFrame([row_of(levels, known, series_id="s0", lags=3 if is_difference else 2)]))
    scale = levels if transform == "diff" else np.log(levels)
    y, x = (np.diff(scale, axis=0), known[1:]) if is_difference else (scale, known)
    n = FITTED - int(is_difference)
    theirs = VAR(y[:n], exog=x[:n]).fit(2).forecast(y[n - 2 : n], HORIZON, exog_future=x[n : n + HORIZON])
    expected = scale[FITTED - 1] + np.cumsum(theirs, axis=0) if is_difference else theirs
    expected = expected if transform == "diff" else np.exp(expected)
    np.testing.assert_allclose(answers(found, VARIABLES, "forecast"), expected, rtol=1e-8)


def test_a_row_that_lacks_a_value_of_any_step_has_no_forecast(tmp_path):
    levels, known = driven(2, 2, 140, seed=3)
    model = saved(tmp_path, [levels], [known])
    whole = row_of(levels, known, series_id="s0")
    rows = [whole, *({**whole, lead_column("sale", step): np.nan} for step in (1, 3, HORIZON)), whole]
    found = model.predict(pd.DataFrame(rows))
    assert found["u_forecast_1"].isna().tolist() == [False, True, True, True, False]
    assert found.filter(regex="forecast|lower|upper").isna().all(axis=1).tolist() == [False, True, True, True, False]
    assert (found["lag_order"] == 2).all()
    pd.testing.assert_series_equal(found.iloc[0], found.iloc[4], check_names=False)
    # as frames of a stream have them: no column at all, or one of nulls
    without = model.predict(pd.DataFrame([whole]).drop(columns=lead_column("price", 2)))
    assert without["u_forecast_1"].isna().all()


def test_later_cutoffs_take_later_values(tmp_path):
    """By a plain loop over the steps, 10 periods after the end of the fit."""
    levels, known = driven(2, 2, 140, seed=3)
    model = saved(tmp_path, [levels], [known])
    found = model.predict(pd.DataFrame([row_of(levels, known, series_id="s0", cutoff=FITTED + 9)]))
    theirs = VAR(levels[:FITTED], exog=known[:FITTED]).fit(2)
    points = [*levels[FITTED + 8 : FITTED + 10]]
    for step in range(HORIZON):
        terms = theirs.coefs_exog @ [1.0, *known[FITTED + 10 + step]]
        points.append(terms + theirs.coefs[0] @ points[-1] + theirs.coefs[1] @ points[-2])
    np.testing.assert_allclose(answers(found, VARIABLES, "forecast"), points[2:], **CLOSE)


def test_the_fallback_takes_the_place_of_a_missing_value(tmp_path):
    levels, known = driven(2, 1, 140, seed=3)
    model = saved(tmp_path, [levels], [known], fallback="naive")
    whole = row_of(levels, known, series_id="s0")
    found = model.predict(pd.DataFrame([whole, {**whole, lead_column("price", 2): np.nan}]))
    assert found["method"].tolist() == [0, 1]
    np.testing.assert_array_equal(answers(found, VARIABLES, "forecast", row=1), [levels[FITTED - 1]] * HORIZON)


def test_the_signature_and_the_metadata_name_them(tmp_path):
    levels, known = driven(2, 2, 140, seed=3)
    model = saved(tmp_path, [levels], [known])
    names = [name for step in range(1, HORIZON + 1) for name in (f"price_lead{step}", f"sale_lead{step}")]
    inputs = model.metadata.signature.inputs
    assert inputs.input_names()[-len(names) :] == names
    assert [column.required for column in inputs.inputs] == [True] * (2 + 2 * 2) + [False] * len(names)
    assert {str(column.type) for column in inputs.inputs[2:]} == {"DataType.double"}
    assert model.metadata.metadata[FLEET_METADATA]["exogenous"] == ["price", "sale"]


def test_without_exogenous_variables_the_model_does_not_name_any(tmp_path):
    levels, known = driven(2, 1, 140, seed=3)
    model = saved(tmp_path, [levels], [known[:, :0]])
    assert not [name for name in model.metadata.signature.inputs.input_names() if "lead" in name]
    assert "exogenous" not in model.metadata.metadata[FLEET_METADATA]


def test_the_names_of_the_leads_are_those_of_the_config():
    about = FleetAbout(("y",), ("none",), "c", "D", 2, 0.95, 1, ids_are_strings=True, anchor="", exogenous=("a", "b"))
    assert lead_columns(about) == [lead_column(name, step) for step in (1, 2) for name in ("a", "b")]


def test_a_fleet_of_an_earlier_version_has_no_exogenous_variables():
    about = FleetAbout(("x",), ("none",), "ct", "MS", 8, 0.95, 2, ids_are_strings=True, anchor="1970-01-01")
    earlier = {name: value for name, value in asdict(about).items() if name != "exogenous"}
    loaded = FleetAbout(**json.loads(json.dumps(earlier)))
    assert loaded.exogenous == ()
    assert loaded.record_splits == about.record_splits
    assert about.record_splits[-1] == 2 + 2 + 8
