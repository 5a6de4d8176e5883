"""Losses against scikit-learn: the weighted interval score is a mean of pinball losses (Bracher et al. 2021, section
2.2), and log loss is its log_loss."""

import math

import duckdb
import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from sklearn.metrics import log_loss, mean_pinball_loss

from penstock.config.evaluation import Loss
from penstock.models.accuracy.losses import number_of, row_loss, scaled_interval_loss
from penstock.operations.compare.row_pairs import loss_sql
from penstock.pipeline.evaluation.losses import finite, interval_loss, label_loss
from penstock.spark.local_frames import local_frame

#: actual, forecast, lower, upper, level
FORECASTS = [
    (3.0, 2.0, 1.0, 5.0, 0.95),
    (0.5, 2.0, 1.0, 5.0, 0.95),
    (9.0, 2.0, 1.0, 5.0, 0.8),
    (1.0, 1.0, 1.0, 1.5, 0.5),
    (-40.0, -30.0, -31.5, -29.0, 0.9),
]
WITHOUT_LOSS = [
    (3.0, 2.0, 2.0, 2.0, 0.95),
    (3.0, 2.0, None, 5.0, 0.95),
    (3.0, 2.0, 1.0, math.nan, 0.95),
    (3.0, 2.0, 5.0, 1.0, 0.95),
    (3.0, 2.0, 1.0, math.inf, 0.95),
    (3.0, 0.0, -1e-17, 1e-17, 0.95),
    (3.0, 1e9, 1e9, 1e9 + 1e-4, 0.95),
    (3.0, 0.0, -1e308, 1e308, 0.95),
    (1e308, 0.0, -1e-9, 1e-9, 0.95),
    (3.0, None, 1.0, 5.0, 0.95),
    (3.0, math.inf, 1.0, 5.0, 0.95),
]
#: Without a loss of one kind or other; and some at the bounds of a probability.
ODD = [
    *[(label, value) for label in (0.0, 1.0) for value in (1.0000001, -0.0000001, 1.001, -0.5, 1e200, -1e308)],
    *[(label, 0.5) for label in (2.0, 0.5, math.nan, math.inf, 1e308, None)],
    *[(1.0, value) for value in (math.nan, math.inf, -math.inf, None)],
    (1e308, -1e308),
]
LOSSES: tuple[Loss, ...] = ("log", "absolute", "squared", "zero_one")
#: label, prediction
PROBABILITIES = [(1.0, 0.9), (0.0, 0.9), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.0, 0.25)]


def wis(actual: float, forecast: float, lower: float, upper: float, level: float) -> float:
    """Twice the mean pinball loss of the three quantiles."""
    alpha = 1 - level
    quantiles = {alpha / 2: lower, 0.5: forecast, 1 - alpha / 2: upper}
    return 2 * sum(mean_pinball_loss([actual], [value], alpha=at) for at, value in quantiles.items()) / 3


@pytest.fixture(scope="module")
def losses(spark: SparkSession) -> list[Row]:
    rows = [*FORECASTS, *WITHOUT_LOSS]
    frame = local_frame(spark, rows, "y double, m double, l double, u double, level double")
    loss = interval_loss(F.col("y"), F.col("m"), F.col("l"), F.col("u"), level=F.col("level"))
    return frame.select("m", "l", "u", loss.alias("loss")).collect()


def test_wis_is_the_pinball_loss_over_half_the_width(losses: list[Row]) -> None:
    expected = [wis(*one) / ((one[3] - one[2]) / 2) for one in FORECASTS]
    assert [row.loss for row in losses[: len(FORECASTS)]] == pytest.approx(expected)


def test_by_hand(losses: list[Row]) -> None:
    """y = 9 above the 80% interval [1, 5] around 2: IS = 4 + 10 (9 - 5) = 44, WIS = (7 / 2 + 0.1 * 44) / 1.5 = 79 / 15,
    and half the width is 2."""
    assert losses[2].loss == pytest.approx(79 / 30)


def test_without_an_interval_there_is_no_loss(losses: list[Row]) -> None:
    assert {row.loss for row in losses[len(FORECASTS) :]} == {None}


def test_losses_of_labels(spark: SparkSession) -> None:
    frame = local_frame(spark, PROBABILITIES, "y double, p double")
    rows = frame.select(*[label_loss(name, F.col("y"), F.col("p")).alias(name) for name in LOSSES]).collect()
    expected_log = [log_loss([y], [p], labels=[0.0, 1.0]) for y, p in PROBABILITIES]
    assert [row["log"] for row in rows] == pytest.approx(expected_log, abs=1e-12)
    assert [row["absolute"] for row in rows] == pytest.approx([abs(y - p) for y, p in PROBABILITIES])
    assert [row["squared"] for row in rows] == pytest.approx([(y - p) ** 2 for y, p in PROBABILITIES])
    assert [row["zero_one"] for row in rows] == [float(y != p) for y, p in PROBABILITIES]


def test_evaluate_explain_and_compare_have_the_same_losses(spark: SparkSession, losses: list[Row]) -> None:
    """Spark's expressions, plain Python and DuckDB's SQL: also for what has no loss."""
    pairs = [*PROBABILITIES, *ODD]
    frame = (
        local_frame(spark, pairs, "y double, p double").select(finite(F.col("y")), finite(F.col("p"))).toDF("y", "p")
    )
    rows = frame.select(*[label_loss(name, F.col("y"), F.col("p")).alias(name) for name in LOSSES]).collect()
    with duckdb.connect() as connection:
        for name in LOSSES:
            expected = [row_loss(name, prediction, label) for label, prediction in pairs]
            assert [row[name] for row in rows] == pytest.approx(expected, nan_ok=False), name
            sql = f"SELECT {loss_sql(name, prediction='$p::DOUBLE', label='$y::DOUBLE')}"
            found = [connection.execute(sql, {"p": p, "y": y}).fetchall()[0][0] for y, p in pairs]
            assert [number_of(loss) for loss in found] == pytest.approx(expected), name
    by_python = [
        scaled_interval_loss(y, forecast=m, lower=lower, upper=upper, level=level)
        for y, m, lower, upper, level in [*FORECASTS, *WITHOUT_LOSS]
        if None not in (m, lower, upper) and not math.isinf(m)
    ]
    by_spark = [row.loss for row in losses if None not in (row.m, row.l, row.u) and not math.isinf(row.m)]
    assert by_spark == pytest.approx(by_python)


def test_what_is_no_finite_number_is_no_answer(spark: SparkSession) -> None:
    frame = local_frame(spark, [(value,) for value in (1.0, None, math.nan, math.inf, -math.inf)], "x double")
    assert [row[0] for row in frame.select(finite(F.col("x"))).collect()] == [1.0, None, None, None, None]
