"""The fallback `seasonal_naive`: the last season repeated with a seasonal random walk's interval, by hand and by
simulation."""

from math import log, sqrt

import mlflow
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from var_frames import answers, window
from var_truth import simulated

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fallback import NAIVE, NO_METHOD, OWN_VAR, SEASONAL_NAIVE
from penstock.udfs.var.fleet_fit import FitSettings, concatenate_fits, fit_from_bytes, fit_to_bytes
from penstock.udfs.var.fleet_save import save_fleet_model
from penstock.udfs.var.runs import runs_of, whole_runs
from penstock.udfs.var.spreads import seasonal_spreads

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
VARIABLES = ("u", "v")
Z = 1.959963984540054
STEPS = 6
SEASON = 4
#: The seasonal changes of u are 1, -2, 3, 0, 2, 1: squares of 19 in 6. v doubles or halves from season to season.
SHORT = np.array([[1, 8], [5, 2], [2, 4], [7, 4], [2, 16], [3, 4], [5, 8], [7, 2], [4, 8], [4, 8]], dtype=float)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_MODEL_CACHE", str(tmp_path / "cache"))


def fitted(**options):
    """Two long series that are fitted, and the short one that is not."""
    levels = np.concatenate([simulated(2, 1, 120, seed=2) + 50.0, 3.0 * simulated(2, 1, 120, seed=3) + 90.0, SHORT])
    options = {"transforms": ("none", "log"), "season": SEASON, "fallback": "seasonal_naive"} | options
    settings = FitSettings(max_lags=1, horizon=STEPS, variables=VARIABLES, **options)
    fit = fit_fleet(levels, np.array([0, 120, 240, 250]), settings)
    assert [refusal.position for refusal in fit.refused] == [2]
    return levels, fit


def model(path, **options):
    levels, fit = fitted(**options)
    last_ds = np.full(3, np.datetime64("2024-01-01", "ns"))
    save_fleet_model(path, fit, ids=["a", "b", "short"], variables=VARIABLES, frequency="D", last_ds=last_ds)
    return levels, mlflow.pyfunc.load_model(str(path))


def rows(*given, lags=SEASON):
    """(series, levels newest last) as input rows."""
    return pd.DataFrame(
        [window(np.array(levels), VARIABLES, lags=lags, series_id=name, ds="2024-01-02") for name, levels in given]
    )


def test_a_seasonal_spread_is_the_root_mean_square_of_seasonal_changes_on_the_scale():
    found = seasonal_spreads(SHORT, whole_runs(np.array([0, 10])), ("diff", "dlog"), season=SEASON)
    np.testing.assert_allclose(found, [[sqrt(19 / 6), log(2)]], rtol=1e-14)


def test_seasonal_changes_reach_over_holes_and_not_over_series():
    """Without period 3, which has a change to period 7 alone (0), five are left, which are too few; with one more
    observation, which changes by 7, six."""
    more = np.concatenate([SHORT, [[12.0, 16.0]]])
    periods = np.array([0, 1, 2, 4, 5, 6, 7, 8, 9, 10], dtype=float)
    holed = np.delete(more, 3, axis=0)
    both, of_both = np.concatenate([holed, SHORT[:9] + 1000.0]), np.concatenate([periods, np.arange(9.0)])
    found = seasonal_spreads(both, runs_of(np.array([0, 10, 19]), of_both), ("none", "log"), season=SEASON)
    np.testing.assert_allclose(found, [[sqrt((1 + 4 + 9 + 4 + 1 + 49) / 6), log(2)], [np.nan, np.nan]])


@pytest.mark.parametrize("point", ["median", "mean"])
def test_each_step_has_the_level_of_its_phase_in_the_last_season(tmp_path, point):
    """Steps 1 to 4 are one season ahead, 5 and 6 two. Of the refused series the spreads are those of SHORT."""
    _, loaded = model(tmp_path / "m", point=point)
    found = loaded.predict(rows(("short", SHORT)))
    assert found["method"].tolist() == [SEASONAL_NAIVE]
    levels = SHORT[[-4, -3, -2, -1, -4, -3]]
    deviations = np.sqrt([1, 1, 1, 1, 2, 2])[:, None] * [sqrt(19 / 6), log(2)]
    mean = np.exp(deviations[:, 1] ** 2 / 2) if point == "mean" else 1.0
    np.testing.assert_allclose(answers(found, VARIABLES, "forecast")[:, 0], levels[:, 0], rtol=1e-12)
    np.testing.assert_allclose(answers(found, VARIABLES, "forecast")[:, 1], levels[:, 1] * mean, rtol=1e-12)
    for bound, sign in (("lower", -1), ("upper", 1)):
        width = sign * Z * deviations
        want = np.column_stack([levels[:, 0] + width[:, 0], levels[:, 1] * np.exp(width[:, 1])])
        np.testing.assert_allclose(answers(found, VARIABLES, bound), want, rtol=1e-12)


def test_an_unknown_series_has_the_fleets_spread(tmp_path):
    """The width at which the mixture of the two fitted series' distributions has 95%."""
    levels, loaded = model(tmp_path / "m")
    found = loaded.predict(rows(("new", SHORT)))
    spreads = [sqrt(np.mean((part[SEASON:, 0] - part[:-SEASON, 0]) ** 2)) for part in (levels[:120], levels[120:240])]
    half = brentq(lambda w: np.mean(2 * norm.cdf(w / np.array(spreads)) - 1) - 0.95, 1e-6, 1e3, xtol=1e-13)
    assert found["u_upper_1"][0] - found["u_forecast_1"][0] == pytest.approx(half, rel=1e-9)


def test_a_window_shorter_than_a_season_is_carried_on(tmp_path):
    """Three levels of four are there; then none at all; and a fitted series has its VAR."""
    _, loaded = model(tmp_path / "m")
    found = loaded.predict(rows(("short", SHORT[-3:]), ("short", SHORT[:0]), ("a", SHORT)))
    assert found["method"].tolist() == [NAIVE, NO_METHOD, OWN_VAR]
    assert (answers(found, VARIABLES, "forecast") == SHORT[-1]).all()
    changes = np.diff(SHORT[:, 0])
    half = Z * sqrt(np.mean(changes**2)) * np.sqrt(np.arange(1, STEPS + 1))
    np.testing.assert_allclose(answers(found, VARIABLES, "upper")[:, 0], SHORT[-1, 0] + half, rtol=1e-12)


def test_a_level_without_a_place_on_the_scale_is_not_repeated(tmp_path):
    """v is 0 three periods ago: its logarithm is none, and the newest level is carried on. The newest one is missing:
    there is nothing, as in a stream, whose incomplete observations have no fallback."""
    _, loaded = model(tmp_path / "m")
    zero, missing = SHORT.copy(), SHORT.copy()
    zero[-4, 1], missing[-1, 0] = 0.0, np.nan
    found = loaded.predict(rows(("short", zero), ("short", missing)))
    assert found["method"].tolist() == [NAIVE, NO_METHOD]


def test_a_horizon_shorter_than_the_season_needs_its_own_phases_alone(tmp_path):
    """With 2 steps and a season of 4 the levels 3 and 2 periods before the newest one: the one after them may be NaN,
    but not the newest, without which there is no forecast at all."""
    levels = np.concatenate([simulated(2, 1, 120, seed=2) + 50.0, SHORT])
    settings = FitSettings(
        transforms=("none", "log"), max_lags=1, horizon=2, season=SEASON, fallback="seasonal_naive", variables=VARIABLES
    )
    fit = fit_fleet(levels, np.array([0, 120, 130]), settings)
    last_ds = np.full(2, np.datetime64("2024-01-01", "ns"))
    save_fleet_model(tmp_path / "m", fit, ids=["a", "short"], variables=VARIABLES, frequency="D", last_ds=last_ds)
    holed, missing = SHORT.copy(), SHORT.copy()
    holed[-2], missing[-1] = np.nan, np.nan
    found = mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(rows(("short", holed), ("short", missing)))
    assert found["method"].tolist() == [SEASONAL_NAIVE, NO_METHOD]
    assert (answers(found, VARIABLES, "forecast") == SHORT[-4:-2]).all()


def test_the_vars_are_the_same_to_the_last_bit_beside_it(tmp_path):
    _, plain = model(tmp_path / "plain", fallback="naive")
    levels, loaded = model(tmp_path / "m")
    given = rows(("a", levels[:120]), ("b", levels[120:121]), ("short", SHORT))
    before, found = plain.predict(given[["series_id", "ds", "u_lag0", "v_lag0"]]), loaded.predict(given)
    assert found["method"].tolist() == [OWN_VAR, OWN_VAR, SEASONAL_NAIVE]
    pd.testing.assert_frame_equal(before.head(2), found.head(2), check_exact=True)


def test_a_row_is_the_same_whatever_is_beside_it(tmp_path):
    _, loaded = model(tmp_path / "m")
    random = np.random.default_rng(1)
    windows = [np.exp(random.normal(size=(random.integers(1, 6), 2))) for _ in range(37)]
    given = rows(*[(("a", "short", "new")[number % 3], levels) for number, levels in enumerate(windows)])
    whole = loaded.predict(given)
    alone = pd.concat([loaded.predict(given.iloc[[number]]) for number in range(len(given))])
    pd.testing.assert_frame_equal(whole, alone, check_exact=True)


def test_spreads_travel_with_the_parts_of_a_fleet():
    levels, whole = fitted()
    settings = whole.settings
    parts = [
        fit_fleet(levels[start:stop], np.array([0, stop - start]), settings)
        for start, stop in ((0, 120), (120, 240), (240, 250))
    ]
    carried = concatenate_fits([fit_from_bytes(fit_to_bytes(part), settings) for part in parts])
    np.testing.assert_array_equal(carried.seasonal_spreads, whole.seasonal_spreads)


def test_seasonal_random_walks_are_within_the_interval(tmp_path):
    """3,000 of them, refused for having 40 observations: 34 of each walk's seasonal changes are too many for Student's
    t to matter, so that 95% intervals hold from .93 to .96 at each step."""
    n_series, n, season = 3000, 40, 4
    random = np.random.default_rng(4)
    walks = np.cumsum(random.normal(size=(n_series, (n + STEPS + 4) // season + 1, season)), axis=1)
    walks = walks.reshape(n_series, -1)[:, : n + STEPS, None] * 2.0 + 100.0
    long = np.cumsum(random.normal(size=(60, 4)), axis=0).reshape(-1, 1)
    levels = np.concatenate([long, walks[:, :n].reshape(-1, 1)])
    offsets = np.concatenate([[0], 240 + n * np.arange(n_series + 1)])
    settings = FitSettings(
        transforms=("none",),
        max_lags=8,
        criterion=None,
        horizon=STEPS,
        season=season,
        fallback="seasonal_naive",
        max_root_modulus=9.0,
        variables=("u",),
    )
    fit = fit_fleet(levels, offsets, settings)
    assert len(fit.refused) == n_series
    ids = np.arange(n_series + 1)
    last_ds = np.full(len(ids), np.datetime64("2024-01-01", "ns"))
    save_fleet_model(tmp_path / "m", fit, ids=ids, variables=("u",), frequency="D", last_ds=last_ds)
    frame = pd.DataFrame({"series_id": ids[1:], "ds": pd.Timestamp("2024-01-02")})
    for lag in range(8):
        frame[f"u_lag{lag}"] = walks[:, n - 1 - lag, 0]
    found = mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(frame)
    assert (found["method"] == SEASONAL_NAIVE).all()
    for step in range(1, STEPS + 1):
        is_within = np.abs(walks[:, n - 1 + step, 0] - found[f"u_forecast_{step}"]) < (
            found[f"u_upper_{step}"] - found[f"u_forecast_{step}"]
        )
        assert 0.93 < is_within.mean() < 0.96


@pytest.mark.parametrize(("season", "found"), [(0.0, "no season"), (6.5, "season 6.5")])
def test_it_needs_a_season_of_whole_periods(season, found):
    with pytest.raises(ValueError, match=f"fallback seasonal_naive with {found}: set season to a whole number"):
        FitSettings(transforms=("none",), max_lags=1, season=season, fourier=int(season > 0), fallback="seasonal_naive")
