"""The fallback `naive`: the newest level with the interval of a random walk, by hand, by SciPy and by simulation."""

from __future__ import annotations

from math import exp, log, sqrt

import mlflow
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import norm, t
from var_frames import answers, window
from var_truth import simulated

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fallback import LEAST_CHANGES, own_spreads, window_spreads
from penstock.udfs.var.fleet_fit import FitSettings, concatenate_fits, fit_from_bytes, fit_to_bytes
from penstock.udfs.var.fleet_forecast import output_name
from penstock.udfs.var.fleet_save import save_fleet_model
from penstock.udfs.var.fleet_store import open_store
from penstock.udfs.var.runs import runs_of, whole_runs
from penstock.udfs.var.spreads import change_spreads, fleet_spreads

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
VARIABLES = ("u", "v")
Z = 1.959963984540054
STEPS = 3
#: u changes by 1, -2, 3, -2, 1, -4, 1: squares of 36 in 7 changes; v doubles or halves.
SHORT = np.array([[5.0, 8.0], [6.0, 16.0], [4.0, 8.0], [7.0, 4.0], [5.0, 8.0], [6.0, 4.0], [2.0, 8.0], [3.0, 16.0]])


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_MODEL_CACHE", str(tmp_path / "cache"))


def fleet(*, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two long series and the short one, with their offsets: 100 and 100 and 8 observations."""
    first = simulated(2, 1, 100, seed=seed + 2) + 50.0
    second = 3.0 * simulated(2, 1, 100, seed=seed + 3) + 90.0
    return np.concatenate([first, second, SHORT]), np.array([0, 100, 200, 208])


def model(path, *, transforms=("none", "log"), point="median", fallback="naive", lags=1):
    levels, offsets = fleet()
    settings = FitSettings(
        transforms=transforms, max_lags=lags, horizon=STEPS, point=point, fallback=fallback, variables=VARIABLES
    )
    fit = fit_fleet(levels, offsets, settings)
    assert [refusal.position for refusal in fit.refused] == [2]
    save_fleet_model(path, fit, ids=["a", "b", "short"], variables=VARIABLES, frequency="D")
    return mlflow.pyfunc.load_model(str(path)), fit


def rows(*given, lags):
    """(series, levels newest last) as input rows."""
    return pd.DataFrame(
        [window(levels, VARIABLES, lags=lags, series_id=name, ds="2024-01-01") for name, levels in given]
    )


def root_mean_square(values) -> float:
    return sqrt(sum(value * value for value in values) / len(values))


def test_a_spread_is_the_root_mean_square_of_changes_on_the_scale():
    """36 / 7 by hand, and ln 2 for doubling and halving."""
    found = change_spreads(SHORT, whole_runs(np.array([0, 8])), ("diff", "dlog"))
    np.testing.assert_allclose(found, [[sqrt(36 / 7), log(2)]], rtol=1e-14)


def test_changes_over_holes_and_between_series_do_not_count():
    """A period is missing after the fourth observation; the rest of the changes has squares of 32, in 6 changes."""
    levels = np.concatenate([SHORT, SHORT + 1000.0])
    periods = np.array([0, 1, 2, 3, 5, 6, 7, 8, *range(8)], dtype=float)
    found = change_spreads(levels, runs_of(np.array([0, 8, 16]), periods), ("none", "none"))
    np.testing.assert_allclose(found[:, 0], [sqrt(32 / 6), sqrt(36 / 7)], rtol=1e-14)


def test_few_changes_or_none_are_no_spread():
    """5 changes; none; the logarithm of 0."""
    levels = np.concatenate([SHORT[:6], np.ones((9, 2)), SHORT * [0.0, 1.0]])
    found = change_spreads(levels, whole_runs(np.array([0, 6, 15, 23])), ("log", "log"))
    np.testing.assert_allclose(found, [[np.nan] * 2, [np.nan] * 2, [np.nan, log(2)]])


def test_six_changes_keep_a_95_percent_interval_at_90_percent():
    """The ratio of a normal change to the root mean square of n others has Student's t distribution."""
    coverage = {count: 1.0 - 2.0 * t.sf(Z, count) for count in (LEAST_CHANGES - 1, LEAST_CHANGES)}
    assert coverage[LEAST_CHANGES] >= 0.90 > coverage[LEAST_CHANGES - 1]


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_fleets_spread_covers_a_series_drawn_from_it(level):
    """SciPy's root of the mixture's coverage; and one spread is itself."""
    spreads = np.array([[0.5, 2.0], [1.0, 2.0], [20.0, 2.0], [np.nan, 2.0]])
    found = fleet_spreads(spreads, level=level)
    half = brentq(lambda w: np.mean(2.0 * norm.cdf(w / spreads[:3, 0]) - 1.0) - level, 1e-6, 1e3, xtol=1e-13)
    np.testing.assert_allclose(found, [half / norm.ppf(0.5 + level / 2), 2.0], rtol=1e-10)


def test_drawn_series_are_in_the_fleets_interval():
    """Changes of 400,000 series drawn from a fleet whose spreads differ by a factor of 100."""
    random = np.random.default_rng(5)
    spreads = np.exp(random.uniform(log(0.1), log(10.0), 30_000))
    [spread] = fleet_spreads(spreads[:, None], level=0.95)
    steps = random.choice(spreads, 400_000) * random.standard_normal(400_000)
    assert np.mean(np.abs(steps) < Z * spread) == pytest.approx(0.95, abs=0.002)


def test_no_series_no_spread():
    assert np.isnan(fleet_spreads(np.full((3, 2), np.nan), level=0.95)).all()


def expected(newest, spreads, *, point="median"):
    """Three (STEPS, 2) for the transforms none and log, by the closed forms of a random walk."""
    width = np.array([[Z * spread * sqrt(step) for spread in spreads] for step in (1, 2, 3)])
    mean = [exp(spreads[1] ** 2 * step / 2) if point == "mean" else 1.0 for step in (1, 2, 3)]
    points = np.column_stack([np.full(STEPS, newest[0]), newest[1] * np.array(mean)])
    lower = np.column_stack([newest[0] - width[:, 0], newest[1] * np.exp(-width[:, 1])])
    upper = np.column_stack([newest[0] + width[:, 0], newest[1] * np.exp(width[:, 1])])
    return {"forecast": points, "lower": lower, "upper": upper}


@pytest.mark.parametrize("point", ["median", "mean"])
def test_each_series_has_the_interval_of_what_is_known_of_it(tmp_path, point):
    """The refused series its own spread; a fitted one that warms up, again its own; an unknown one the fleet's."""
    loaded, _ = model(tmp_path / "m", point=point, lags=2)
    levels, _ = fleet()
    fitted = [
        [root_mean_square(np.diff(part[:, 0])), root_mean_square(np.diff(np.log(part[:, 1])))]
        for part in (levels[:100], levels[100:200])
    ]
    newest = np.array([[7.0, 3.0]])
    given = rows(("short", newest), ("b", newest), ("new", newest), ("a", np.zeros((0, 2))), lags=2)
    found = loaded.predict(given)
    assert found["method"].tolist() == [1, 1, 1, -1]
    assert found["lag_order"].tolist()[::2] == [-2, -1]
    mixture = [
        brentq(lambda w, s=column: np.mean(2 * norm.cdf(w / s) - 1) - 0.95, 1e-6, 1e3, xtol=1e-13) / Z
        for column in np.array(fitted).T
    ]
    for row, spreads in enumerate([[sqrt(36 / 7), log(2)], fitted[1], mixture]):
        for bound, values in expected(newest[0], spreads, point=point).items():
            np.testing.assert_allclose(answers(found, VARIABLES, bound, row=row), values, rtol=1e-9)
    assert found.iloc[3, 3:].isna().all()


def test_the_window_of_an_unknown_series_says_how_far_it_moves(tmp_path):
    """With 7 lags the model sees all 7 changes of the short series, under another name; with a hole 5."""
    loaded, _ = model(tmp_path / "m", transforms=("diff", "dlog"), lags=7)
    holed = SHORT.copy()
    holed[1] = np.nan
    found = loaded.predict(rows(("new", SHORT), ("new", holed), ("nobody", SHORT[-2:]), lags=8))
    assert found["method"].tolist() == [1, 1, 1]
    for bound, values in expected(SHORT[-1], [sqrt(36 / 7), log(2)]).items():
        np.testing.assert_allclose(answers(found, VARIABLES, bound), values, rtol=1e-12)
    pd.testing.assert_series_equal(found.iloc[1], found.iloc[2], check_names=False)
    assert found.loc[1, "u_upper_1"] != found.loc[0, "u_upper_1"]


def test_changes_before_a_hole_in_a_window_do_not_count():
    """The newest 7 observations of the short series have 6 changes with squares of 35; before them is a hole."""
    scale = np.concatenate([[[9.0, 9.0], [np.nan, 9.0]], SHORT[1:]])[::-1, :, None]
    np.testing.assert_allclose(window_spreads(scale)[0], [sqrt(35 / 6)], rtol=1e-14)


def test_a_level_without_a_place_on_the_scale_is_not_carried_on(tmp_path):
    """A variable is missing; another is 0, and in logs. A gap before the newest level does no harm."""
    loaded, _ = model(tmp_path / "m", lags=2)
    gap = [[1.0, 2.0], [np.nan, 2.0], [1.0, 2.0]]
    windows = [np.array(levels) for levels in ([[1.0, 1.0], [np.nan, 1.0]], [[1.0, 1.0], [1.0, 0.0]], gap)]
    found = loaded.predict(rows(*[("a", levels) for levels in windows], lags=2))
    assert found["method"].tolist() == [-1, -1, 1]
    assert found.iloc[:2, 3:].isna().all(axis=None)
    assert (answers(found, VARIABLES, "forecast", row=2) == [1.0, 2.0]).all()


def test_a_model_without_a_fallback_is_as_it_was(tmp_path):
    """Signature and numbers; and those of the VAR are the same to the last bit beside a fallback."""
    (plain, _), (with_fallback, _) = (model(tmp_path / name, fallback=name, lags=2) for name in ("none", "naive"))
    levels, _ = fleet()
    given = rows(("a", levels[:100]), ("new", levels[:100]), ("b", levels[100:101]), lags=2)
    before, now = plain.predict(given), with_fallback.predict(given)
    names = [
        "lag_order",
        "needed",
        *[f"{v}_{b}_{s}" for s in (1, 2, 3) for v in VARIABLES for b in ("forecast", "lower", "upper")],
    ]
    assert plain.metadata.signature.outputs.input_names() == list(before.columns) == names
    assert with_fallback.metadata.signature.outputs.input_names() == [*names[:2], "method", *names[2:]]
    assert now["method"].tolist() == [0, 1, 1]
    pd.testing.assert_frame_equal(before.head(1), now.drop(columns="method").head(1), check_exact=True)
    assert before.iloc[1:, 2:].isna().all(axis=None)
    metadata = [one.metadata.metadata["penstock_fleet"] for one in (plain, with_fallback)]
    assert [one.get("fallback") for one in metadata] == [None, "naive"]


def test_a_row_is_the_same_whatever_is_beside_it(tmp_path):
    loaded, _ = model(tmp_path / "m", lags=7)
    random = np.random.default_rng(1)
    windows = [np.exp(random.normal(size=(random.integers(1, 9), 2))) for _ in range(37)]
    given = rows(*[(("a", "short", "new")[number % 3], levels) for number, levels in enumerate(windows)], lags=8)
    whole = loaded.predict(given)
    alone = pd.concat([loaded.predict(given.iloc[[number]]) for number in range(len(given))])
    pd.testing.assert_frame_equal(whole, alone, check_exact=True)


def test_spreads_travel_with_the_parts_of_a_fleet():
    levels, offsets = fleet()
    settings = FitSettings(transforms=("none", "log"), max_lags=1, fallback="naive")
    whole = fit_fleet(levels, offsets, settings)
    parts = [
        fit_fleet(levels[start:stop], np.array([0, stop - start]), settings)
        for start, stop in ((0, 100), (100, 200), (200, 208))
    ]
    carried = concatenate_fits([fit_from_bytes(fit_to_bytes(part), settings) for part in parts])
    np.testing.assert_array_equal(carried.change_spreads, whole.change_spreads)


@pytest.mark.parametrize("kind", [np.int64, str])
def test_a_series_refused_before_the_fit_has_no_spread_of_its_own(tmp_path, kind):
    """And the others have theirs, whichever order they come in."""
    levels, offsets = fleet()
    fit = fit_fleet(levels, offsets, FitSettings(transforms=("none", "log"), max_lags=1, fallback="naive"))
    ids = np.array([kind(name) for name in (30, 20, 10)], dtype=object if kind is str else np.int64)
    refused = [(ids[2], "too short"), (kind(5), "duplicate"), (kind(40), "duplicate")]
    save_fleet_model(tmp_path / "m", fit, ids=ids, variables=VARIABLES, frequency="D", refused=refused)
    store = open_store(tmp_path / "m" / "artifacts" / "fleet")
    asked = np.array([kind(name) for name in (40, 10, 20, 30, 99)], dtype=ids.dtype)
    found = own_spreads(store, store.spreads, asked).T
    whole = fit.change_spreads
    nothing = [np.nan, np.nan]
    np.testing.assert_array_equal(found, [nothing, whole[2], whole[1], whole[0], nothing])


def test_an_unknown_fallback_is_an_error():
    with pytest.raises(ValueError, match="unknown fallback random; use one of none, naive"):
        FitSettings(transforms=("none",), max_lags=1, fallback="random")


def test_further_levels_have_their_own_width(tmp_path):
    """An unknown series of 6 and more changes in its window: u by its own spread, 50% by SciPy's quantile."""
    levels, offsets = fleet()
    settings = FitSettings(
        transforms=("none", "log"), max_lags=7, criterion=None, horizon=STEPS, fallback="naive", variables=VARIABLES
    )
    fit = fit_fleet(levels, offsets, settings)
    save_fleet_model(tmp_path / "m", fit, ids=["a", "b", "short"], variables=VARIABLES, frequency="D", levels=(0.5,))
    found = mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(rows(("new", SHORT[1:]), lags=7))
    changes = np.diff(SHORT[1:], axis=0)[:, 0]
    for step in range(1, STEPS + 1):
        half = norm.ppf(0.75) * root_mean_square(changes) * sqrt(step)
        assert found[output_name("u", "lower", step, level=0.5)][0] == pytest.approx(3.0 - half)
        assert found[output_name("u", "upper", step, level=0.5)][0] == pytest.approx(3.0 + half)
        ratio = exp(norm.ppf(0.75) * root_mean_square(np.diff(np.log(SHORT[1:, 1]))) * sqrt(step))
        assert found[output_name("v", "upper", step, level=0.5)][0] == pytest.approx(16.0 * ratio)
