"""Rolling origins against a plain loop: statsmodels fitted series by series on what is before each origin."""

import numpy as np
import pytest
from season_truth import waves
from statsmodels.tsa.api import VAR
from statsmodels.tsa.vector_ar.var_model import ma_rep
from var_loop import least_squares, rows_of, transformed
from var_truth import simulated

from penstock.udfs.var.accuracy import STEP_MEASURES, MethodForecast, Scales
from penstock.udfs.var.evaluation import evaluation_from_bytes, evaluation_to_bytes, merge_evaluations
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.holdout import RunningSums, evaluate, holdout_sums
from penstock.udfs.var.origins import Observed, OriginForecasts, forecasts_from, methods

LAGS, STEPS, HOLDOUT, SEASON, LEVEL = 2, 3, 5, 4, 0.9
QUANTILE_90 = 1.6448536269514722
SETTINGS = FitSettings(
    transforms=("none", "none"),
    max_lags=LAGS,
    horizon=STEPS,
    level=LEVEL,
    season=4.3,
    fourier=1,
    max_root_modulus=9.0,
)
#: What 2 lags of 2 variables, a constant, a sine and a cosine take: 7 coefficients, 4 rows for each and 10 more;
#: docs/fitting.md.
ROWS_NEEDED = 38


def model_forecast(training, periods):
    """Points, lower, upper, each (STEPS, 2); None if the series is too short."""
    times = periods - periods[0] + 1
    future = waves(4.3, 1, times[-1] + np.arange(1, STEPS + 1))
    if len(training) == times[-1]:
        if len(training) - LAGS < ROWS_NEEDED:
            return None
        fit = VAR(training, exog=waves(4.3, 1, times)).fit(LAGS, trend="c")
        return fit.forecast_interval(training[-LAGS:], STEPS, alpha=1 - LEVEL, exog_future=future)
    series = transformed(training, periods, ("none", "none"))
    regressors, targets = rows_of(series, order=LAGS, lags=LAGS, trend="c")
    rows = [period for period in sorted(series) if {period - 1, period - 2} <= series.keys()]
    if len(rows) < ROWS_NEEDED:
        return None
    of_season = waves(4.3, 1, np.array(rows) - min(series) + 1)
    coefficients, sums = least_squares(np.hstack([regressors[:, :1], of_season, regressors[:, 1:]]), targets)
    lags = np.stack([coefficients[3:5].T, coefficients[5:7].T])
    window, points = list(training[-LAGS:]), []
    for terms in future:
        points.append(coefficients[0] + terms @ coefficients[1:3] + lags[0] @ window[-1] + lags[1] @ window[-2])
        window.append(points[-1])
    sigma_u = sums / (len(rows) - 7)
    weights = ma_rep(lags, STEPS)[:STEPS]
    width = QUANTILE_90 * np.sqrt(np.cumsum([np.diag(one @ sigma_u @ one.T) for one in weights], axis=0))
    return np.array(points), np.array(points) - width, np.array(points) + width


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
    return [(simulated(2, 1, n, seed=n), np.arange(n) + n) for n in (90, 49, 43, 68, 60)]


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
    """49 observations: 44 before the last origin, of which 42 have 2 lags; 38 are enough, 4 origins earlier."""
    found = evaluated(whole(), origins=7, every=1).by_step
    assert found.series_by_origin.tolist() == [4, 4, 4, 4, 4, 3, 3]
    assert found.n_series[0].tolist() == [4, 4, 4, 4]


def test_an_origin_in_a_hole_is_not_counted_twice():
    """Without the periods 86 and 87, origins at 85 to 88 have the same training part, which ends at 85: a forecast
    takes two observations in succession."""
    keep = np.delete(np.arange(100), [86, 87])
    found = evaluated([(simulated(2, 1, 100, seed=3)[keep], keep)], origins=12, every=1).by_step
    # from 94 down to 89, then 88 in place of 85, then 84 and 83
    assert found.series_by_origin.tolist() == [1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1]
    # of the one that ends at 85 only the third step has a truth; of 84 that are the first one, and of 83 the first two
    assert found.n_forecasts[[6, 10, 11], 0].tolist() == [[0, 0, 1, 1], [1, 0, 0, 1], [1, 1, 0, 1]]


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
    """Other values from an origin on change the truth, and not one bit of the forecasts and scales."""
    levels, changed = whole()[0][0], whole()[0][0]
    changed[70:] += 7.0
    made = []
    for one in (levels, changed):
        observed = Observed.of(one, np.array([0, 90]), SETTINGS, periods=None)
        cutoffs = observed.cutoffs(left_out=20)
        assert cutoffs.tolist() == [70]
        made.append(forecasts_from(observed, SETTINGS, members=np.array([0]), cutoffs=cutoffs, steps=STEPS))
    before, after = made
    np.testing.assert_allclose(after.truth - before.truth, 7.0)
    np.testing.assert_array_equal(before.scales.mean_absolute, after.scales.mean_absolute)
    np.testing.assert_array_equal(before.scales.root_mean_square, after.scales.root_mean_square)
    for method in methods(SETTINGS):
        for bound in ("points", "lower", "upper", "medians"):
            np.testing.assert_array_equal(
                getattr(before.by_method[method], bound), getattr(after.by_method[method], bound)
            )


def test_the_model_and_the_naive_forecast_have_the_same_series():
    """The model of the first of two series overflows, the second one has no seasonal naive forecast."""

    def said(*points):
        values = np.reshape(points, (1, 1, 2)) * 1.0
        return MethodForecast(points=values, lower=values - 1.0, upper=values + 1.0, medians=values)

    settings = FitSettings(transforms=("none",), max_lags=1, season=4.0)
    running = RunningSums(n_series=2, n_origins=1, steps=1, settings=settings)
    made = OriginForecasts(
        positions=np.arange(2),
        truth=np.array([[[5.0, 5.0]]]),
        by_method={"model": said(np.inf, 7), "naive": said(6, 8), "seasonal_naive": said(9, np.nan)},
        scales=Scales(mean_absolute=np.ones((1, 2)), root_mean_square=np.ones((1, 2))),
    )
    running.add(0, made)
    assert running.scores().n_series.tolist() == [[1, 1], [1, 1], [0, 0]]
    assert running.scores().sums[:, 0, 0, 0].tolist() == [2.0, 3.0, 0.0]
    assert holdout_sums(made).counts.tolist() == [1, 1, 0]
    assert holdout_sums(made).sums[:, 0, 0].tolist() == [2.0, 3.0, 0.0]


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
    with pytest.raises(ValueError, match=r"season .* must be more than 1 period"):
        FitSettings(transforms=("none",), max_lags=1, season=season)
