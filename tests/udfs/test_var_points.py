"""Medians and means of levels: against the lognormal's formulas, simulated paths, and through a saved model."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
from holdouts import holdout_scores
from statsmodels.tsa.api import VAR
from var_frames import answers, window
from var_truth import MACRO, macro_levels

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_save import save_fleet_model
from penstock.udfs.var.fleet_store import open_store
from penstock.udfs.var.transform import scale_half_widths, scale_variances, to_levels

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
#: One lag, four variables, one of each transform, whose errors are correlated.
TRANSFORMS = ("dlog", "log", "diff", "none")
COEFFICIENTS = np.array(
    [[[0.5, 0.1, 0.0, 0.0], [0.1, 0.6, 0.0, 0.1], [0.0, 0.2, 0.4, 0.0], [0.1, 0.0, 0.1, 0.3]]],
)
SIGMA_U = np.array(
    [[0.020, 0.004, 0.001, 0.0], [0.004, 0.030, 0.0, 0.002], [0.001, 0.0, 0.020, 0.0], [0.0, 0.002, 0.0, 0.010]]
)
HORIZON, LEVEL = 8, 0.9


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_MODEL_CACHE", str(tmp_path / "cache"))


def test_the_mean_of_a_lognormal_by_its_formula():
    """A random walk of logs from 100 with sigma 0.3: after h steps median 100, mean 100 exp(h 0.09 / 2). A level in
    logs without memory has the same variance at each step, and a difference none of it."""
    transforms = ("dlog", "log", "diff")
    widths = scale_half_widths(
        coefficients=np.zeros((1, 1, 3, 3)),
        sigma_u=np.diag([0.09] * 3)[None],
        horizon=3,
        level=LEVEL,
        transforms=transforms,
    )[0][..., None]
    np.testing.assert_allclose(scale_variances(widths, level=LEVEL)[:, 0, 0], [0.09, 0.18, 0.27], rtol=1e-12)
    forecasts = np.zeros((3, 3, 1))
    forecasts[:, 1] = np.log(7.0)
    newest = np.array([np.log(100.0), np.log(5.0), 3.0])[:, None]
    given = {"newest": newest, "half_widths": widths, "transforms": transforms}
    medians, lower, upper = to_levels(forecasts, **given)
    means, mean_lower, mean_upper = to_levels(forecasts, **given, variances=scale_variances(widths, level=LEVEL))
    np.testing.assert_allclose(medians[:, :, 0], [[100.0, 7.0, 3.0]] * 3, rtol=1e-12)
    expected = [[100 * np.exp(h * 0.045), 7 * np.exp(0.045), 3.0] for h in (1, 2, 3)]
    np.testing.assert_allclose(means[:, :, 0], expected, rtol=1e-12)
    # Bounds are quantiles: they do not depend on what the point is.
    assert np.array_equal(lower, mean_lower)
    assert np.array_equal(upper, mean_upper)


def test_means_are_those_of_simulated_paths():
    """400,000 paths, levels built observation by observation: each variable's mean at each step within 4.5 standard
    errors of it (32 comparisons), where the medians of the logged ones are out by more than 20."""
    random = np.random.default_rng(11)
    n_paths = 400_000
    newest_values = np.array([0.02, np.log(30.0), 0.1, 2.0])
    levels = np.array([100.0, 30.0, 5.0, 2.0]) * np.ones((n_paths, 4))
    values, factor = newest_values * np.ones((n_paths, 4)), np.linalg.cholesky(SIGMA_U)
    simulated, forecasts = [], [newest_values]
    for _ in range(HORIZON):
        values = values @ COEFFICIENTS[0].T + random.normal(size=(n_paths, 4)) @ factor.T
        levels = np.column_stack(
            [levels[:, 0] * np.exp(values[:, 0]), np.exp(values[:, 1]), levels[:, 2] + values[:, 2], values[:, 3]]
        )
        simulated.append((levels.mean(axis=0), levels.std(axis=0) / np.sqrt(n_paths)))
        forecasts.append(COEFFICIENTS[0] @ forecasts[-1])
    widths = scale_half_widths(
        coefficients=COEFFICIENTS[None], sigma_u=SIGMA_U[None], horizon=HORIZON, level=LEVEL, transforms=TRANSFORMS
    )[0][..., None]
    given = {
        "newest": np.array([np.log(100.0), np.log(30.0), 5.0, 2.0])[:, None],
        "half_widths": widths,
        "transforms": TRANSFORMS,
    }
    points = np.stack(forecasts[1:])[..., None]
    means = to_levels(points, **given, variances=scale_variances(widths, level=LEVEL))[0][..., 0]
    medians = to_levels(points, **given)[0][..., 0]
    truth, standard_errors = (np.array(part) for part in zip(*simulated, strict=True))
    assert (np.abs(means - truth) < 4.5 * standard_errors).all()
    assert ((truth - medians)[:, :2] > 20 * standard_errors[:, :2]).all()
    np.testing.assert_array_equal(means[:, 2:], medians[:, 2:])


def saved(path, point):
    """Fitted on the log differences of US macro data up to 2005."""
    settings = FitSettings(transforms=("dlog",) * 3, max_lags=2, horizon=HORIZON, level=LEVEL, point=point)
    fit = fit_fleet(macro_levels()[:185], np.array([0, 185]), settings)
    save_fleet_model(path, fit, ids=["usa"], variables=MACRO, frequency="QS")
    return mlflow.pyfunc.load_model(str(path))


def points_of(model):
    frame = pd.DataFrame([window(macro_levels()[:185], MACRO, lags=3, series_id="usa", ds="2005-01-01")])
    return answers(model.predict(frame), MACRO, "forecast")


def test_a_model_gives_the_points_that_it_was_fitted_for(tmp_path):
    """exp of statsmodels' forecast of the log level, and of half its variance, from cumulated impulse responses."""
    levels = macro_levels()[:185]
    growth = np.diff(np.log(levels), axis=0)
    theirs = VAR(growth).fit(2)
    logs = np.log(levels[-1]) + np.cumsum(theirs.forecast(growth[-2:], HORIZON), axis=0)
    cumulated = theirs.irf(HORIZON).cum_effects[:HORIZON]
    variances = np.cumsum([np.diag(psi @ theirs.sigma_u @ psi.T) for psi in cumulated], axis=0)
    np.testing.assert_allclose(points_of(saved(tmp_path / "median", "median")), np.exp(logs), rtol=1e-10)
    np.testing.assert_allclose(points_of(saved(tmp_path / "mean", "mean")), np.exp(logs + variances / 2), rtol=1e-10)
    for point in ("median", "mean"):
        metadata = mlflow.models.Model.load(str(tmp_path / point)).metadata["penstock_fleet"]
        assert metadata["point"] == point


def test_a_fleet_of_an_earlier_version_gives_medians(tmp_path):
    saved(tmp_path / "m", "median")
    folder = tmp_path / "m" / "artifacts" / "fleet"
    manifest = json.loads((folder / "fleet.json").read_text())
    del manifest["about"]["point"]
    (folder / "fleet.json").write_text(json.dumps(manifest))
    assert open_store(folder).about.point == "median"


def test_hold_out_metrics_are_of_the_points_that_the_model_gives():
    """Of a random walk in logs without drift: the squared error of the mean is smaller, the absolute one larger."""
    random = np.random.default_rng(3)
    n_series, length = 4000, 44
    logs = np.cumsum(random.normal(scale=0.5, size=(n_series, length)), axis=1)
    levels, offsets = np.exp(logs).reshape(-1, 1), np.arange(n_series + 1) * length
    settings = {"transforms": ("dlog",), "max_lags": 1, "horizon": 1, "trend": "c"}
    scores = {
        point: holdout_scores(levels, offsets, FitSettings(**settings, point=point), holdout=1).sums[0, 2, 0]
        for point in ("median", "mean")
    }
    # The mean absolute scaled error (place 2) of one step.
    assert scores["mean"] > scores["median"]


def test_an_unknown_point_is_refused():
    with pytest.raises(ValueError, match="unknown point mode; use one of median, mean"):
        FitSettings(transforms=("log",), max_lags=1, point="mode")
