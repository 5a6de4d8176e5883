"""The fallback `pooled`: one VAR of the changes of all series, by plain loops, by statsmodels and by simulation."""

from math import sqrt

import mlflow
import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.api import VAR
from var_frames import answers, window
from var_truth import simulated

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fallback import NAIVE, NO_METHOD, OWN_VAR, POOLED
from penstock.udfs.var.fleet_fit import FitSettings, concatenate_fits, fit_from_bytes, fit_to_bytes
from penstock.udfs.var.fleet_save import save_fleet_model
from penstock.udfs.var.pooled_fit import pooled_var

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
VARIABLES = ("u", "v")
TRANSFORMS = ("none", "dlog")
Z = 1.959963984540054
STEPS = 4


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PENSTOCK_MODEL_CACHE", str(tmp_path / "cache"))


def fleet():
    """Five series of different sizes, two of them too short for a VAR of their own; with their periods, which have
    holes in the second one."""
    pieces = []
    for number, n in enumerate((90, 120, 14, 101, 13)):
        walk = np.cumsum(simulated(2, 1, n, seed=number), axis=0)
        pieces.append(np.column_stack([10.0**number * walk[:, 0], np.exp(0.01 * (number + 1) * walk[:, 1])]))
    periods = [np.arange(len(piece), dtype=float) for piece in pieces]
    keep = np.random.default_rng(1).uniform(size=120) > 0.05
    pieces[1], periods[1] = pieces[1][keep], periods[1][keep]
    return pieces, periods


def fitted(pieces, periods, *, lags=2, **options):
    options = {"transforms": TRANSFORMS, "horizon": STEPS, "fallback": "pooled", "variables": VARIABLES} | options
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    settings = FitSettings(max_lags=lags, **options)
    return fit_fleet(np.concatenate(pieces), offsets, settings, periods=np.concatenate(periods))


def on_scale(piece):
    return np.column_stack([piece[:, 0], np.log(piece[:, 1])])


def spread_of(piece, periods):
    scale = on_scale(piece)
    squares = [(scale[t] - scale[t - 1]) ** 2 for t in range(1, len(scale)) if periods[t] - periods[t - 1] == 1]
    return np.sqrt(np.mean(squares, axis=0))


def row_list(pieces, periods, *, most):
    """(changes, newest first; levels ahead less the newest one, until the first hole), in units of the spread."""
    rows = []
    for piece, when in zip(pieces, periods, strict=True):
        known = dict(zip(when.tolist(), on_scale(piece) / spread_of(piece, when), strict=True))
        for cutoff in known:
            if all(cutoff - lag in known for lag in range(most + 1)):
                ahead = []
                while cutoff + len(ahead) + 1 in known:
                    ahead.append(known[cutoff + len(ahead) + 1] - known[cutoff])
                rows.append(([known[cutoff - lag] - known[cutoff - lag - 1] for lag in range(most)], ahead))
    return rows


def forecast(parameters, changes, *, has_constant):
    """By a plain loop, in units of the spread: the sums of the forecast changes."""
    past, path = [np.array(change) for change in changes], []
    for _ in range(STEPS):
        step = np.concatenate([[1.0] * has_constant, *past[: len(changes)]]) @ parameters
        past.insert(0, step)
        path.append(step)
    return np.cumsum(path, axis=0)


@pytest.mark.parametrize("trend", ["c", "n", "ct"])
def test_it_is_least_squares_on_the_rows_of_all_series(trend):
    """With the errors of the forecasts from each row, one by one."""
    pieces, periods = fleet()
    fit = fitted(pieces, periods, trend=trend, lags=3)
    assert [refusal.position for refusal in fit.refused] == [2, 4]
    found = pooled_var(fit)
    assert found.max_lags == 3
    rows, has_constant = row_list(pieces, periods, most=3), trend != "n"
    for used in (1, 2, 3):
        with_next = [(changes[:used], ahead) for changes, ahead in rows if ahead]
        regressors = np.array([np.concatenate([[1.0] * has_constant, *changes]) for changes, _ in with_next])
        parameters = np.linalg.lstsq(regressors, np.array([ahead[0] for _, ahead in with_next]), rcond=None)[0]
        constant = parameters[0] if has_constant else np.zeros(2)
        np.testing.assert_allclose(found.constants[used - 1], constant, rtol=1e-8, atol=1e-12)
        lags = parameters[int(has_constant) :].reshape(used, 2, 2).transpose(0, 2, 1)
        np.testing.assert_allclose(found.coefficients[used - 1, :used], lags, rtol=1e-8)
        assert (found.coefficients[used - 1, used:] == 0.0).all()
        for step in range(STEPS):
            errors = [
                ahead[step] - forecast(parameters, changes, has_constant=has_constant)[step]
                for changes, ahead in with_next
                if len(ahead) > step
            ]
            squares = np.sum(np.square(errors), axis=0) / (len(errors) - len(parameters))
            np.testing.assert_allclose(found.deviations[used - 1, step], np.sqrt(squares), rtol=1e-8)


def test_one_series_alone_has_the_var_of_statsmodels_of_its_changes():
    piece = np.cumsum(simulated(2, 1, 150, seed=8), axis=0)
    fit = fitted([piece], [np.arange(150.0)], transforms=("diff", "none"), lags=2)
    found, order = pooled_var(fit), int(fit.lag_order[0])
    assert order == 2
    changes = np.diff(piece, axis=0)
    spread = np.sqrt(np.mean(changes**2, axis=0))
    theirs = VAR(changes / spread).fit(2)
    np.testing.assert_allclose(found.constants[1], theirs.intercept, rtol=1e-8)
    np.testing.assert_allclose(found.coefficients[1], theirs.coefs, rtol=1e-8)
    np.testing.assert_allclose(found.deviations[1, 0], np.sqrt(np.diag(theirs.sigma_u)), rtol=1e-8)


def model(path, *, levels=(), **options):
    pieces, periods = fleet()
    fit = fitted(pieces, periods, **options)
    ids = ["a", "b", "short", "c", "d"]
    save_fleet_model(path, fit, ids=ids, variables=VARIABLES, frequency="D", levels=levels)
    return pieces, pooled_var(fit), mlflow.pyfunc.load_model(str(path))


def rows(*given, lags=3):
    """(series, levels newest last) as input rows."""
    return pd.DataFrame(
        [window(np.array(levels), VARIABLES, lags=lags, series_id=name, ds="2024-01-02") for name, levels in given]
    )


@pytest.mark.parametrize("point", ["median", "mean"])
@pytest.mark.parametrize("known", [2, 3])
def test_a_refused_series_is_forecast_by_it_in_its_own_units(tmp_path, known, point):
    """With 3 levels by 2 lags, with 2 by 1; in units of its own changes, the second variable in logs."""
    pieces, pooled, loaded = model(tmp_path / "m", point=point)
    levels = pieces[2][:known]
    found = loaded.predict(rows(("short", levels)))
    assert found[["lag_order", "method"]].to_numpy().tolist() == [[-3, POOLED]]
    spread, used = spread_of(pieces[2], np.arange(14.0)), known - 1
    changes = np.diff(on_scale(levels), axis=0)[::-1] / spread
    lags = pooled.coefficients[used - 1, :used].transpose(0, 2, 1).reshape(-1, 2)
    parameters = np.vstack([pooled.constants[used - 1], lags])
    scale = on_scale(levels)[-1] + spread * forecast(parameters, changes, has_constant=True)
    deviations = spread * pooled.deviations[used - 1]
    logs = scale[:, 1] + (deviations[:, 1] ** 2 / 2 if point == "mean" else 0.0)
    want = np.column_stack([scale[:, 0], np.exp(logs)])
    np.testing.assert_allclose(answers(found, VARIABLES, "forecast"), want, rtol=1e-9)
    for bound, sign in (("lower", -Z), ("upper", Z)):
        at = scale + sign * deviations
        want = np.column_stack([at[:, 0], np.exp(at[:, 1])])
        np.testing.assert_allclose(answers(found, VARIABLES, bound), want, rtol=1e-9)


def test_further_levels_have_their_own_width(tmp_path):
    pieces, _, loaded = model(tmp_path / "m", levels=(0.5,))
    found = loaded.predict(rows(("short", pieces[2])))
    half, whole = (found[f"u_upper_1{name}"] - found["u_forecast_1"] for name in ("_50", ""))
    np.testing.assert_allclose(half / whole, 0.6744897501960817 / Z, rtol=1e-9)


def test_one_level_is_carried_on_and_a_fitted_series_has_its_own_var(tmp_path):
    """As is one of a new series, of whose size nothing is known; and a gap leaves the newest level alone."""
    pieces, _, loaded = model(tmp_path / "m")
    gap = pieces[2][:3].copy()
    gap[1, 0] = np.nan
    given = rows(("short", pieces[2][:1]), ("short", gap), ("a", pieces[0]), ("new", pieces[2][:2]), ("new", gap[:0]))
    found = loaded.predict(given)
    assert found["method"].tolist() == [NAIVE, NAIVE, OWN_VAR, NAIVE, NO_METHOD]
    assert (answers(found, VARIABLES, "forecast") == pieces[2][0]).all()
    half = Z * spread_of(pieces[2], np.arange(14.0))[0] * sqrt(4)
    assert found["u_upper_4"][0] == pytest.approx(pieces[2][0, 0] + half, rel=1e-12)


def test_a_new_series_whose_variables_are_all_in_logs_is_in_units_of_the_fleet(tmp_path):
    """Logs have no size."""
    pieces = [10.0**number * np.exp(0.01 * simulated(2, 1, 90, seed=number).cumsum(axis=0)) for number in range(3)]
    fit = fitted(pieces, [np.arange(90.0)] * 3, transforms=("dlog", "log"))
    save_fleet_model(tmp_path / "m", fit, ids=["a", "b", "c"], variables=VARIABLES, frequency="D")
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    small, large = (loaded.predict(rows(("new", size * pieces[0][:2]))) for size in (1.0, 1e6))
    assert small["method"].tolist() == large["method"].tolist() == [POOLED]
    np.testing.assert_allclose(answers(large, VARIABLES, "forecast"), 1e6 * answers(small, VARIABLES, "forecast"))


def test_vars_of_one_lag_in_levels_take_two_levels_for_it(tmp_path):
    pieces, pooled, loaded = model(tmp_path / "m", lags=1, transforms=("none", "log"))
    names = loaded.metadata.signature.inputs.input_names()
    assert (pooled.max_lags, names[2:]) == (1, ["u_lag0", "v_lag0", "u_lag1", "v_lag1"])
    found = loaded.predict(rows(("short", pieces[2]), ("a", pieces[0][:1]), lags=2))
    assert found["method"].tolist() == [POOLED, OWN_VAR]


def test_the_vars_are_the_same_to_the_last_bit_beside_it(tmp_path):
    pieces, periods = fleet()
    frames = []
    for fallback in ("naive", "pooled"):
        fit = fitted(pieces, periods, fallback=fallback)
        save_fleet_model(tmp_path / fallback, fit, ids=list("abcde"), variables=VARIABLES, frequency="D")
        loaded = mlflow.pyfunc.load_model(str(tmp_path / fallback))
        frames.append(loaded.predict(rows(("a", pieces[0]), ("b", pieces[1]), ("d", pieces[3]))))
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_a_row_is_the_same_whatever_is_beside_it(tmp_path):
    _, _, loaded = model(tmp_path / "m", lags=3)
    random = np.random.default_rng(1)
    windows = [np.exp(random.normal(size=(random.integers(1, 6), 2))) for _ in range(37)]
    given = rows(*[(("a", "short", "new")[number % 3], levels) for number, levels in enumerate(windows)], lags=4)
    whole = loaded.predict(given)
    alone = pd.concat([loaded.predict(given.iloc[[number]]) for number in range(len(given))])
    pd.testing.assert_frame_equal(whole, alone, check_exact=True)


def test_parts_of_a_fleet_have_the_var_of_the_whole():
    pieces, periods = fleet()
    whole = fitted(pieces, periods)
    parts = [fitted(pieces[:2], periods[:2]), fitted(pieces[2:], periods[2:])]
    joined = concatenate_fits([fit_from_bytes(fit_to_bytes(part), whole.settings) for part in parts])
    np.testing.assert_array_equal(joined.pooled_rows, whole.pooled_rows)
    np.testing.assert_allclose(pooled_var(joined).deviations, pooled_var(whole).deviations, rtol=1e-10)


def walks(n_series, n, *, seed):
    """Series whose changes are an AR(1) with a coefficient, a drift and a size of their own: (n_series, n)."""
    random = np.random.default_rng(seed)
    coefficient = random.uniform(0.1, 0.7, n_series)
    drift, size = random.normal(0.2, 0.15, n_series), np.exp(random.uniform(-7, 7, n_series))
    changes, change = np.empty((n, n_series)), np.zeros(n_series)
    for t in range(n + 30):
        change = coefficient * change + random.normal(size=n_series)
        if t >= 30:
            changes[t - 30] = size * (change + drift / (1 - coefficient))
    return np.cumsum(changes, axis=0).T


def test_short_series_of_a_mixed_fleet_are_within_the_interval(tmp_path):
    """A fleet of 200 series of 120, whose sizes differ by a factor of a million, and 3,000 of 20 that have no VAR of
    their own: 95% intervals hold what came next from .90 (a spread from few changes) to .96, though the series differ
    in drift and persistence; and the errors are smaller than those of the newest level."""
    short, n, horizon = 3000, 20, 6
    long, ahead = walks(200, 120, seed=1), walks(short, n + horizon, seed=2)
    levels = np.concatenate([long.reshape(-1), ahead[:, :n].reshape(-1)])[:, None]
    offsets = np.concatenate([120 * np.arange(201), 200 * 120 + n * np.arange(1, short + 1)])
    settings = FitSettings(transforms=("diff",), max_lags=2, horizon=horizon, fallback="pooled", variables=("u",))
    fit = fit_fleet(levels, offsets, settings)
    refused = np.array([refusal.position for refusal in fit.refused]) - 200
    assert len(refused) == short
    save_fleet_model(tmp_path / "m", fit, ids=np.arange(len(offsets) - 1), variables=("u",), frequency="D")
    frame = pd.DataFrame({"series_id": refused + 200, "ds": pd.Timestamp("2024-01-02")})
    for lag in range(3):
        frame[f"u_lag{lag}"] = ahead[refused, n - 1 - lag]
    found = mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(frame)
    assert (found["method"] == POOLED).all()
    for step in range(1, horizon + 1):
        truth = ahead[refused, n - 1 + step]
        is_within = (truth > found[f"u_lower_{step}"]) & (truth < found[f"u_upper_{step}"])
        assert 0.90 < is_within.mean() < 0.96, step
        naive = np.sqrt(np.mean(((truth - ahead[refused, n - 1]) / np.abs(ahead[refused]).max(axis=1)) ** 2))
        error = np.sqrt(np.mean(((truth - found[f"u_forecast_{step}"]) / np.abs(ahead[refused]).max(axis=1)) ** 2))
        assert error < naive


def test_what_it_cannot_be_made_of_is_an_error():
    pieces, periods = fleet()
    with pytest.raises(ValueError, match="fallback pooled with season 4: the phases of a season are those of each"):
        FitSettings(transforms=("none",), max_lags=1, season=4, fallback="pooled")
    few = fitted([pieces[0][:60]], [periods[0][:60]], horizon=50)
    assert len(few) == 1
    with pytest.raises(
        ValueError, match="fallback pooled: 8 rows of all series, 30 needed; each is of 53 observations"
    ):
        pooled_var(few)
    same = [np.column_stack([piece[:, 0], np.exp(piece[:, 0] / 1e4)]) for piece in (pieces[0], pieces[3])]
    with pytest.raises(ValueError, match="changes of the variables are combinations of each other in all series"):
        pooled_var(fitted(same, [periods[0], periods[3]]))
