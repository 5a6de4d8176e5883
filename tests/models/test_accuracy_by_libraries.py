"""Losses and the Diebold-Mariano test, by libraries that others wrote: scoringrules, scikit-learn, scores."""

import math

import numpy as np
import pytest
import scoringrules
import xarray
from scores.stats.statistical_tests import diebold_mariano as scores_diebold_mariano

from penstock.models.accuracy.diebold_mariano import diebold_mariano
from penstock.models.accuracy.losses import half_width, scaled_interval_loss, weighted_interval_score

LEVELS = (0.5, 0.8, 0.9, 0.95, 0.99)


def wis_of_scoringrules(actual: float, *, forecast: float, lower: float, upper: float, level: float) -> float:
    """Bracher et al. 2021, equation 2, with K = 1.

    In 0.10.0 `weighted_interval_score` without numba adds w_0 m in place of w_0 |y - m|. The score of y and of 0 are
    the same if all is moved by -y, and so is |m - y| that of m: with these both formulas are that of the paper.
    """
    alpha = 1 - level
    found = scoringrules.weighted_interval_score(
        np.array([0.0]),
        np.array([abs(forecast - actual)]),
        np.array([[lower - actual]]),
        np.array([[upper - actual]]),
        np.array([alpha]),
    )
    return float(found)


def intervals() -> list[tuple[float, float, float, float, float]]:
    """actual, forecast, lower, upper, level: random, on a grid where many are equal, and odd."""
    chance = np.random.default_rng(2021)
    found = []
    for level in LEVELS:
        for size in (1e-6, 1.0, 1e9):
            for _ in range(20):
                middle, below, above, off = chance.normal(size=4) * size
                bounds = (middle, middle - abs(below) - 1e-3 * size, middle + abs(above) + 1e-3 * size)
                found.append((middle + 2 * off, *bounds, level))
        # Actual, forecast and bounds on a grid: on a bound, on the forecast, a forecast on or outside of a bound.
        for actual, forecast in chance.integers(-3, 4, size=(20, 2)).tolist():
            found.append((float(actual), float(forecast), -1.0, 2.0, level))
    odd = [(0.0, 0.0, -1.0, 1.0), (-0.0, 0.0, -1e-9, 1e-9), (1e12, 0.0, -1.0, 1.0), (5e-324, 0.0, -1.0, 5e-324)]
    return found + [(*one, 0.9) for one in odd]


def test_the_weighted_interval_score_is_that_of_scoringrules() -> None:
    for actual, forecast, lower, upper, level in intervals():
        given = {"forecast": forecast, "lower": lower, "upper": upper, "level": level}
        expected = wis_of_scoringrules(actual, **given)
        # The difference of large numbers has their rounding errors.
        tolerance = 1e-12 * max(abs(actual), abs(lower), abs(upper))
        found = weighted_interval_score(actual, **given)
        assert found == pytest.approx(expected, rel=1e-9, abs=tolerance), (actual, given)
        half = half_width(lower, upper, forecast=forecast)
        if half is None:
            assert scaled_interval_loss(actual, **given) is None
        else:
            assert scaled_interval_loss(actual, **given) == pytest.approx(expected / half, rel=1e-9, abs=1e-12)


def test_it_is_the_interval_score_and_twice_the_pinball_loss_of_the_median() -> None:
    """Equation 1 of the paper by `interval_score`, and |y - m| as twice `quantile_score` at 0.5."""
    for actual, forecast, lower, upper, level in intervals():
        alpha = 1 - level
        one_interval = float(scoringrules.interval_score(actual, lower, upper, alpha))
        of_median = 2 * float(scoringrules.quantile_score(actual, forecast, 0.5))
        expected = (0.5 * of_median + alpha / 2 * one_interval) / 1.5
        found = weighted_interval_score(actual, forecast=forecast, lower=lower, upper=upper, level=level)
        assert found == pytest.approx(expected, rel=1e-12, abs=0.0 if expected > 1e-300 else 1e-300)


def by_scores(differences: np.ndarray, horizon: int) -> tuple[float, float]:
    """Statistic and two-sided p. NaN where the variance of Harvey, Leybourne and Newbold is not positive."""
    series = xarray.DataArray(
        [differences],
        dims=["series", "time"],
        coords={"series": [0], "h": ("series", [horizon])},
    )
    found = scores_diebold_mariano(series, "series", "h", method="HLN", statistic_distribution="t")
    above = float(found["confidence_gt_0"].values[0])
    return float(found["dm_test_stat"].values[0]), 2 * min(above, 1 - above)


def differences_of(chance: np.random.Generator, n: int, kind: str) -> np.ndarray:
    noise = chance.normal(0.1, 1.0, n + 8)
    match kind:
        case "independent":
            return noise[:n]
        case "overlapping":
            return np.convolve(noise, np.ones(5), "valid")[:n]
        case "tied":
            return np.round(noise[:n])
        case "one of them":
            return np.eye(1, n)[0]
        case "large":
            return noise[:n] * 1e12
        case "alternating":
            return np.resize([1.0, -1.0], n) + 0.01
    raise ValueError(kind)


@pytest.mark.parametrize("kind", ["independent", "overlapping", "tied", "one of them", "large", "alternating"])
@pytest.mark.parametrize("horizon", [1, 2, 3, 8])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # in the confidence interval of scores, which nobody asks for
def test_diebold_mariano_is_that_of_scores(kind: str, horizon: int) -> None:
    """As few units as there can be, and more."""
    chance = np.random.default_rng(horizon)
    tested = 0
    for n in (horizon + 1, horizon + 2, 12, 13, 50, 200):
        for _ in range(1 if kind in ("one of them", "alternating") else 5):
            differences = differences_of(chance, n, kind)
            statistic, p_value = by_scores(differences, horizon)
            found = diebold_mariano(differences, horizon=horizon)
            if isinstance(found, str):
                # They have nothing to say either.
                assert len(set(differences.tolist())) == 1
                assert "is the same in all units" in found
                continue
            assert found.n == n
            assert found.bartlett == math.isnan(statistic)
            if not found.bartlett:
                assert found.statistic == pytest.approx(statistic, rel=1e-9)
                assert found.p_value == pytest.approx(p_value, rel=1e-7, abs=1e-14)
                tested += 1
            assert found.mean == pytest.approx(float(differences.mean()), rel=1e-12)
            assert 0.0 <= found.p_value <= 1.0
    assert tested >= (2 if kind != "alternating" or horizon == 1 else 0)
