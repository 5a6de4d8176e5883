"""Rolling origins against a plain loop: statsmodels fitted series by series on what is before each origin."""

import numpy as np
import pytest
from statsmodels.tsa.api import VAR
from statsmodels.tsa.vector_ar.var_model import ma_rep
from var_loop import looped
from var_truth import simulated

from penstock.udfs.var.accuracy import STEP_MEASURES
from penstock.udfs.var.evaluation import evaluation_from_bytes, evaluation_to_bytes, merge_evaluations
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.holdout import evaluate

LAGS, STEPS, HOLDOUT, SEASON, LEVEL = 2, 3, 5, 4, 0.9
QUANTILE_90 = 1.6448536269514722
SETTINGS = FitSettings(
    transforms=("none", "none"), max_lags=LAGS, horizon=STEPS, level=LEVEL, season=4.3, max_root_modulus=9.0
)
#: What 2 lags of 2 variables and a constant take: 5 coefficients, 4 rows for each and 10 more; docs/series.md.
ROWS_NEEDED = 30


def model_forecast(training, periods):
    """Points, lower, upper, each (STEPS, 2); None if the series is too short."""
    if len(training) == periods[-1] - periods[0] + 1:
        if len(training) - LAGS < ROWS_NEEDED:
            return None
        return VAR(training).fit(LAGS, trend="c").forecast_interval(training[-LAGS:], STEPS, alpha=1 - LEVEL)
    fit = looped(training, periods, max_lags=LAGS)
    if fit.n_rows < ROWS_NEEDED:
        return None
    points = fit.forecast(training[-LAGS:], STEPS)
    weights = ma_rep(fit.coefs, STEPS)[:STEPS]
    width = QUANTILE_90 * np.sqrt(np.cumsum([np.diag(one @ fit.sigma_u @ one.T) for one in weights], axis=0))
    return points, points - width, points + width


def naive_forecast(training, periods):
    changes = [training[i] - training[i - 1] for i in range(1, len(training)) if periods[i] - periods[i - 1] == 1]
    spread = np.sqrt(np.mean(np.square(changes), axis=0))
    points = np.array([training[-1]] * STEPS)
    width = np.array([QUANTILE_90 * spread * step**0.5 for step in range(1, STEPS + 1)])
    return points, points - width, points + width


def seasonal_forecast(training, periods):
    levels = dict(zip(periods.tolist(), training, strict=True))
    changes = [levels[period] - levels[period - SEASON] for period in levels if period - SEASON in levels]
    phases = [periods[-1] + step - SEASON for step in range(1, STEPS + 1)]
    if not all(period in levels for period in phases):
        return None
    points = np.array([levels[period] for period in phases])
    width = QUANTILE_90 * np.sqrt(np.mean(np.square(changes), axis=0))
    return points, points - width, points + width


def cutoff_of(periods, limit):
    """After the last observation up to the period `limit` that ends LAGS consecutive ones."""
    for end in range(len(periods) - 1, LAGS - 2, -1):
        if periods[end] <= limit and periods[end] - periods[end - LAGS + 1] == LAGS - 1:
            return end + 1
    return None


def terms_by_hand(truth, forecast, scale, mean_square):
    """(6,) of one step and variable."""
    point, lower, upper = forecast
    alpha = 1 - LEVEL
    interval_score = upper - lower + 2 / alpha * ((lower - truth) * (truth < lower) + (truth - upper) * (truth > upper))
    return [
        abs(point - truth),
        (point - truth) ** 2,
        abs(point - truth) / scale,
        (point - truth) ** 2 / mean_square,
        float(lower <= truth <= upper),
        1 / 1.5 * (0.5 * abs(truth - point) + alpha / 2 * interval_score),
    ]


def by_hand(pieces, *, origins, every):
    """{(method, measure, step, variable): mean, series, origins, forecasts}; step 0: all steps."""
    found = {}
    for number, (levels, periods) in enumerate(pieces):
        seen = set()
        for origin in range(origins):
            cutoff = cutoff_of(periods, periods[-1] - HOLDOUT - origin * every)
            if cutoff is None or cutoff in seen:
                continue
            seen.add(cutoff)
            training, before = levels[:cutoff], periods[:cutoff]
            model = model_forecast(training, before)
            if model is None:
                continue
            made = {"model": model, "naive": naive_forecast(training, before)}
            if (seasonal := seasonal_forecast(training, before)) is not None:
                made["seasonal_naive"] = seasonal
            changes = np.diff(training, axis=0)[np.diff(before) == 1]
            later = dict(zip((periods[cutoff:] - before[-1]).tolist(), levels[cutoff:], strict=True))
            for method, bounds in made.items():
                for step in range(1, STEPS + 1):
                    for variable in range(2):
                        if step not in later:
                            continue
                        terms = terms_by_hand(
                            later[step][variable],
                            [bound[step - 1, variable] for bound in bounds],
                            np.mean(np.abs(changes[:, variable])),
                            np.mean(changes[:, variable] ** 2),
                        )
                        for place in (step, 0):
                            for measure, term in zip(STEP_MEASURES, terms, strict=True):
                                of_series = found.setdefault((method, measure, place, variable), {})
                                of_series.setdefault(number, []).append((origin, term))
    return {key: summary(key[1], of_series) for key, of_series in found.items()}


def summary(measure, of_series):
    means = [np.mean([term for _, term in terms]) for terms in of_series.values()]
    values = np.sqrt(means) if measure in ("rmse", "rmsse") else means
    pairs = {(number, origin) for number, terms in of_series.items() for origin, _ in terms}
    return np.mean(values), len(of_series), len({origin for _, origin in pairs}), len(pairs)


def as_dict(evaluation):
    by_step = evaluation.by_step
    return {
        (method, measure, (step + 1) % (STEPS + 1), variable): (
            by_step.means[i, j, step, variable],
            by_step.n_series[i, step],
            (by_step.n_forecasts[:, i, step] > 0).sum(),
            by_step.n_forecasts[:, i, step].sum(),
        )
        for i, method in enumerate(("model", "naive", "seasonal_naive"))
        for j, measure in enumerate(STEP_MEASURES)
        for step in range(STEPS + 1)
        for variable in range(2)
    }


def given(pieces):
    offsets = np.cumsum([0, *(len(levels) for levels, _ in pieces)])
    return np.concatenate([levels for levels, _ in pieces]), offsets, np.concatenate([p for _, p in pieces]) * 1.0


def evaluated(pieces, *, origins, every, settings=SETTINGS):
    levels, offsets, periods = given(pieces)
    return evaluate(levels, offsets, settings, holdout=HOLDOUT, origins=origins, origin_every=every, periods=periods)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for key, (mean, *counts) in expected.items():
        assert list(found[key][1:]) == counts, key
        assert found[key][0] == pytest.approx(mean, rel=1e-8), key


def whole():
    """The second one loses some of its earlier origins, the third one has never enough rows."""
    return [(simulated(2, 1, n, seed=n), np.arange(n) + n) for n in (90, 41, 35, 60, 52)]


def holed():
    pieces = []
    for seed in range(12):
        keep = np.random.default_rng(seed).uniform(size=100) >= 0.06
        keep[[0, -1]] = True
        # a long hole among the origins: several of them have the same training part
        keep[85:89] = seed % 3 > 0
        pieces.append((simulated(2, 1, 100, seed=seed)[keep], np.flatnonzero(keep)))
    return pieces


@pytest.mark.parametrize(("origins", "every"), [(1, 1), (7, 1), (4, 3)])
@pytest.mark.parametrize("pieces", [whole(), holed(), whole() + holed()], ids=["whole", "holed", "both"])
def test_origins_are_a_plain_loop(pieces, origins, every):
    found = evaluated(pieces, origins=origins, every=every)
    assert_same(as_dict(found), by_hand(pieces, origins=origins, every=every))


def test_a_series_is_left_out_where_it_is_too_short():
    """41 observations: 36 before the last origin, of which 34 have 2 lags; 30 are enough, 4 origins earlier."""
    found = evaluated(whole(), origins=7, every=1).by_step
    assert found.series_by_origin.tolist() == [4, 4, 4, 4, 4, 3, 3]
    assert found.n_series[0].tolist() == [4, 4, 4, 4]


def test_an_origin_in_a_hole_is_not_counted_twice():
    """Without the periods 85 to 88, origins at 84 to 88 have the same training part."""
    keep = np.delete(np.arange(100), np.arange(85, 89))
    found = evaluated([(simulated(2, 1, 100, seed=3)[keep], keep)], origins=12, every=1).by_step
    # the last origin is at 94; before 90 two observations after the hole are not there
    assert found.series_by_origin.tolist() == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1]


def test_parts_add_up():
    pieces = whole() + holed()
    one = evaluated(pieces, origins=5, every=1)
    parts = [evaluated(part, origins=5, every=1) for part in (pieces[::2], pieces[1::2], whole()[2:3])]
    merged = merge_evaluations([evaluation_from_bytes(evaluation_to_bytes(part)) for part in parts])
    np.testing.assert_array_equal(merged.by_step.n_series, one.by_step.n_series)
    np.testing.assert_array_equal(merged.by_step.n_forecasts, one.by_step.n_forecasts)
    np.testing.assert_allclose(merged.by_step.sums, one.by_step.sums, rtol=1e-12)
    np.testing.assert_allclose(merged.holdout.sums, one.holdout.sums, rtol=1e-12)
    assert merged.holdout.counts.tolist() == one.holdout.counts.tolist()


def test_nothing_after_the_origin_is_seen():
    """Other values from the first origin on change the errors, and not one bit of the forecasts and scales."""
    levels = whole()[0][0]
    origins, changed = 6, levels.copy()
    first = len(levels) - HOLDOUT - (origins - 1)
    changed[first:] += 7.0
    before, after = (
        evaluate(one[: first + STEPS], np.array([0, first + STEPS]), SETTINGS, holdout=STEPS)
        for one in (levels, changed)
    )
    assert (before.by_step.sums[:, 0] != after.by_step.sums[:, 0]).all()
    # MAE / MASE, and RMSE / RMSSE are the scales
    for ours, theirs in ((0, 2), (1, 3)):
        scales = [one.by_step.sums[:, ours] / one.by_step.sums[:, theirs] for one in (before, after)]
        np.testing.assert_allclose(*scales, rtol=1e-12)


def test_the_hold_out_is_the_last_origin():
    """Whatever the number of origins; and with one origin it is what all steps together say, of the first methods."""
    one, many = (evaluated(whole(), origins=origins, every=1) for origins in (1, 6))
    np.testing.assert_array_equal(one.holdout.sums, many.holdout.sums)
    of_steps = one.by_step.means[:, [STEP_MEASURES.index(name) for name in ("mae", "rmse", "mase", "coverage")], -1]
    np.testing.assert_allclose(one.holdout.means, of_steps, rtol=1e-12)


def random_walks(n_series, n, *, lag, seed):
    """y_t = y_(t - lag) + e_t."""
    walks = np.random.default_rng(seed).normal(size=(n_series, n))
    for t in range(lag, n):
        walks[:, t] += walks[:, t - lag]
    return walks.reshape(-1, 1), np.arange(n_series + 1) * n


@pytest.mark.parametrize(("lag", "method"), [(1, 1), (4, 2)])
def test_intervals_of_random_walks_have_their_level(lag, method):
    """1,500 series, so that a share of .8 has a standard error of .010; the spread is estimated on 80 changes."""
    levels, offsets = random_walks(1500, 90, lag=lag, seed=lag)
    settings = FitSettings(transforms=("diff",), max_lags=4, horizon=6, level=0.8, season=4.0)
    found = evaluate(levels, offsets, settings, holdout=6, origins=2, origin_every=4).by_step
    coverage = found.means[method, STEP_MEASURES.index("coverage"), :, 0]
    assert np.abs(coverage - 0.8).max() < 0.03
    # E|e| of step h is the root of 2 h / pi, h the number of seasons ahead
    ahead = np.arange(6) // lag + 1
    np.testing.assert_allclose(found.means[method, 0, :6, 0], np.sqrt(2 * ahead / np.pi), rtol=0.06)


def test_the_score_takes_medians_where_points_are_means():
    levels = np.exp(simulated(1, 1, 90, seed=2))
    found = {
        point: evaluate(
            levels, np.array([0, 90]), FitSettings(transforms=("log",), max_lags=1, point=point), holdout=8
        ).by_step.means[0]
        for point in ("median", "mean")
    }
    np.testing.assert_array_equal(found["mean"][-1], found["median"][-1])
    assert (found["mean"][0] != found["median"][0]).all()


@pytest.mark.parametrize("season", [1.0, 0.5, -4.0])
def test_a_season_of_one_period_is_none(season):
    with pytest.raises(ValueError, match="season must be more than 1 period"):
        FitSettings(transforms=("none",), max_lags=1, season=season)
