"""A new forecast that fails leaves its error with the observation that asked for it."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.pipeline.series_revisions import with_failures

COLUMNS = "series_id string, _place string, _number long, _changed_number long, error string"
ROWS = [
    ("a", "revised", 3, 4, "revised"),
    ("a", "inserted", 4, 4, "inserted"),
    ("a", "unchanged", None, 4, "unchanged"),
    ("a", "old", 6, 4, "model: too hot"),
    ("b", "revised", 3, 3, "revised"),
    ("b", "old", 6, 3, None),
    ("c", "revised", 6, 6, "model: too cold"),
]


def test_a_failure_at_the_newest_cutoff_is_the_error_of_the_last_change(spark: SparkSession) -> None:
    batch = spark.createDataFrame(ROWS, COLUMNS)
    found = {(row.series_id, row._place): row.error for row in with_failures(batch).collect()}
    assert found == {
        ("a", "revised"): "revised",
        ("a", "inserted"): "model: too hot",
        ("a", "unchanged"): "unchanged",
        ("a", "old"): "model: too hot",
        ("b", "revised"): "revised",
        ("b", "old"): None,
        ("c", "revised"): "model: too cold",
    }


def test_that_of_a_second_version_too(spark: SparkSession) -> None:
    """Only it fails, and only in series b."""
    is_there = (F.col("series_id") == "b") & (F.col("_place") == "old")
    batch = spark.createDataFrame(ROWS, COLUMNS).withColumn("shadow_error", F.when(is_there, F.lit("model: no")))
    found = {(row.series_id, row._place): (row.error, row.shadow_error) for row in with_failures(batch).collect()}
    assert found[("b", "revised")] == ("revised", "model: no")
    assert found[("a", "inserted")] == ("model: too hot", None)
    assert found[("c", "revised")] == ("model: too cold", None)
