"""Hold-out and rolling origins take the true values of exogenous variables, which are known in advance."""

from __future__ import annotations

import numpy as np
import pytest
from exogenous_truth import NAMES, driven, fit_driven
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.tsa.api import VAR

from penstock.udfs.var.exogenous_lookup import ExogenousValues
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.holdout import evaluate
from penstock.udfs.var.origins import model_forecast

MAE, RMSE, COVERAGE = 0, 1, 3
STEPS = 6


def settings_of(**options):
    return FitSettings(
        **{"transforms": ("none",) * 2, "max_lags": 2, "horizon": STEPS, "exogenous": NAMES[:2]} | options
    )


def evaluated(levels, known, *, keep=None, **options):
    """Of one series, known: (n, 2), of all periods; keep: the periods that are observed."""
    periods = np.arange(len(levels), dtype=float)
    chosen = np.ones(len(levels), dtype=bool) if keep is None else keep
    origins = options.pop("origins", 1)
    return evaluate(
        levels[chosen],
        np.array([0, chosen.sum()]),
        settings_of(**options),
        holdout=STEPS,
        origins=origins,
        origin_every=10,
        periods=periods[chosen],
        exogenous=ExogenousValues.of(known, periods=periods, series=np.zeros(len(levels), dtype=np.int64)),
    )


def theirs(levels, known, cutoff):
    """statsmodels' points and bounds after the first `cutoff` periods."""
    result = VAR(levels[:cutoff], exog=known[:cutoff]).fit(2)
    return result.forecast_interval(levels[cutoff - 2 : cutoff], STEPS, exog_future=known[cutoff : cutoff + STEPS])


def test_the_holdout_equals_statsmodels():
    levels, known = driven(2, 2, 150, seed=11)
    found = evaluated(levels, known).holdout
    points, lower, upper = theirs(levels, known, 144)
    truth = levels[144:]
    assert found.counts.tolist() == [1, 1]
    np.testing.assert_allclose(found.sums[0, MAE], np.abs(points - truth).mean(axis=0), rtol=1e-8)
    np.testing.assert_allclose(found.sums[0, RMSE], np.sqrt(((points - truth) ** 2).mean(axis=0)), rtol=1e-8)
    np.testing.assert_allclose(found.sums[0, COVERAGE], ((lower <= truth) & (truth <= upper)).mean(axis=0))
    np.testing.assert_allclose(found.sums[1, MAE], np.abs(levels[143] - truth).mean(axis=0), rtol=1e-8)


def test_rolling_origins_equal_statsmodels():
    levels, known = driven(2, 2, 150, seed=12)
    found = evaluated(levels, known, origins=3).by_step
    errors = [np.abs(theirs(levels, known, cutoff)[0] - levels[cutoff : cutoff + STEPS]) for cutoff in (144, 134, 124)]
    np.testing.assert_allclose(found.sums[0, MAE, :STEPS], np.mean(errors, axis=0), rtol=1e-8)
    assert found.series_by_origin.tolist() == [1, 1, 1]


def test_a_hole_in_the_holdout_has_values_all_the_same():
    """The observation of step 3 is missing, its exogenous values are not: the later steps are forecast with them."""
    levels, known = driven(2, 2, 150, seed=13)
    keep = np.arange(150) != 146
    found = evaluated(levels, known, keep=keep).holdout
    error = np.abs(theirs(levels, known, 144)[0] - levels[144:])[keep[144:]]
    np.testing.assert_allclose(found.sums[0, MAE], error.mean(axis=0), rtol=1e-8)


def test_a_series_that_lacks_a_value_of_a_step_is_not_compared():
    levels, known = driven(2, 2, 150, seed=13)
    known[147, 1] = np.nan
    found = evaluated(levels, known, origins=2)
    assert found.holdout.counts.tolist() == [0, 0]
    assert found.by_step.series_by_origin.tolist() == [0, 1]
    error = np.abs(theirs(levels, known, 134)[0] - levels[134:140])
    np.testing.assert_allclose(found.by_step.sums[0, MAE, :STEPS], error, rtol=1e-8)


def test_the_benchmarks_do_not_know_them():
    levels, known = driven(2, 2, 150, seed=14)
    found = evaluated(levels, known, season=4)
    plain = evaluate(levels, np.array([0, 150]), settings_of(season=4, exogenous=()), holdout=STEPS)
    np.testing.assert_array_equal(found.holdout.sums[1:], plain.holdout.sums[1:])
    assert (found.holdout.sums[0] != plain.holdout.sums[0]).any()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), is_shared=st.booleans())
def test_the_lookup_is_a_dictionary(seed, is_shared):
    random = np.random.default_rng(seed)
    n_rows = int(random.integers(0, 40))
    pairs = {
        (0 if is_shared else int(random.integers(4)), float(random.choice([-3.0, 0.25, 1.0, 1.5, 2.0, 7e6, 7e6 + 1])))
        for _ in range(n_rows)
    }
    rows = dict(zip(pairs, random.normal(size=(len(pairs), 2)), strict=True))
    shuffled = random.permutation(np.array(list(rows)).reshape(-1, 2))
    values = np.array([rows[tuple(pair)] for pair in shuffled.tolist()]).reshape(-1, 2)
    series = None if is_shared else shuffled[:, 0].astype(np.int64)
    lookup = ExogenousValues.of(values, periods=shuffled[:, 1], series=series)
    wanted_series = random.integers(4, size=(3, 5))
    wanted = random.choice([-3.0, 0.0, 0.25, 1.0, 1.5, 2.0, 3.0, 7e6, 7e6 + 1], size=(3, 5))
    nothing = np.full(2, np.nan)
    expected = [
        [rows.get((0 if is_shared else int(s), float(p)), nothing) for s, p in zip(*pair, strict=True)]
        for pair in zip(wanted_series, wanted, strict=True)
    ]
    np.testing.assert_array_equal(lookup.at(wanted_series, wanted + 1e-9), np.array(expected))


@pytest.mark.parametrize("season", [0, 4])
def test_intervals_cover_what_they_say(season):
    """600 series of 200 periods: 95% intervals of steps 1 to 6 hold .95 of what follows, less the uncertainty of the
    coefficients; the standard error of a share of 1,200 is .006, and of shares of one series that go together less than
    .01."""
    pairs = [driven(2, 2, 200 + STEPS, seed=1000 + i) for i in range(600)]
    options = {"max_lags": 1, "horizon": STEPS, "season": season}
    fit = fit_driven([levels[:200] for levels, _ in pairs], [known[:200] for _, known in pairs], **options)
    assert len(fit) == len(pairs)
    made = model_forecast(
        fit,
        np.stack([levels[199] for levels, _ in pairs], axis=-1)[None],
        fit.settings,
        steps=STEPS,
        exogenous=np.stack([known[200:] for _, known in pairs], axis=-1),
    )
    truth = np.stack([levels[200:] for levels, _ in pairs], axis=-1)
    coverage = ((made.lower <= truth) & (truth <= made.upper)).mean(axis=(1, 2))
    assert (np.abs(coverage - 0.945) < 0.02).all(), coverage
