"""Runs the SQL in queries/ over a pipeline's tables."""

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from penstock.config import PipelineConfig
from penstock.tables import table_exists

QUERIES = Path(__file__).parent.parent / "queries"
TABLES = ("predictions", "observations", "forecasts", "lags", "quarantine", "batches")


def run_query(spark: SparkSession, config: PipelineConfig, name: str) -> DataFrame:
    """The answer of queries/<name>.sql, over temporary views with the names of the tables that the pipeline has."""
    for table in TABLES:
        path = config.table_path(table)
        if table_exists(spark, path):
            spark.read.format("delta").load(path).createOrReplaceTempView(table)
    return spark.sql((QUERIES / f"{name}.sql").read_text())
