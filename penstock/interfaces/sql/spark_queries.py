"""Runs the queries of queries/ over a pipeline's tables by Spark."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructField

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.sql.query_files import read_query
from penstock.interfaces.sql.views import EarlierColumns, catalog_statements, possible_tables
from penstock.schemas.catalog import BY_NAME
from penstock.schemas.tables import column_of
from penstock.spark.tables import table_exists


def run_query(spark: SparkSession, config: PipelineConfig, name: str) -> DataFrame:
    """The result of queries/<name>.sql over temporary views for the tables and views that it reads."""
    query = read_query(config, name)
    query.require(config, [table for table in query.tables if table_exists(spark, config.table_path(table))])
    for table in query.tables:
        frame = spark.read.format("delta").load(config.table_path(table))
        nulls = {column.name: F.lit(None).cast(column.dataType) for column in new_columns(frame, table)}
        frame.withColumns(nulls).createOrReplaceTempView(table)
    for view in query.views:
        spark.sql(view.select).createOrReplaceTempView(view.name)
    return spark.sql(query.sql)


def new_columns(frame: DataFrame, table: str) -> list[StructField]:
    """See `columns_beyond`."""
    return list(map(column_of, BY_NAME[table].columns_beyond(frame.columns)))


def existing_tables(spark: SparkSession, config: PipelineConfig) -> frozenset[str]:
    """The pipeline's tables that exist."""
    names = possible_tables(config)
    return frozenset(table for table in names if table_exists(spark, config.table_path(table)))


def make_schema(spark: SparkSession, config: PipelineConfig) -> frozenset[str]:
    """Create or complete the pipeline's schema in Spark's catalog; returns the tables that it has now.

    The tables are external: the schema only refers to their locations.
    """
    tables = existing_tables(spark, config)
    frames = {table: spark.read.format("delta").load(config.table_path(table)) for table in tables}
    earlier = {
        table: EarlierColumns(
            columns=tuple(frame.columns), nulls={column.name: column.dataType.simpleString() for column in new}
        )
        for table, frame in frames.items()
        if (new := new_columns(frame, table))
    }
    for statement in catalog_statements(config, tables, earlier=earlier):
        spark.sql(statement)
    return tables
