"""What a rescore of series makes of rows by hand."""

from datetime import datetime

import pytest
from pyspark.sql import SparkSession

from penstock.pipeline.rescore.series_changes import is_forecast_once
from penstock.pipeline.rescore.swap import IS_ASKED, NEW_ERROR, marked_errors, with_new_errors
from penstock.spark.rewrite import IS_OLD

MONTHS = [datetime(2024, month, 1) for month in range(1, 8)]


@pytest.mark.parametrize("has_experiment", [True, False])
def test_the_errors_of_both_versions_are_replaced(spark: SparkSession, has_experiment: bool) -> None:
    """A revision keeps its own error, and loses that of a candidate that failed at an older observation."""
    rows = [
        (None, "model: no"),
        (None, None),
        ("gap", None),
        ("revised", "model: no"),
        ("revised", None),
        ("gap", "gap"),
        ("gap", "model: no"),
    ]
    given = [("a", ds, *errors) for ds, errors in zip(MONTHS, rows, strict=True)]
    planned = spark.createDataFrame(given, "series_id string, ds timestamp, error string, shadow_error string")
    # The last one is not asked again.
    answers = [("a", ds, error, True) for ds, error in zip(MONTHS[:-1], [None] * 5 + ["gap"], strict=True)]
    asked = spark.createDataFrame(answers, f"series_id string, ds timestamp, {NEW_ERROR} string, {IS_ASKED} boolean")
    marked = marked_errors(planned if has_experiment else planned.drop("shadow_error"), asked)
    new = with_new_errors(marked.where(IS_OLD))
    assert "shadow_error" not in new.columns
    found = {MONTHS.index(row.ds): row.error for row in new.collect()}
    with_shadow = {0: None, 3: "revised", 5: "gap"} if has_experiment else {}
    assert found == {2: None} | with_shadow


def test_a_cutoff_that_was_forecast_twice_is_found_by_its_first_step(spark: SparkSession) -> None:
    """As series.revisions: newest has left it, whatever it is now."""
    columns = "series_id string, cutoff timestamp, step int, variable string"
    once = [(name, MONTHS[0], step, variable) for name in "ab" for step in (1, 2) for variable in "xy"]
    assert is_forecast_once(spark.createDataFrame(once, columns))
    assert not is_forecast_once(spark.createDataFrame([*once, ("b", MONTHS[0], 1, "y")], columns))
