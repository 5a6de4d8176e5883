"""Intervals of several levels in one pass: those of statsmodels, one after the other."""

import json

import mlflow
import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.api import VAR
from var_frames import window
from var_truth import MACRO, macro_levels

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_forecast import output_name
from penstock.udfs.var.fleet_save import FLEET_METADATA, save_fleet_model
from penstock.udfs.var.fleet_store import open_store

HORIZON = 4
MAIN, FURTHER = 0.95, (0.5, 0.8)


def saved(path, transforms, *, levels=FURTHER, point="median"):
    settings = FitSettings(transforms=transforms, max_lags=2, horizon=HORIZON, level=MAIN, point=point)
    fit = fit_fleet(macro_levels(), np.array([0, len(macro_levels())]), settings)
    save_fleet_model(path, fit, ids=["usa"], variables=MACRO, frequency="QS", levels=levels)
    return mlflow.pyfunc.load_model(str(path))


def forecasts_of(model, *, lags):
    return model.predict(pd.DataFrame([window(macro_levels(), MACRO, lags=lags, series_id="usa", ds="2009-07-01")]))


def bounds(found, bound, level):
    further = None if level == MAIN else level
    return np.array(
        [[found[output_name(v, bound, step + 1, level=further)][0] for v in MACRO] for step in range(HORIZON)]
    )


@pytest.mark.parametrize("level", [*FURTHER, MAIN])
def test_each_level_is_statsmodels_interval(tmp_path, level):
    found = forecasts_of(saved(tmp_path / "m", ("none",) * 3), lags=2)
    _, lower, upper = VAR(macro_levels()).fit(2).forecast_interval(macro_levels()[-2:], HORIZON, alpha=1 - level)
    np.testing.assert_allclose(bounds(found, "lower", level), lower, rtol=1e-10)
    np.testing.assert_allclose(bounds(found, "upper", level), upper, rtol=1e-10)


@pytest.mark.parametrize("point", ["median", "mean"])
def test_each_level_of_growth_is_of_cumulated_errors(tmp_path, point):
    """The bounds are quantiles, whether the points are medians or means."""
    found = forecasts_of(saved(tmp_path / "m", ("dlog",) * 3, point=point), lags=3)
    growth = np.diff(np.log(macro_levels()), axis=0)
    theirs = VAR(growth).fit(2)
    logs = np.log(macro_levels()[-1]) + np.cumsum(theirs.forecast(growth[-2:], HORIZON), axis=0)
    cumulated = theirs.irf(HORIZON).cum_effects[:HORIZON]
    deviations = np.sqrt(np.cumsum([np.diag(psi @ theirs.sigma_u @ psi.T) for psi in cumulated], axis=0))
    # printed quantiles of the standard normal distribution, two-sided
    for level, quantile in ((0.5, 0.6744897501960817), (0.8, 1.2815515655446004), (0.95, 1.959963984540054)):
        np.testing.assert_allclose(bounds(found, "lower", level), np.exp(logs - quantile * deviations), rtol=1e-10)
        np.testing.assert_allclose(bounds(found, "upper", level), np.exp(logs + quantile * deviations), rtol=1e-10)


def test_further_levels_leave_the_main_one_as_it_is(tmp_path):
    several = forecasts_of(saved(tmp_path / "several", ("dlog", "none", "log")), lags=3)
    one = forecasts_of(saved(tmp_path / "one", ("dlog", "none", "log"), levels=()), lags=3)
    assert not set(one.columns) - set(several.columns)
    assert len(several.columns) == len(one.columns) + HORIZON * 3 * 2 * len(FURTHER)
    pd.testing.assert_frame_equal(several[one.columns], one, check_exact=True)


def test_the_signature_and_the_metadata_name_them(tmp_path):
    saved(tmp_path / "m", ("none",) * 3, levels=(0.995, 0.5))
    model = mlflow.models.Model.load(str(tmp_path / "m"))
    names = [column.name for column in model.signature.outputs]
    assert names[2:9] == [
        *(f"realgdp_{bound}_1" for bound in ("forecast", "lower", "upper")),
        *("realgdp_lower_1_50", "realgdp_upper_1_50", "realgdp_lower_1_99_5", "realgdp_upper_1_99_5"),
    ]
    assert model.metadata[FLEET_METADATA]["levels"] == [0.5, 0.995]


@pytest.mark.parametrize(
    ("level", "ending"), [(0.5, "50"), (0.9, "90"), (0.05, "5"), (0.995, "99_5"), (0.00001, "0_001"), (0.1 + 0.2, None)]
)
def test_a_level_in_a_name_is_in_percent(level, ending):
    ending = ending or "30_000000000000004"
    assert output_name("x", "lower", 3, level=level) == f"x_lower_3_{ending}"


@pytest.mark.parametrize("levels", [(0.95,), (0.5, 0.5), (1.0,), (0.0,)])
def test_levels_that_are_none_are_refused(tmp_path, levels):
    with pytest.raises(ValueError, match="level"):
        saved(tmp_path / "m", ("none",) * 3, levels=levels)


def test_a_fleet_of_an_earlier_version_has_one_level(tmp_path):
    saved(tmp_path / "m", ("none",) * 3)
    folder = tmp_path / "m" / "artifacts" / "fleet"
    manifest = json.loads((folder / "fleet.json").read_text())
    del manifest["about"]["levels"]
    (folder / "fleet.json").write_text(json.dumps(manifest))
    assert open_store(folder).about.levels == ()
