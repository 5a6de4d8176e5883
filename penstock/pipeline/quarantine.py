"""Rows of the quarantine: one for each refused file and one for each rejected row."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.pipeline.plan import Plan
from penstock.schemas.tables import QUARANTINE
from penstock.spark.local_frames import local_frame

FILE_COLUMNS = "stage string, reasons array<string>, raw string, header string, source_file string"


def quarantine_rows(spark: SparkSession, plan: Plan, rejected: DataFrame | None) -> DataFrame:
    """The quarantine's columns without query_id and batch_id: stage is `file`, `parse` (the row as a whole) or
    `contract` (its fields or rules)."""
    files = [("file", list(file.reasons), None, None, file.path) for file in plan.files_with("refused")]
    frame = local_frame(spark, files, FILE_COLUMNS) if files or rejected is None else None
    if rejected is not None:
        stage = F.when(F.col("reasons")[0].startswith("row: "), F.lit("parse")).otherwise(F.lit("contract"))
        rows = rejected.select(stage.alias("stage"), "reasons", "raw", "header", "source_file")
        frame = rows if frame is None else frame.unionByName(rows)
    assert frame is not None
    columns = [column.name for column in QUARANTINE.schema.fields if column.name not in ("query_id", "batch_id")]
    complete = frame.withColumn("quarantined_at", F.lit(plan.planned_at)).withColumn(
        "replayed_in", F.lit(None).cast("long")
    )
    return complete.select(*columns)
