"""Losses by hand, and the Diebold-Mariano test against R's `dm.test`."""

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import t

from penstock.models.accuracy.diebold_mariano import DieboldMariano, diebold_mariano
from penstock.models.accuracy.losses import half_width, row_loss, scaled_interval_loss, weighted_interval_score
from penstock.operations.compare.row_pairs import loss_sql

#: Errors of two forecasts of R's WWWusage, and what `dm.test` of R's package forecast says of them, as the tests of
#: JuliaStats' HypothesisTests.jl (pull request 180, test/diebold_mariano.jl) quote it to four digits.
ETS = [
    *(0.002241270, -0.000661906, -1.200002613, -4.000218178, 3.799373533, 3.401005111, -1.199692125, -0.800490048),
    *(-1.200048999, 3.399847229, 7.000708948, 2.200989241, -4.800165569, -1.201043375, 3.400167556, 3.000709085),
    *(0.400267950, -6.800169207, -2.401259050, 1.200112198),
]
ARIMA = [
    *(0.1209998, 8.0622269, -0.9189429, -1.7952436, 5.3431277, 2.0459823, -0.6073261, 0.5516816, -0.7633238, 4.1229472),
    *(5.8785333, 1.2828331, -3.4854233, 1.1971370, 3.1709314, 2.3408457, 0.4962286, -5.9841362, 0.1537114, 0.4207951),
]


@pytest.mark.parametrize(("power", "horizon", "p_value"), [(2, 1, 0.8871), (2, 10, 0.9362), (1, 1, 0.7818)])
def test_p_values_are_those_of_r(power, horizon, p_value):
    differences = np.abs(ETS) ** power - np.abs(ARIMA) ** power
    found = diebold_mariano(differences, horizon=horizon)
    assert isinstance(found, DieboldMariano)
    assert found.p_value == pytest.approx(p_value, abs=5e-5)
    assert not found.bartlett
    assert np.sign(found.statistic) == np.sign(differences.mean())


def by_loops(d, h):
    """The statistic as the papers write it, term by term."""
    n = len(d)
    mean = sum(d) / n

    def gamma(k):
        return sum((d[i] - mean) * (d[i - k] - mean) for i in range(k, n)) / n

    variance = (gamma(0) + 2 * sum(gamma(k) for k in range(1, h))) / n
    return mean / math.sqrt(variance) * math.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)


@pytest.mark.parametrize("horizon", [1, 2, 4, 8])
def test_the_statistic_is_that_of_a_plain_loop(horizon):
    noise = np.random.default_rng(horizon).normal(0.3, 1.0, 70)
    d = noise[8:] + sum(noise[8 - lag : -lag] for lag in range(1, 8))
    found = diebold_mariano(d, horizon=horizon)
    assert isinstance(found, DieboldMariano)
    expected = by_loops(list(d), horizon)
    assert found.statistic == pytest.approx(expected, rel=1e-12)
    assert found.p_value == pytest.approx(2 * t.cdf(-abs(expected), len(d) - 1), rel=1e-9)


def test_a_variance_that_would_be_negative_gets_bartletts_weights():
    d = np.tile([1.0, -1.0], 10) + 0.01
    found = diebold_mariano(d, horizon=2)
    assert isinstance(found, DieboldMariano)
    assert found.bartlett
    # gamma(0) = 1 and gamma(1) = -19/20; 1 + 2 * 0.5 * gamma(1) = 1/20; the plain sum is -18/20.
    assert found.statistic == pytest.approx(0.01 / math.sqrt(1 / 20 / 20) * math.sqrt((20 + 1 - 4 + 2 / 20) / 20))


def test_no_test_without_units_or_differences():
    assert diebold_mariano([0.1], horizon=1) == "1 units of time, and more than 1 are needed"
    assert diebold_mariano([0.1, 0.2, 0.3], horizon=4) == "3 units of time, and more than 4 are needed"
    for constant in (0.5, 0.1, 1e5 / 3):
        assert diebold_mariano([constant] * 80, horizon=1) == "the loss difference is the same in all units of time"
    rounded = [0.1 + 0.2, 0.3] * 40
    assert diebold_mariano(rounded, horizon=1) == "the loss difference is the same in all units of time"


def test_the_weighted_interval_score_by_hand():
    """alpha = 0.2, the interval [8, 14], the median 10."""
    bounds = {"forecast": 10.0, "lower": 8.0, "upper": 14.0, "level": 0.8}
    # Within: (0.5 * 2 + 0.1 * 6) / 1.5.
    assert weighted_interval_score(12.0, **bounds) == pytest.approx(1.6 / 1.5)
    # 3 above: IS = 6 + 10 * 3 = 36, (0.5 * 7 + 0.1 * 36) / 1.5.
    assert weighted_interval_score(17.0, **bounds) == pytest.approx(7.1 / 1.5)
    # 1 below: IS = 6 + 10 * 1 = 16, (0.5 * 3 + 0.1 * 16) / 1.5.
    assert weighted_interval_score(7.0, **bounds) == pytest.approx(3.1 / 1.5)
    assert half_width(8.0, 14.0, forecast=10.0) == 3.0
    assert half_width(1.0, 1.0, forecast=1.0) is None
    assert half_width(-math.inf, 1.0, forecast=0.0) is None
    # A rounding error apart, of a unit or of the forecast.
    assert half_width(-1e-17, 1e-17, forecast=0.0) is None
    assert half_width(1e9, 1e9 + 1e-4, forecast=1e9) is None
    assert scaled_interval_loss(12.0, **bounds) == pytest.approx(1.6 / 1.5 / 3)
    assert scaled_interval_loss(1e308, forecast=0.0, lower=-1e-9, upper=1e-9, level=0.8) is None
    # A rounding error apart: half of 2 ulp at a million.
    assert half_width(1e6, 1e6 + 2e-10, forecast=1e6) is None
    assert half_width(0.0, 4e-12, forecast=0.0) == 2e-12


@pytest.mark.parametrize(
    ("name", "prediction", "label", "expected"),
    [
        ("absolute", 6.688, 6, 0.688),
        ("squared", 4.0, 6.5, 6.25),
        ("zero_one", "good", "bad", 1.0),
        ("zero_one", 2.0, 2, 0.0),
        ("zero_one", True, True, 0.0),
        ("log", 0.25, 1, math.log(4)),
        ("log", 0.25, 0, -math.log(0.75)),
        ("log", 0.0, 1, 52 * math.log(2)),
        ("log", 1.0000001, 0, 52 * math.log(2)),
        ("log", -0.0000001, 0, 0.0),
        ("log", 1.001, 1, None),
        ("log", 0.5, 2, None),
        ("squared", 1e200, 1.0, None),
        ("absolute", 1e308, -1e308, None),
        # 52 ln 2: no probability is smaller than 2^-52.
        ("log", 0.0, 1, 36.04365338911715),
        ("log", 1.0, 0, 36.04365338911715),
        ("log", 1.0 + 9e-6, 1, 0.0),
        ("log", -9e-6, True, 36.04365338911715),
        ("log", 1.5, 1, None),
        ("log", 0.25, 2, None),
        ("squared", 1e200, -1e200, None),
        ("absolute", math.inf, 1.0, None),
        # Texts as texts, numbers and booleans as numbers.
        ("zero_one", "1.0", "1", 1.0),
        ("zero_one", 1.0, True, 0.0),
        ("zero_one", 0, True, 1.0),
        ("zero_one", "1", 1, None),
        ("absolute", "5", "6", None),
        ("absolute", None, 1.0, None),
        ("absolute", math.nan, 1.0, None),
        ("absolute", "good", 1.0, None),
    ],
)
def test_losses_of_rows(name, prediction, label, expected):
    """Of one answer, and of many in DuckDB."""
    expression = loss_sql(name, prediction="prediction", label="label")
    row = pa.table({"prediction": [prediction], "label": [label]})
    ((computed,),) = duckdb.connect().from_arrow(row).project(expression).fetchall()
    for found in (row_loss(name, prediction, label), computed):
        assert found is None if expected is None else found == pytest.approx(expected)
