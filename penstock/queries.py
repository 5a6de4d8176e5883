"""Runs the SQL in queries/ over a pipeline's tables."""

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from penstock.config import PipelineConfig

QUERIES = Path(__file__).parent.parent / "queries"
TABLES = ("predictions", "quarantine", "batches")


def run_query(spark: SparkSession, config: PipelineConfig, name: str) -> DataFrame:
    """The answer of queries/<name>.sql, over temporary views with the tables' names."""
    for table in TABLES:
        spark.read.format("delta").load(config.table_path(table)).createOrReplaceTempView(table)
    return spark.sql((QUERIES / f"{name}.sql").read_text())
