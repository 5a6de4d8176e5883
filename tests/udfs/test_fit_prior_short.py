"""With a prior many variables on short histories are fitted, forecast better, and have intervals that hold."""

import mlflow
import numpy as np
import pytest
from holdouts import holdout_scores
from statsmodels.tsa.api import VAR
from var_coverage import coverage_at_step_1, cumulated, simulated_series
from var_truth import simulated

from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.fleet_save import save_fleet_model

PRIOR = {"prior": "minnesota", "criterion": None}
NO_BOUND = {"residual_degrees_per_coefficient": 0, "residual_degrees_beyond": 0}


def fit_all(pieces, **options):
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    return fit_fleet(np.concatenate(pieces), offsets, FitSettings(**options))


def reason_of(piece, **options):
    """Why the middle one of three series is refused."""
    good = [simulated(2, 1, 80, seed=i) for i in range(2)]
    fit = fit_all([good[0], piece, good[1]], transforms=("none", "none"), prior="minnesota", **options)
    alone = fit_all(good, transforms=("none", "none"), prior="minnesota", **options)
    assert fit.positions.tolist() == [0, 2]
    np.testing.assert_allclose(fit.coefficients, alone.coefficients, rtol=1e-9, atol=1e-12)
    return fit.refused[0].reason


@pytest.mark.parametrize("transform", ["none", "diff"])
@pytest.mark.parametrize(("p", "radius"), [(1, 0.5), (3, 0.95)])
def test_ten_variables_on_sixty_observations_are_covered(transform, p, radius):
    """Least squares needs 41 coefficients an equation for 4 lags, and 178 observations."""
    series = simulated_series(10, p, 60, spectral_radius=radius, n_series=150, seed=1)
    found = coverage_at_step_1(series, max_lags=4, transform=transform, **PRIOR)
    assert found.n_refused <= 3
    assert found.lags == 4
    assert 0.91 <= found.coverage <= 0.96
    assert coverage_at_step_1(series, max_lags=4, criterion=None).n_refused == 150


def test_where_intervals_would_be_too_narrow_series_are_refused():
    """A loose prior is nearly least squares."""
    series = simulated_series(10, 1, 60, spectral_radius=0.5, n_series=40, seed=1)
    loose = {"max_lags": 4, "tightness": 1.0, **PRIOR}
    assert coverage_at_step_1(series, **loose).n_refused == 40
    assert coverage_at_step_1(series, **loose, **NO_BOUND).coverage < 0.87


def test_a_loose_prior_needs_the_rows_of_least_squares():
    """4 m + 10 rows, after max_lags observations: 3 variables and 2 lags are 7 coefficients, 38 rows."""
    for n, is_fitted in ((40, True), (39, False)):
        piece = simulated(3, 1, n, seed=1)
        fits = [
            fit_all([piece], transforms=("none",) * 3, max_lags=2, **options)
            for options in ({}, {"prior": "minnesota", "tightness": 1e5})
        ]
        assert [len(fit) for fit in fits] == [is_fitted, is_fitted]


def sparse_truth(*, seed, n_series=200, k=10, n=60):
    """(levels, next value): each variable depends on itself and on one other one; noise of variance 1."""
    random = np.random.default_rng(seed)
    coefficients, own = np.zeros((n_series, k, k)), np.arange(k)
    coefficients[:, own, own] = random.uniform(0.2, 0.6, size=(n_series, k))
    coefficients[:, own, (own + 1) % k] = random.uniform(-0.3, 0.3, size=(n_series, k))
    values = random.normal(size=(n_series, n + 51, k))
    for t in range(1, n + 51):
        values[:, t] += np.einsum("sij,sj->si", coefficients, values[:, t - 1])
    return values[:, 50:-1], values[:, -1]


@pytest.mark.parametrize("transform", ["none", "diff"])
def test_forecasts_are_better_than_those_of_least_squares(transform):
    """Even than with the true lag order, which least squares does not know; noise alone has the RMSE 1."""
    values, truth = sparse_truth(seed=1)

    def rmse(max_lags, **options):
        fitted = values if transform == "none" else cumulated(values)
        fit = fit_all(list(fitted), transforms=(transform,) * 10, max_lags=max_lags, **options)
        assert len(fit) == 200
        lags = values[:, ::-1][:, :max_lags]
        points = fit.trend_coefficients[:, 0] + np.einsum("slij,slj->si", fit.coefficients, lags)
        return np.sqrt(((points - truth) ** 2).mean())

    shrunk = rmse(4, prior="minnesota")
    assert shrunk < 0.6 * rmse(4, max_root_modulus=9.0, **NO_BOUND)
    assert shrunk - 1 < 0.85 * (rmse(1) - 1)


def test_what_is_refused_and_what_is_not():
    random = np.random.default_rng(0)
    noise = random.normal(size=(80, 2))
    walk = np.cumsum(noise, axis=0)
    # 1 + 3 coefficients of an own AR: 4 * 4 + 10 rows, after 3 others
    assert reason_of(noise[:28], max_lags=3) == ("too short: 28 observations after the transform, 29 needed for 3 lags")
    named = {"max_lags": 3, "variables": ("price", "volume")}
    assert reason_of(np.column_stack([noise[:, 0], np.full(80, 3.0)]), **named) == (
        "constant: volume after its transform"
    )
    line = np.column_stack([noise[:, 0], np.arange(80.0)])
    assert reason_of(line, **named) == (
        "collinear: volume is a combination of its own lags, or these are of each other, so that it has no scale"
    )
    explosive = np.column_stack([1.2 ** np.arange(80) + noise[:, 0], noise[:, 1]])
    assert reason_of(explosive, max_lags=1).startswith("unstable: largest root modulus 1.")
    assert reason_of(noise * 1e200, max_lags=1).startswith("not finite: ")
    # of the prior's rows, not of the observations
    assert reason_of(noise * 1e150, max_lags=1, tightness=1e-160, max_root_modulus=9.0) == (
        "not finite: the values are too large to square"
    )
    with_nan = noise.copy()
    with_nan[40, 0] = np.nan
    assert reason_of(with_nan, max_lags=1) == "not finite: y1 in 1 of 80 observations"
    loose = fit_all([noise[:40]], transforms=("none",) * 2, max_lags=4, prior="minnesota", tightness=9.0)
    reason = loose.refused[0].reason
    assert reason.startswith("too short: 36 rows leave 27 residual degrees of freedom, ")
    assert reason.endswith(" needed for 4 lags with tightness 9; a smaller one needs fewer")
    twins = np.column_stack([walk[:, 0], 2 * walk[:, 0] + 1])
    fit = fit_all([twins], transforms=("none",) * 2, max_lags=2, prior="minnesota")
    assert len(fit) == 1


def test_a_fleet_of_which_nothing_is_left():
    noise = np.random.default_rng(0).normal(size=(60, 2))
    for pieces in ([noise * 1e200], [np.column_stack([noise[:, 0], np.arange(60.0)])] * 2):
        fit = fit_all(pieces, transforms=("none",) * 2, max_lags=2, prior="minnesota")
        assert len(fit) == 0
        assert len(fit.refused) == len(pieces)


def test_the_holdout_is_of_the_shrunk_models():
    """With a prior so tight that forecasts are the last level plus the mean change, over the fitted periods."""
    levels = np.cumsum(np.random.default_rng(2).normal(size=(80, 3)), axis=0)
    options = FitSettings(transforms=("none",) * 3, max_lags=2, horizon=4, prior="minnesota", tightness=1e-6)
    found = holdout_scores(levels, np.array([0, 80]), options, holdout=4)
    drift = np.diff(levels[1:76], axis=0).mean(axis=0)
    error = np.abs(levels[75] + drift * np.arange(1, 5)[:, None] - levels[76:])
    assert found.n_series == 1
    np.testing.assert_allclose(found.sums[0, 0], error.mean(axis=0), rtol=1e-7)


def test_the_model_says_which_prior_it_has(tmp_path):
    piece = simulated(2, 1, 80, seed=1)
    for name, options in (("plain", {}), ("shrunk", {"prior": "minnesota", "tightness": 0.3})):
        fit = fit_all([piece], transforms=("none",) * 2, max_lags=2, **options)
        save_fleet_model(tmp_path / name, fit, ids=["s"], variables=("u", "v"), frequency="D")
    plain, shrunk = (
        mlflow.models.Model.load(str(tmp_path / name)).metadata["penstock_fleet"] for name in ("plain", "shrunk")
    )
    assert {key: value for key, value in shrunk.items() if key not in plain} == {
        "prior": "minnesota",
        "tightness": 0.3,
        "decay": 1.0,
    }
    row = {f"{name}_lag{lag}": piece[-1 - lag, i] for i, name in enumerate("uv") for lag in range(2)}
    asked = mlflow.pyfunc.load_model(str(tmp_path / "shrunk")).predict(
        [{"series_id": "s", "ds": np.datetime64("2024-01-01"), **row}]
    )
    expected = fit.trend_coefficients[0, 0] + fit.coefficients[0, 0] @ piece[-1] + fit.coefficients[0, 1] @ piece[-2]
    np.testing.assert_allclose(asked[["u_forecast_1", "v_forecast_1"]].to_numpy()[0], expected, rtol=1e-12)
    theirs = VAR(piece).fit(2).forecast(piece[-2:], 1)[0]
    assert not np.allclose(expected, theirs, rtol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"prior": "litterman"},
        {"prior": "minnesota", "tightness": 0.0},
        {"prior": "minnesota", "tightness": np.inf},
        {"prior": "minnesota", "decay": -1.0},
        {"prior": "minnesota", "decay": 1000.0},
        {"prior": "minnesota", "criterion": "aic"},
        {"prior": "minnesota", "max_lags": 0},
    ],
)
def test_prior_settings_that_make_no_sense(options):
    with pytest.raises(ValueError, match=r"unknown prior|tightness must|decay must|criterion aic|max_lags 0"):
        FitSettings(**{"transforms": ("none", "none"), "max_lags": 1, **options})
