"""Measures and benchmarks with numbers that were computed by hand."""

import numpy as np
import pytest

from penstock.udfs.var.accuracy import STEP_MEASURES, MethodForecast, Scales, measures, step_terms
from penstock.udfs.var.benchmarks import Seasons, changes, naive_forecast
from penstock.udfs.var.runs import runs_of, whole_runs

QUANTILE_80 = 1.2815515655446004


def forecast(points, lower, upper, medians=None):
    arrays = [np.reshape(np.asarray(part, dtype=float), (-1, 1, 1)) for part in (points, lower, upper)]
    medians = arrays[0] if medians is None else np.reshape(np.asarray(medians, dtype=float), (-1, 1, 1))
    return MethodForecast(points=arrays[0], lower=arrays[1], upper=arrays[2], medians=medians)


def terms_of(truth, made, *, scales=(1.0, 1.0), level=0.8):
    given = Scales(mean_absolute=np.full((1, 1), scales[0]), root_mean_square=np.full((1, 1), scales[1]))
    found = step_terms(np.reshape(np.asarray(truth, dtype=float), (-1, 1, 1)), made, given, level=level)
    return dict(zip(STEP_MEASURES, found[:, :, 0, 0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("truth", "score"),
    [
        # alpha 0.2: (|y - 7| / 2 + 0.1 * (4 + 10 * distance from [5, 9])) / 1.5
        (7.0, (0.0 + 0.1 * 4.0) / 1.5),
        (6.0, (0.5 + 0.1 * 4.0) / 1.5),
        (10.0, (1.5 + 0.1 * 14.0) / 1.5),
        (3.0, (2.0 + 0.1 * 24.0) / 1.5),
    ],
)
def test_the_weighted_interval_score(truth, score):
    assert terms_of([truth], forecast([7], [5], [9]))["wis"] == pytest.approx([score])


def test_the_score_is_of_the_median_and_the_errors_of_the_point():
    terms = terms_of([6.0], forecast([8], [5], [9], medians=[7]))
    assert (terms["mae"], terms["rmse"]) == ([2.0], [4.0])
    assert terms["wis"] == pytest.approx([0.6])


def test_scaled_errors():
    """Training part 1, 3, 2, 5: changes 2, -1, 3, mean absolute 2, mean square 14 / 3. Errors 1 and -3."""
    levels = np.array([[1.0], [3.0], [2.0], [5.0], [9.0]])
    mean_absolute, root_mean_square = changes(levels, whole_runs(np.array([0, 5])), np.array([0]), np.array([4]))
    assert mean_absolute == pytest.approx(2.0)
    terms = terms_of([6, 6], forecast([7, 3], [5, 1], [9, 5]), scales=(mean_absolute[0, 0], root_mean_square[0, 0]))
    assert terms["mase"] == [0.5, 1.5]
    # RMSSE of both steps: root of (1 + 9) / 2 / (14 / 3) = root of 15 / 14
    assert np.sqrt(np.mean(terms["rmsse"])) == pytest.approx(np.sqrt(15 / 14))
    assert terms["coverage"] == [1.0, 0.0]


def test_a_step_without_truth_has_no_measure():
    terms = terms_of([np.nan, 6], forecast([7, 3], [5, 1], [9, 5]))
    assert all(np.isnan(values[0]) and np.isfinite(values[1]) for values in terms.values())
    given = Scales(mean_absolute=np.ones((1, 1)), root_mean_square=np.ones((1, 1)))
    found = measures(np.array([np.nan, 6.0]).reshape(2, 1, 1), forecast([7, 3], [5, 1], [9, 5]), given)
    assert found[:, 0, 0].tolist() == [3.0, 3.0, 3.0, 0.0]


def test_the_naive_forecast():
    found = naive_forecast(np.array([[5.0]]), spread=np.array([[2.0]]), quantile=QUANTILE_80, steps=4)
    assert found.points[:, 0, 0].tolist() == [5.0] * 4
    assert found.upper[3, 0, 0] == pytest.approx(5.0 + QUANTILE_80 * 4.0)
    assert found.lower[1, 0, 0] == pytest.approx(5.0 - QUANTILE_80 * 2.0 * 2**0.5)


def seasonal(levels, periods, *, cutoff, steps=6, length=4, start=0):
    """Of one series that stands after another one and before a third."""
    strange = np.arange(100.0, 110.0)
    column = np.concatenate([strange, levels, strange])[:, None]
    offsets = np.cumsum([0, 10, len(levels), 10])
    runs = runs_of(offsets, np.concatenate([np.arange(10), periods, np.arange(10)]) * 1.0)
    seasons = Seasons.of(column, runs, length=length)
    return seasons.forecast(np.array([10 + start]), np.array([10 + cutoff]), quantile=QUANTILE_80, steps=steps)


def test_the_seasonal_naive_forecast():
    """Two seasons 1 2 3 4 and 3 2 5 8, then what is not seen. Seasonal changes 2, 0, 2, 4: mean square 24 / 4."""
    found = seasonal([1, 2, 3, 4, 3, 2, 5, 8, 50, 60, 70], np.arange(11), cutoff=8)
    assert found.points[:, 0, 0].tolist() == [3, 2, 5, 8, 3, 2]
    expected = QUANTILE_80 * np.sqrt(6) * np.sqrt([1, 1, 1, 1, 2, 2])
    np.testing.assert_allclose((found.upper - found.points)[:, 0, 0], expected)
    np.testing.assert_allclose((found.points - found.lower)[:, 0, 0], expected)


def test_seasonal_changes_reach_over_holes():
    """The same without the periods 1 and 13: the changes from 0 to 4, 2 to 6, 3 to 7 are 2, 2, 4 (24 / 3), and those to
    the periods 8 to 11 0, 3, 1, 1 (11); the next one is 13, which is missing, and 12 adds 1."""
    levels = [1, 3, 4, 3, 2, 5, 8, 3, 5, 6, 9, 4, 7, 7]
    periods = np.array([0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15])
    found = seasonal(levels, periods, cutoff=11)
    assert found.points[:, 0, 0].tolist() == [3, 5, 6, 9, 3, 5]
    np.testing.assert_allclose((found.upper - found.points)[:4, 0, 0], QUANTILE_80 * np.sqrt((24 + 11) / 7))
    assert np.isnan(seasonal(levels, periods, cutoff=14).points).all()
    # period 13 is the second of the last season 12 to 15: not needed for one step, which is of the phase of 12
    assert seasonal(levels, periods, cutoff=14, steps=1).points.tolist() == [[[4.0]]]


@pytest.mark.parametrize("cutoff", [3, 4])
def test_without_a_season_before_there_is_no_seasonal_forecast(cutoff):
    assert np.isnan(seasonal(np.arange(9.0), np.arange(9), cutoff=cutoff).upper).all()
    assert np.isfinite(seasonal(np.arange(9.0), np.arange(9), cutoff=5).upper).all()
