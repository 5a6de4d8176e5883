"""Which role the forecasts have that a model makes without a VAR, and what the views make of it."""

from datetime import datetime

import duckdb
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.config.series import SeriesConfig
from penstock.series.forecasts import FALLBACK_ROLES, forecast_rows
from penstock.series.roles import CAPACITY
from penstock.udfs.var import fleet_fallback

WHEN = datetime(2024, 1, 1)


def test_each_method_of_a_fallback_has_a_role() -> None:
    methods = {fleet_fallback.NAIVE, fleet_fallback.SEASONAL_NAIVE, fleet_fallback.POOLED}
    assert set(FALLBACK_ROLES) == methods
    assert len(fleet_fallback.FALLBACKS) == len(methods) + 1


def test_a_forecast_has_the_role_of_its_method(spark: SparkSession) -> None:
    """The last one has a forecast that the stream does not use."""
    series = SeriesConfig.model_validate({"variables": ["x"], "frequency": "MS", "horizon": 1})
    given = [
        ("a", 0, None),
        ("b", 1, "fallback: gap"),
        ("c", 2, "fallback: gap"),
        ("d", 3, "fallback: gap"),
        ("e", 1, "old"),
    ]
    windows = spark.createDataFrame(
        [("q", 0, WHEN, name, WHEN, method, error) for name, method, error in given],
        "query_id string, batch_id long, planned_at timestamp, series_id string, ds timestamp, method long, "
        "error string",
    )
    scored = F.struct("method", *[F.lit(1.0).alias(f"x_{bound}_1") for bound in ("forecast", "lower", "upper")])
    model = [F.lit("m").alias("model_name"), F.lit("1").alias("model_version"), F.lit("champion").alias("role")]
    rows = forecast_rows(windows.withColumn("_scored", scored), series, model=model)
    assert {row["series_id"]: row["role"] for row in rows.collect()} == {
        "a": "champion",
        "b": "fallback",
        "c": "fallback_seasonal_naive",
        "d": "fallback_pooled",
    }


@pytest.mark.parametrize("role", ["champion", "candidate", "candidate_fallback", *FALLBACK_ROLES.values()])
def test_they_are_the_champions_in_the_views_and_in_the_dashboard(role: str) -> None:
    """So that a forecast of a VAR that is made later for the same cutoff is a vintage of the same."""
    [found] = duckdb.sql(f"SELECT {CAPACITY} FROM (SELECT '{role}' AS role)").fetchall()
    assert found == ("champion",)
