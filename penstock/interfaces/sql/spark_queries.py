"""Runs the SQL in queries/ over a pipeline's tables by Spark; duckdb_queries does so without."""

from pyspark.sql import DataFrame, SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.sql.query_files import read_query
from penstock.interfaces.sql.views import catalog_statements
from penstock.schemas.catalog import table_names
from penstock.spark.tables import table_exists


def run_query(spark: SparkSession, config: PipelineConfig, name: str) -> DataFrame:
    """The answer of queries/<name>.sql, over temporary views with the names of the tables and views that it reads."""
    query = read_query(config, name)
    query.require(config, [table for table in query.tables if table_exists(spark, config.table_path(table))])
    for table in query.tables:
        spark.read.format("delta").load(config.table_path(table)).createOrReplaceTempView(table)
    for view in query.views:
        spark.sql(view.select).createOrReplaceTempView(view.name)
    return spark.sql(query.sql)


def existing_tables(spark: SparkSession, config: PipelineConfig) -> frozenset[str]:
    """Those of the pipeline's tables that are there."""
    names = table_names(config.workload)
    return frozenset(table for table in names if table_exists(spark, config.table_path(table)))


def make_schema(spark: SparkSession, config: PipelineConfig) -> frozenset[str]:
    """Make the pipeline's schema in Spark's catalog, or complete it; returns the tables that it has now.

    They stay where they are: the schema only names them.
    """
    tables = existing_tables(spark, config)
    for statement in catalog_statements(config, tables):
        spark.sql(statement)
    return tables
