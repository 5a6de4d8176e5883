"""The fleet as an MLflow model: its answers are statsmodels' answers, by whatever door."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from itertools import pairwise
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.api import VAR
from var_frames import answers, window
from var_truth import MACRO, macro_levels, simulated

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings, empty_fit
from penstock.udfs.var.fleet_save import fleet_model_parts, save_fleet_model

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(autouse=True)
def _no_pickle(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.setenv("PENSTOCK_MODEL_CACHE", str(tmp_path / "cache"))


def dlog_truth(levels, fit, *, cutoff, horizon):
    """Forecast and bounds in levels from statsmodels' results on the log differences."""
    values = np.diff(np.log(levels[:cutoff]), axis=0)
    points = np.log(levels[cutoff - 1]) + np.cumsum(_forecast_from(fit, values, horizon=horizon), axis=0)
    psi = fit.irf(horizon).cum_effects[:horizon]
    widths = 1.959963984540054 * np.sqrt(np.cumsum([np.diag(one @ fit.sigma_u @ one.T) for one in psi], axis=0))
    return np.exp(points), np.exp(points - widths), np.exp(points + widths)


def _forecast_from(fit, values, *, horizon):
    """statsmodels counts time from the end of the sample it was fitted on: tell it where we are."""
    total = fit.n_totobs
    try:
        fit._results.n_totobs = len(values)
        return fit.forecast(values[-fit.k_ar :], horizon)
    finally:
        fit._results.n_totobs = total


@pytest.mark.parametrize("trend", ["n", "c", "ct", "ctt"])
def test_us_macro_in_levels(tmp_path, trend):
    """Fitted to 2005, asked at the end of the fit and at each of the next quarters: GDP in dollars."""
    levels = macro_levels()
    n_fit = 185
    dates = pd.date_range("1959-01-01", periods=len(levels), freq="QS")
    settings = FitSettings(transforms=("dlog",) * 3, max_lags=8, criterion="aic", trend=trend, horizon=6)
    fit = fit_fleet(levels[:n_fit], np.array([0, n_fit]), settings)
    save_fleet_model(
        tmp_path / "model",
        fit,
        ids=["usa"],
        variables=MACRO,
        frequency="QS",
        last_ds=dates[n_fit - 1 : n_fit].to_numpy(),
    )
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    values = np.diff(np.log(levels[:n_fit]), axis=0)
    theirs = VAR(values).fit(int(VAR(values).select_order(8, trend=trend).aic), trend=trend)
    lags = theirs.k_ar + 1
    cutoffs = range(n_fit, len(levels) + 1)
    frame = pd.DataFrame(
        [window(levels[:cutoff], MACRO, lags=lags, series_id="usa", ds=dates[cutoff - 1]) for cutoff in cutoffs]
    )
    out = model.predict(frame)
    assert out["lag_order"].tolist() == [theirs.k_ar] * len(frame)
    assert out["needed"].tolist() == [lags] * len(frame)
    for row, cutoff in enumerate(cutoffs):
        want = dlog_truth(levels, theirs, cutoff=cutoff, horizon=6)
        for bound, expected in zip(("forecast", "lower", "upper"), want, strict=True):
            np.testing.assert_allclose(answers(out, MACRO, bound, row=row), expected, rtol=1e-10)


@pytest.fixture
def small_fleet(tmp_path):
    """Three series with orders 0..3 chosen by BIC, one refused, string ids; the model's folder and the
    pieces."""
    white = np.random.default_rng(3).normal(size=(90, 2))
    strong = np.zeros((120, 2))
    noise = np.random.default_rng(4).normal(size=(120, 2))
    for t in range(2, 120):
        strong[t] = 0.5 * strong[t - 1] - 0.6 * strong[t - 2] + noise[t]
    pieces = {"weiß": white, "gone": np.ones((50, 2)), "strong": strong, "ar": simulated(2, 1, 100, seed=8)}
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces.values()])])
    settings = FitSettings(transforms=("none", "none"), max_lags=3, criterion="bic", horizon=3)
    fit = fit_fleet(np.concatenate(list(pieces.values())), offsets, settings)
    save_fleet_model(tmp_path / "fleet", fit, ids=list(pieces), variables=("u", "v"), frequency="5min")
    return tmp_path / "fleet", pieces, fit


def test_each_series_its_own_model(small_fleet):
    path, pieces, fit = small_fleet
    model = mlflow.pyfunc.load_model(str(path))
    lags = int(fit.lag_order.max())
    names = ["strong", "weiß", "nobody", "gone", "ar", "strong"]
    frame = pd.DataFrame(
        [
            window(pieces.get(name, pieces["ar"]), ("u", "v"), lags=lags, series_id=name, ds="2024-01-01")
            for name in names
        ],
        index=[7, 3, 9, 1, 0, 5],
    )
    out = model.predict(frame)
    assert out.index.tolist() == [7, 3, 9, 1, 0, 5]
    orders = []
    for row, name in enumerate(names):
        if name in ("nobody", "gone"):
            # No such series; refused for the first (and only) reason that the model has.
            assert out.iloc[row]["lag_order"] == {"nobody": -1, "gone": -2}[name]
            assert out.iloc[row]["needed"] == 0
            assert out.iloc[row, 2:].isna().all()
            continue
        piece = pieces[name]
        theirs = VAR(piece).fit(3, ic="bic")
        orders.append(theirs.k_ar)
        assert out.iloc[row]["lag_order"] == theirs.k_ar
        assert out.iloc[row]["needed"] == max(1, theirs.k_ar)
        want = theirs.forecast_interval(piece[-max(1, theirs.k_ar) :], 3)
        for bound, expected in zip(("forecast", "lower", "upper"), want, strict=True):
            np.testing.assert_allclose(answers(out, ("u", "v"), bound, row=row), expected, rtol=1e-10, atol=1e-10)
    assert set(orders) >= {0, 2}, "the fleet should mix lag orders"


def test_too_few_lags_give_nan_and_say_what_is_needed(small_fleet):
    path, pieces, _ = small_fleet
    model = mlflow.pyfunc.load_model(str(path))
    lags = len([name for name in model.metadata.get_input_schema().input_names() if name.startswith("u_lag")])
    frame = pd.DataFrame(
        [
            window(pieces["strong"][-n:], ("u", "v"), lags=lags, series_id="strong", ds="2024-01-01")
            for n in range(1, lags + 1)
        ]
    )
    holed = frame.iloc[-1:].copy()
    holed["v_lag0"] = np.nan
    infinite = frame.iloc[-1:].copy()
    infinite["u_lag1"] = np.inf
    out = model.predict(pd.concat([frame, holed, infinite], ignore_index=True))
    needed = int(out["needed"].iloc[0])
    assert needed == 2
    is_made = out.iloc[:, 2:].notna().all(axis=1).tolist()
    is_empty = out.iloc[:, 2:].isna().all(axis=1).tolist()
    expected = [n >= needed for n in range(1, lags + 1)] + [False, False]
    assert is_made == expected
    assert is_empty == [not made for made in expected]


def test_a_row_does_not_depend_on_its_batch(small_fleet):
    """To the last bit, blocks of 4096 rows included."""
    path, _, fit = small_fleet
    model = mlflow.pyfunc.load_model(str(path)).unwrap_python_model()
    random = np.random.default_rng(0)
    names = random.choice(["strong", "weiß", "nobody", "ar"], 9_000)
    columns = {"series_id": names.astype(object), "ds": np.full(9_000, np.datetime64("2024-01-01", "ns"))}
    for lag in range(int(fit.lag_order.max())):
        for variable in ("u", "v"):
            columns[f"{variable}_lag{lag}"] = random.normal(size=9_000)
    frame = pd.DataFrame(columns)
    whole = model.predict(None, frame)
    order = random.permutation(9_000)
    cuts = [0, 1, 18, 5_000, 9_000]
    pieces_out = [model.predict(None, frame.iloc[order[a:b]]) for a, b in pairwise(cuts)]
    pd.testing.assert_frame_equal(pd.concat(pieces_out), whole.iloc[order], check_exact=True)
    assert model.predict(None, frame.iloc[:0]).shape == (0, whole.shape[1])


def test_mixed_transforms_and_integer_ids(tmp_path):
    """Against statsmodels on the transformed columns, transformed back by hand."""
    base = simulated(3, 1, 150, seed=21)
    levels = np.column_stack(
        [np.exp(np.cumsum(base[:, 0]) * 0.02), np.exp(0.1 * base[:, 1]) * 50, np.cumsum(base[:, 2])]
    )
    settings = FitSettings(transforms=("dlog", "log", "diff"), max_lags=2, horizon=4, level=0.8)
    fit = fit_fleet(levels, np.array([0, 150]), settings)
    save_fleet_model(tmp_path / "m", fit, ids=[-5], variables=("a", "b", "c"), frequency="D")
    model = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    values = np.column_stack([np.diff(np.log(levels[:, 0])), np.log(levels[1:, 1]), np.diff(levels[:, 2])])
    theirs = VAR(values).fit(2)
    points = theirs.forecast(values[-2:], 4)
    phi, psi = theirs.irf(4).irfs[:4], theirs.irf(4).cum_effects[:4]
    weights = np.where(np.array([True, False, True])[:, None], psi, phi)
    widths = 1.2815515655446004 * np.sqrt(np.cumsum([np.diag(one @ theirs.sigma_u @ one.T) for one in weights], axis=0))
    scale = points.copy()
    scale[:, 0] = np.log(levels[-1, 0]) + np.cumsum(points[:, 0])
    scale[:, 2] = levels[-1, 2] + np.cumsum(points[:, 2])
    frame = pd.DataFrame(
        [window(levels, ("a", "b", "c"), lags=3, series_id=i, ds="2024-01-01") for i in (-5, 5)]
        + [
            window(
                np.where(np.arange(3) == 1, -levels, levels),
                ("a", "b", "c"),
                lags=3,
                series_id=-5,
                ds="2024-01-01",
            )
        ]
    )
    out = model.predict(frame)
    assert out["lag_order"].tolist() == [2, -1, 2]
    assert out["needed"].tolist() == [3, 0, 3]
    for bound, sign in (("forecast", 0), ("lower", -1), ("upper", 1)):
        want = scale + sign * widths
        want[:, :2] = np.exp(want[:, :2])
        np.testing.assert_allclose(answers(out, ("a", "b", "c"), bound), want, rtol=1e-10)
    assert out.iloc[1:, 2:].isna().all(axis=None), "unknown series, and the log of a negative level"


def test_a_cutoff_off_the_calendar_has_no_forecast(tmp_path):
    values = simulated(2, 1, 100, seed=2)
    settings = FitSettings(transforms=("none", "none"), max_lags=1, trend="ct", horizon=2)
    fit = fit_fleet(values, np.array([0, 100]), settings)
    last = np.array(["2024-01-31T12:00"], dtype="datetime64[ns]")
    save_fleet_model(tmp_path / "m", fit, ids=["s"], variables=("u", "v"), frequency="h", last_ds=last)
    model = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    rows = [window(values, ("u", "v"), lags=1, series_id="s", ds=f"2024-01-31 {t}") for t in ("12:00", "12:30")]
    out = model.predict(pd.DataFrame(rows))
    theirs = VAR(values).fit(1, trend="ct").forecast(values[-1:], 2)
    np.testing.assert_allclose(answers(out, ("u", "v"), "forecast"), theirs, rtol=1e-10)
    assert out.iloc[1, 2:].isna().all()
    assert out["lag_order"].tolist() == [1, 1]


def test_an_empty_fleet_knows_no_series(tmp_path):
    fit = empty_fit(FitSettings(transforms=("none",), max_lags=1, horizon=2), n_series=0)
    save_fleet_model(tmp_path / "m", fit, ids=[], variables=("u",), frequency="D")
    model = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    out = model.predict(pd.DataFrame([window(np.ones((1, 1)), ("u",), lags=1, series_id="s", ds="2024-01-01")]))
    assert out["lag_order"].tolist() == [-1]
    assert out.iloc[:, 2:].isna().all(axis=None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ids": ["a", "b"]}, "2 ids for 1 series"),
        ({"variables": ("u", "u")}, "different names"),
        ({"last_ds": None}, "needs last_ds"),
        ({"last_ds": np.array(["2024-01-07"], dtype="M8[ns]"), "frequency": "W-MON"}, "not on the calendar"),
    ],
)
def test_what_cannot_be_saved(tmp_path, options, message):
    values = simulated(2, 1, 100, seed=2)
    settings = FitSettings(transforms=("none", "none"), max_lags=1, trend="ct")
    fit = fit_fleet(values, np.array([0, 100]), settings)
    usual = {
        "ids": ["a"],
        "variables": ("u", "v"),
        "frequency": "D",
        "last_ds": np.array(["2024-01-01"], dtype="M8[ns]"),
    }
    with pytest.raises(ValueError, match=message):
        save_fleet_model(tmp_path / "m", fit, **{**usual, **options})


def test_it_can_be_logged_and_registered(tmp_path):
    values = simulated(2, 1, 100, seed=2)
    fit = fit_fleet(values, np.array([0, 100]), FitSettings(transforms=("none", "none"), max_lags=1))
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    try:
        mlflow.create_experiment("e", artifact_location=str(tmp_path / "artifacts"))
        mlflow.set_experiment("e")
        with (
            mlflow.start_run(),
            fleet_model_parts(fit, ids=[1], variables=("u", "v"), frequency="D") as parts,
        ):
            mlflow.pyfunc.log_model(name="model", registered_model_name="fleet", **parts)
        model = mlflow.pyfunc.load_model("models:/fleet/1")
    finally:
        mlflow.set_tracking_uri(None)
    out = model.predict(pd.DataFrame([window(values, ("u", "v"), lags=1, series_id=1, ds="2024-01-01")]))
    np.testing.assert_allclose(
        answers(out, ("u", "v"), "forecast"), VAR(values).fit(1).forecast(values[-1:], 8), rtol=1e-10
    )


def test_no_file_of_the_model_is_a_pickle(small_fleet):
    path, _, _ = small_fleet
    files = [file for file in path.rglob("*") if file.is_file()]
    assert not [file for file in files if file.suffix in (".pkl", ".pickle", ".cloudpickle")]
    for file in files:
        assert not file.read_bytes().startswith(b"\x80"), f"{file} starts like a pickle"


@pytest.fixture
def model_server(small_fleet, tmp_path):
    """`mlflow models serve` from the model's folder alone: it runs where `udfs` can't be imported."""
    path, _, _ = small_fleet
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # MLflow starts `uvicorn` by name
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(path), "-p", str(port)]
    server = subprocess.Popen(
        [*command, "-h", "127.0.0.1", "--env-manager", "local"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    yield port, server
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGTERM)
    server.communicate(timeout=120)


def test_mlflow_serve_gives_the_same_numbers(small_fleet, model_server):
    path, pieces, fit = small_fleet
    port, server = model_server
    lags = int(fit.lag_order.max())
    rows = [
        window(pieces["strong"], ("u", "v"), lags=lags, series_id="strong", ds="2024-01-01"),
        window(pieces["ar"][-1:], ("u", "v"), lags=lags, series_id="ar", ds="2024-01-01"),
    ]
    frame = pd.DataFrame(rows)
    direct = mlflow.pyfunc.load_model(str(path)).predict(frame)
    body = frame.to_json(orient="split", date_format="iso", double_precision=15)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        data=f'{{"dataframe_split": {body}}}'.encode(),
        headers={"Content-Type": "application/json"},
    )
    until = time.monotonic() + 300
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                served = pd.DataFrame(json.load(response)["predictions"])
            break
        except urllib.error.HTTPError as error:
            pytest.fail(error.read().decode()[:2000])
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > until or server.poll() is not None:
                raise
            time.sleep(0.3)
    pd.testing.assert_frame_equal(served.astype(float), direct.astype(float), rtol=1e-12)
