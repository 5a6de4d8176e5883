"""A new forecast that fails leaves its error with the observation that asked for it."""

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.pipeline.series_revisions import with_failures

COLUMNS = "series_id string, _place string, _number long, _changed_number long, error string"


def test_a_failure_at_the_newest_cutoff_is_the_error_of_the_last_change(spark: SparkSession) -> None:
    rows = [
        ("a", "revised", 3, 4, "revised"),
        ("a", "inserted", 4, 4, "inserted"),
        ("a", "unchanged", None, 4, "unchanged"),
        ("a", "old", 6, 4, "model: too hot"),
        ("b", "revised", 3, 3, "revised"),
        ("b", "old", 6, 3, None),
        ("c", "revised", 6, 6, "model: too cold"),
    ]
    batch = spark.createDataFrame(rows, COLUMNS)
    is_failure = (F.col("_place") == "old") & F.col("error").startswith("model: ")
    found = {(row.series_id, row._place): row.error for row in with_failures(batch, is_failure).collect()}
    assert found == {
        ("a", "revised"): "revised",
        ("a", "inserted"): "model: too hot",
        ("a", "unchanged"): "unchanged",
        ("a", "old"): "model: too hot",
        ("b", "revised"): "revised",
        ("b", "old"): None,
        ("c", "revised"): "model: too cold",
    }
