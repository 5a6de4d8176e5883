"""Dates that name a period, as the stream casts them and as `penstock init` finds them."""

from datetime import date

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.schemas.contract import Field
from penstock.sources.inference.periods import PERIOD_FORMATS, period_format_of
from penstock.sources.quarters import QuarterFormat
from penstock.sources.text_casts import cast_text

#: By Spark's pattern: a text, and the first day of its period.
WRITTEN = {
    "yyyyMMdd": ("20240229", date(2024, 2, 29)),
    "yyyyMM": ("202411", date(2024, 11, 1)),
    "yyyy": ("1950", date(1950, 1, 1)),
    "yyyy-MM": ("2015-12", date(2015, 12, 1)),
    "yyyy/MM": ("2015/12", date(2015, 12, 1)),
    "yyyy'M'MM": ("2015M07", date(2015, 7, 1)),
    "MM/yyyy": ("07/2015", date(2015, 7, 1)),
    "MM-yyyy": ("07-2015", date(2015, 7, 1)),
    "MMM yyyy": ("Mar 2001", date(2001, 3, 1)),
    "MMM-yyyy": ("Mar-2001", date(2001, 3, 1)),
    "yyyy MMM": ("2001 Mar", date(2001, 3, 1)),
    "yyyy-MMM": ("2001-Mar", date(2001, 3, 1)),
    "MMMM yyyy": ("March 2001", date(2001, 3, 1)),
    "yyyy'Q'q": ("2000Q1", date(2000, 1, 1)),
    "yyyy-'Q'q": ("2000-Q2", date(2000, 4, 1)),
    "yyyy 'Q'q": ("2000 Q3", date(2000, 7, 1)),
    "yyyy/'Q'q": ("2000/Q4", date(2000, 10, 1)),
    "yyyy:'Q'q": ("2000:Q4", date(2000, 10, 1)),
    "'Q'q yyyy": ("Q4 1999", date(1999, 10, 1)),
    "'Q'q-yyyy": ("Q3-1999", date(1999, 7, 1)),
    "'Q'q/yyyy": ("Q2/1999", date(1999, 4, 1)),
}
BAD = ("", "2000", "2000Q5", "2000Q0", "2000Q1 ", "x2000Q1", "2000Q1\n", "2000-13", "200013", "20240230", "Foo 2000")


def test_all_formats_are_here() -> None:
    assert {form.spark for form in PERIOD_FORMATS} == set(WRITTEN)


@pytest.mark.parametrize("spark_format", WRITTEN)
def test_init_finds_the_format(spark_format: str) -> None:
    text, day = WRITTEN[spark_format]
    found = period_format_of([text])
    assert found is not None
    first_day = found.first_day(text)
    assert first_day is not None
    assert (found.spark, first_day.date()) == (spark_format, day)


@pytest.mark.parametrize("text", [text for text in BAD if text != "2000"])
def test_init_finds_no_format(text: str) -> None:
    assert period_format_of([text]) is None


def test_one_format_for_all_values() -> None:
    assert period_format_of(["2000Q1", "2000-Q2"]) is None
    assert period_format_of([]) is None


@pytest.mark.parametrize("spark_format", ["yyyy-MM-dd", "yyyy", "q", "yyyy'Q'qq", "MM q yyyy", "'q' yyyy"])
def test_patterns_without_a_quarter_are_sparks(spark_format: str) -> None:
    assert QuarterFormat.of(spark_format) is None


def test_the_stream_reads_what_init_found(spark: SparkSession) -> None:
    texts = [text for text, _ in WRITTEN.values()] + list(BAD)
    frame = spark.createDataFrame([(text,) for text in texts], "text string")
    columns = [
        cast_text(F.col("text"), Field(name="t", type=kind, format=spark_format)).cast("date").alias(f"{kind} {place}")
        for place, spark_format in enumerate(WRITTEN)
        for kind in ("date", "timestamp")
    ]
    read = {row.text: row for row in frame.select("text", *columns).collect()}
    for place, (spark_format, (own_text, day)) in enumerate(WRITTEN.items()):
        for text in texts:
            # init's own reading is checked above; a text of one format is none of another but those of digits.
            expected = (
                day if text == own_text else date(2000, 1, 1) if (text, spark_format) == ("2000", "yyyy") else None
            )
            found = {read[text][f"{kind} {place}"] for kind in ("date", "timestamp")}
            assert found == {expected}, (spark_format, text)
