"""Rows at the edge: just enough lags, one number missing, levels without a logarithm; and a fleet out of
order."""

from __future__ import annotations

import mlflow
import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.api import VAR
from var_frames import answers, window
from var_truth import simulated

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_save import save_fleet_model

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_MODEL_CACHE", str(tmp_path / "cache"))


def loaded(path, pieces, *, ids, variables, frequency="D", last_ds=None, **options):
    """Fit, save and load a fleet."""
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    fit = fit_fleet(np.concatenate(pieces), offsets, FitSettings(**options))
    save_fleet_model(path, fit, ids=ids, variables=variables, frequency=frequency, last_ds=last_ds)
    return mlflow.pyfunc.load_model(str(path)), fit


@pytest.mark.parametrize("kind", ["string", "long"])
def test_forty_series_each_with_its_own_order_and_clock(tmp_path, kind):
    """Lengths, lag orders and ends differ; ids are stored in another order than they came."""
    random = np.random.default_rng(12)
    pieces = [simulated(2, 1 + i % 3, int(random.integers(50, 90)), seed=i) for i in range(40)]
    for i, piece in enumerate(pieces):
        piece[:, 0] += 0.01 * i * np.arange(len(piece))
    pieces[17] = np.ones((60, 2))  # refused: what comes after it must keep its own id and clock
    names = random.permutation(40) * 7 - 100
    ids = [f"n{name}" for name in names] if kind == "string" else names
    ends = np.datetime64("2024-01-01", "ns") + np.arange(40) * np.timedelta64(1, "D")
    model, fit = loaded(
        tmp_path / "m",
        pieces,
        ids=ids,
        variables=("u", "v"),
        last_ds=ends,
        transforms=("none", "none"),
        max_lags=4,
        criterion="aic",
        trend="ct",
        horizon=3,
    )
    lags = int(fit.lag_order.max())
    rows = [
        window(piece, ("u", "v"), lags=lags, series_id=name, ds=end)
        for piece, name, end in zip(pieces, ids, ends, strict=True)
    ]
    out = model.predict(pd.DataFrame(rows))
    orders = set()
    assert [refusal.position for refusal in fit.refused] == [17]
    for row, piece in enumerate(pieces):
        if row == 17:
            assert out["lag_order"].iloc[row] == -2  # refused, for the first reason that the model has
            continue
        order = int(VAR(piece).select_order(4, trend="ct").aic)
        orders.add(order)
        assert out["lag_order"].iloc[row] == order
        want = VAR(piece).fit(order, trend="ct").forecast_interval(piece[-max(order, 1) :], 3)
        for bound, expected in zip(("forecast", "lower", "upper"), want, strict=True):
            np.testing.assert_allclose(answers(out, ("u", "v"), bound, row=row), expected, rtol=1e-9, atol=1e-9)
    assert len(orders) > 2


def test_a_short_series_with_enough_lags_for_its_own_order(tmp_path):
    short, deep = simulated(2, 1, 90, seed=8), np.zeros((150, 2))
    noise = np.random.default_rng(5).normal(size=(150, 2))
    for t in range(3, 150):
        deep[t] = 0.7 * deep[t - 3] + noise[t]
    model, fit = loaded(
        tmp_path / "m",
        [short, deep],
        ids=["short", "deep"],
        variables=("u", "v"),
        transforms=("none", "none"),
        max_lags=3,
        criterion="bic",
        horizon=4,
    )
    order = int(fit.lag_order[0])
    assert (order, int(fit.lag_order[1])) == (VAR(short).select_order(3).bic, 3)
    assert order < 3
    row = window(short[-max(order, 1) :], ("u", "v"), lags=3, series_id="short", ds="2024-01-01")
    out = model.predict(pd.DataFrame([row]))
    want = VAR(short).fit(order).forecast(short[-max(order, 1) :], 4)
    np.testing.assert_allclose(answers(out, ("u", "v"), "forecast"), want, rtol=1e-10)


def test_an_incomplete_observation_does_not_count(tmp_path):
    """The oldest observation serves the differenced variable alone, but a hole in the other one is a hole."""
    levels = np.column_stack([np.cumsum(simulated(1, 1, 90, seed=1)[:, 0]), simulated(1, 1, 90, seed=2)[:, 0]])
    model, _ = loaded(
        tmp_path / "m",
        [levels],
        ids=["s"],
        variables=("d", "y"),
        transforms=("diff", "none"),
        max_lags=1,
        horizon=2,
    )
    whole = window(levels, ("d", "y"), lags=2, series_id="s", ds="2024-01-01")
    out = model.predict(pd.DataFrame([whole, {**whole, "y_lag1": np.nan}, {**whole, "d_lag1": np.nan}]))
    assert out["needed"].tolist() == [2, 2, 2]
    assert out.iloc[:, 2:].notna().all(axis=1).tolist() == [True, False, False]
    assert out.iloc[:, 2:].isna().all(axis=1).tolist() == [False, True, True]


@pytest.mark.parametrize("transform", ["log", "dlog"])
@pytest.mark.parametrize("max_lags", [0, 1])
@pytest.mark.parametrize("level", [0.0, -1.0, np.nan, np.inf])
def test_a_level_without_logarithm_has_no_forecast(tmp_path, transform, max_lags, level):
    random = np.random.default_rng(3)
    levels = np.exp(np.cumsum(random.normal(size=(90, 2)), axis=0) * 0.02)
    model, _ = loaded(
        tmp_path / "m",
        [levels],
        ids=["s"],
        variables=("u", "v"),
        transforms=(transform, "none"),
        max_lags=max_lags,
        horizon=2,
    )
    lags = max(1, max_lags + (transform == "dlog"))
    whole = window(levels, ("u", "v"), lags=lags, series_id="s", ds="2024-01-01")
    out = model.predict(pd.DataFrame([whole, {**whole, "u_lag0": level}]))
    assert out.iloc[0, 2:].notna().all()
    is_a_number_unused = transform == "log" and max_lags == 0 and np.isfinite(level)
    assert out.iloc[1, 2:].notna().all() == is_a_number_unused
    assert out.iloc[1, 2:].isna().all() != is_a_number_unused
