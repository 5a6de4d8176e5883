"""Keeps Spark's optimizer from moving filters where they cost more than they save."""

import uuid

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def with_filters_above(frame: DataFrame) -> DataFrame:
    """The rows, so that filters on them stay above what they are made from.

    Below a projection a filter has the projection's expressions in place of its columns, each as often as the filter
    has the column: what cuts a line into fields, once for each field. Spark moves no filter below what it observes.
    """
    return frame.observe(f"barrier {uuid.uuid4()}", F.count(F.lit(1)))
