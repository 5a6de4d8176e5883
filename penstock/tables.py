"""The Delta tables of a pipeline: made, checked and appended to, each append at most once per micro-batch."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructField, StructType

from penstock.errors import EnvironmentCheckError
from schemas.tables import TableSpec

#: A query's writes are dropped from now on: no later version can be higher.
LAST_VERSION = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """Delta's idempotency key: a second append to a table with the same key, or a lower batch_id, does nothing."""

    pipeline: str
    query_id: str
    batch_id: int

    @property
    def application(self) -> str:
        return f"{self.pipeline}:{self.query_id}"


def stamped(frame: DataFrame, transaction: Transaction) -> DataFrame:
    """`frame` with query_id and batch_id in front; one that has them already is as it is."""
    if {"query_id", "batch_id"} <= set(frame.columns):
        return frame
    columns: list[Column | str] = [
        F.lit(transaction.query_id).alias("query_id"),
        F.lit(transaction.batch_id).cast("long").alias("batch_id"),
        *frame.columns,
    ]
    return frame.select(*columns)


def append_once(frame: DataFrame, path: str, transaction: Transaction) -> None:
    """Append `frame`, with query_id and batch_id in front, unless this transaction is in the table already."""
    (
        stamped(frame, transaction)
        .write.format("delta")
        .mode("append")
        .option("txnAppId", transaction.application)
        .option("txnVersion", transaction.batch_id)
        .save(path)
    )


def table_version(spark: SparkSession, path: str) -> int:
    """The newest version of a table."""
    newest = DeltaTable.forPath(spark, path).history(1).select("version").first()
    if newest is None:
        raise EnvironmentCheckError(f"table {path} has no history; restore its _delta_log")
    return int(newest["version"])


def table_properties(spark: SparkSession, path: str) -> dict[str, str]:
    detail = DeltaTable.forPath(spark, path).detail().select("properties").first()
    return dict(detail["properties"]) if detail is not None else {}


def merge_once(frame: DataFrame, path: str, transaction: Transaction, *, keys: Sequence[str]) -> None:
    """Update the rows of a table that have the keys of `frame`, insert the others, at most once per transaction."""
    spark = frame.sparkSession
    same = " AND ".join(f"old.`{key}` = new.`{key}`" for key in keys)
    table = DeltaTable.forPath(spark, path).alias("old").merge(stamped(frame, transaction).alias("new"), same)
    with transaction_of_merge(spark, transaction):
        table.whenMatchedUpdateAll().whenNotMatchedInsertAll().execute()


@contextmanager
def transaction_of_merge(spark: SparkSession, transaction: Transaction) -> Iterator[None]:
    """A merge takes its transaction from the session, not from options."""
    settings = {
        "spark.databricks.delta.write.txnAppId": transaction.application,
        "spark.databricks.delta.write.txnVersion": str(transaction.batch_id),
    }
    for key, value in settings.items():
        spark.conf.set(key, value)
    try:
        yield
    finally:
        for key in settings:
            spark.conf.unset(key)


@dataclass(frozen=True)
class Span:
    """What of a table is replaced: all of the series in `series` (its column series_id), or, for a time column `at`,
    what begins with each series' `start` (a column of `series`)."""

    series: DataFrame
    at: str = ""
    start: str = ""


def replace_once(frame: DataFrame, path: str, transaction: Transaction, span: Span) -> None:
    """Put `frame` in the place of a span of the table, in one commit, at most once per transaction."""
    columns = frame.columns
    limit = F.col(span.start) if span.at else F.lit(None).cast("timestamp")
    spans = span.series.select(F.col("series_id").alias("_span"), limit.alias("_start"))
    source = frame.withColumns({"_span": F.lit(None).cast("string"), "_start": F.lit(None).cast("timestamp")})
    source = source.unionByName(spans, allowMissingColumns=True)
    is_inside = "old.series_id = new._span" + (f" AND old.`{span.at}` >= new._start" if span.at else "")
    table = DeltaTable.forPath(frame.sparkSession, path).alias("old").merge(source.alias("new"), is_inside)
    inserted: dict[str, str | Column] = {column: F.col(f"new.`{column}`") for column in columns}
    with transaction_of_merge(frame.sparkSession, transaction):
        table.whenMatchedDelete().whenNotMatchedInsert("new._span IS NULL", values=inserted).execute()


def batch_rows(spark: SparkSession, path: str, transaction: Transaction) -> DataFrame:
    """What a micro-batch has in a table."""
    mine = (F.col("query_id") == transaction.query_id) & (F.col("batch_id") == transaction.batch_id)
    return spark.read.format("delta").load(path).where(mine)


def table_exists(spark: SparkSession, path: str) -> bool:
    return DeltaTable.isDeltaTable(spark, path)


def column_type(spark: SparkSession, path: str, column: str) -> DataType | None:
    """The type of a table's column; None where there is no such table."""
    return spark.read.format("delta").load(path).schema[column].dataType if table_exists(spark, path) else None


def prepare_table(spark: SparkSession, path: str, spec: TableSpec) -> None:
    """Make the table, or bring an existing one up to the spec: new nullable columns are added.

    Raises EnvironmentCheckError for any other difference.
    """
    if not table_exists(spark, path):
        create_table(spark, path, spec)
        return
    missing = new_columns(spark.read.format("delta").load(path).schema, spec, path)
    if missing:
        definitions = ", ".join(f"`{column.name}` {column.dataType.simpleString()}" for column in missing)
        spark.sql(f"ALTER TABLE delta.`{path}` ADD COLUMNS ({definitions})")


def create_table(spark: SparkSession, path: str, spec: TableSpec) -> None:
    builder = DeltaTable.createIfNotExists(spark).location(path).addColumns(spec.schema)
    if spec.cluster_by:
        builder = builder.clusterBy(*spec.cluster_by)
    if spec.statistics:
        builder = builder.property("delta.dataSkippingStatsColumns", ",".join(spec.statistics))
    for key, value in spec.properties.items():
        builder = builder.property(key, value)
    builder.execute()


def new_columns(found: StructType, spec: TableSpec, path: str) -> list[StructField]:
    """The columns that the spec has and the table lacks. Raises EnvironmentCheckError where they contradict."""
    types = {column.name: column.dataType for column in found.fields}
    expected = {column.name: column.dataType for column in spec.schema.fields}
    changed = [
        f"{name} is {types[name].simpleString()}, expected {kind.simpleString()}"
        for name, kind in expected.items()
        if name in types and types[name].simpleString() != kind.simpleString()
    ]
    gone = [f"{name} is in the table only" for name in types if name not in expected]
    if changed or gone:
        raise EnvironmentCheckError(
            f"table {path}: {'; '.join(changed + gone)}. Only new nullable columns are added to a table; "
            "for another change use a new tables.root (and checkpoint), or change the contract back"
        )
    return [column for column in spec.schema.fields if column.name not in types]


def close_query(spark: SparkSession, paths: Iterable[str], *, pipeline: str, query_id: str) -> None:
    """Make every later append of an old query id a no-op, in each table that exists: a zombie's writes are dropped."""
    for path in paths:
        if table_exists(spark, path):
            nothing = spark.read.format("delta").load(path).limit(0)
            writer = nothing.write.format("delta").mode("append").option("txnAppId", f"{pipeline}:{query_id}")
            writer.option("txnVersion", LAST_VERSION).save(path)
