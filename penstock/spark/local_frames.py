"""DataFrames of a few rows from the driver."""

from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import StructType


def local_frame(spark: SparkSession, rows: Sequence[tuple[Any, ...]], schema: StructType | str) -> DataFrame:
    """`rows` as a local relation in the JVM. `createDataFrame` of tuples would start a Python worker in each job that
    reads it, a tenth of a second for a single row.

    rows: structs as tuples, maps as lists of pairs, timestamps with their time zone. schema: a StructType or DDL.
    """
    struct = schema if isinstance(schema, StructType) else cast("StructType", StructType.fromDDL(schema))
    arrow = to_arrow_schema(struct, timezone="UTC")
    columns = [pa.array([row[at] for row in rows], type=field.type) for at, field in enumerate(arrow)]
    frame: DataFrame = spark.createDataFrame(pa.Table.from_arrays(columns, schema=arrow), struct)
    return frame
