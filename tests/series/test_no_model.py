"""Why a series has no model, from the negative lag order that a model gave."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.series.missing_forecasts import Answers, no_model


def texts(spark: SparkSession, reasons: tuple[str, ...]) -> list[str]:
    orders = spark.createDataFrame([(order,) for order in (-1, -2, -3, -4)], "lag_order long")
    scored = orders.select("lag_order", F.struct("lag_order").alias("_scored"))
    rows = (
        scored.select("lag_order", no_model(Answers(refused_reasons=reasons)).alias("error"))
        .orderBy(F.desc("lag_order"))
        .collect()
    )
    return [row.error for row in rows]


def test_a_lag_order_below_minus_1_is_the_number_of_a_reason(spark: SparkSession) -> None:
    """-2 is the first reason; -4 would be a third one, which this model does not have."""
    found = texts(spark, ("too short: 3 observations, 12 needed", "constant: variable 0"))
    assert found == [
        "unknown_series",
        "refused_by_fit: too short: 3 observations, 12 needed",
        "refused_by_fit: constant: variable 0",
        "unknown_series",
    ]


def test_a_model_of_an_earlier_version_has_no_reasons(spark: SparkSession) -> None:
    assert texts(spark, ()) == ["unknown_series"] * 4
