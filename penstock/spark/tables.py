"""The Delta tables of a pipeline: creation, schema checks, and appends at most once per micro-batch."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from typing import Any

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructField, StructType

from penstock.errors import EnvironmentCheckError
from penstock.schemas.tables import TableSpec
from penstock.spark.commit_retry import commit
from penstock.storage.delta_transactions import LAST_VERSION, Transaction

#: A version that is younger than this can be pinned without a new commit.
FRESH_SECONDS = 86400
#: Delta drops an empty commit, but keeps one with a transaction.
FRESHENER = "penstock.lasting_version"


def stamped(frame: DataFrame, transaction: Transaction) -> DataFrame:
    """`frame` with query_id and batch_id in front, unless it has them already."""
    if {"query_id", "batch_id"} <= set(frame.columns):
        return frame
    columns: list[Column | str] = [
        F.lit(transaction.query_id).alias("query_id"),
        F.lit(transaction.batch_id).cast("long").alias("batch_id"),
        "*",
    ]
    return frame.select(*columns)


def append_once(frame: DataFrame, path: str, transaction: Transaction) -> None:
    """Append `frame`, with query_id and batch_id in front, unless the table has this transaction already.

    By our Java class AppendOnce: Delta's `save` with txnAppId and txnVersion doubles the time of a small append.

    Raises TableConflictError.
    """
    once, *arguments = appending(frame, path, transaction)
    commit(path, lambda: once.append(*arguments))


def prepare_append(frame: DataFrame, path: str, transaction: Transaction) -> "PreparedAppend":
    """Write the data files of an append; they are not part of the table until committed."""
    once, *arguments = appending(frame, path, transaction)
    return PreparedAppend(frame=frame, path=path, transaction=transaction, files=once.prepare(*arguments))


def appending(frame: DataFrame, path: str, transaction: Transaction) -> tuple[Any, ...]:
    """The Java class, and the arguments of its methods."""
    rows: Any = stamped(frame, transaction)
    jvm: Any = frame.sparkSession._jvm
    return jvm.io.penstock.delta.AppendOnce, rows._jdf, path, transaction.application, transaction.batch_id


@dataclass(frozen=True, kw_only=True)
class PreparedAppend:
    """An append whose files are written. If it is never committed, maintenance removes them (VACUUM)."""

    frame: DataFrame
    path: str
    transaction: Transaction
    files: Any

    @property
    def rows(self) -> int | None:
        """The number of rows written; None if the table had the transaction already and nothing was written."""
        rows = int(self.files.rows())
        return rows if rows >= 0 else None

    def commit(self) -> None:
        """At most once per transaction. After a write conflict the whole append is retried.

        Raises TableConflictError.
        """
        attempts = chain([self.files.commit], repeat(self._append_again))
        commit(self.path, lambda: next(attempts)())

    def _append_again(self) -> None:
        once, *arguments = appending(self.frame, self.path, self.transaction)
        once.append(*arguments)


def table_version(spark: SparkSession, path: str) -> int:
    """The newest version of a table."""
    newest = DeltaTable.forPath(spark, path).history(1).select("version").first()
    if newest is None:
        raise EnvironmentCheckError(f"table {path} has no history; restore its _delta_log")
    return int(newest["version"])


def snapshot_version(spark: SparkSession, path: str) -> int:
    """The same without a Spark job, from the table's log."""
    return int(newest_snapshot(spark, path).version())


def lasting_version(spark: SparkSession, path: str) -> int:
    """A version that stays readable for all of `maintenance.time_travel`: the newest one, re-committed if it is old.

    Delta measures that time from the commit of a version, not from its replacement: after a month without writes, a
    version can become unreadable the day after the next commit replaces it.
    """
    # From the log: Delta's history is a Spark job.
    newest = newest_snapshot(spark, path)
    if int(newest.version()) < 0:
        raise EnvironmentCheckError(f"table {path} has no history; restore its _delta_log")
    if time.time() - newest.timestamp() / 1000 < FRESH_SECONDS:
        return int(newest.version())
    commit_nothing(spark, path, Transaction(pipeline=FRESHENER, query_id="", batch_id=int(time.time())))
    return snapshot_version(spark, path)


def commit_nothing(spark: SparkSession, path: str, transaction: Transaction) -> None:
    """Commit a new version without rows that records the transaction, unless the table has it already. It writes no
    data files, so that there is no Spark job but Delta's own, such as a checkpoint's.

    Raises TableConflictError.
    """
    jvm: Any = spark._jvm
    once, session = jvm.io.penstock.delta.AppendOnce, spark._jsparkSession
    commit(path, lambda: once.recordOnly(session, path, transaction.application, transaction.batch_id))


def table_at(spark: SparkSession, path: str, version: int | None) -> DataFrame:
    """The table at a version; None: the newest."""
    reader = spark.read.format("delta")
    return (reader if version is None else reader.option("versionAsOf", version)).load(path)


def table_properties(spark: SparkSession, path: str) -> dict[str, str]:
    return properties_of(spark, newest_snapshot(spark, path))


def properties_of(spark: SparkSession, snapshot: Any) -> dict[str, str]:
    java: Any = spark._jvm
    return dict(java.scala.jdk.javaapi.CollectionConverters.asJava(snapshot.metadata().configuration()))


def newest_snapshot(spark: SparkSession, path: str) -> Any:
    """From the table's log. Delta's `detail` runs Spark jobs for it, half a second in each start."""
    java: Any = spark._jvm
    log = java.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path)
    nothing = java.scala.Option.empty()
    return log.update(False, nothing, nothing)


@dataclass(frozen=True, kw_only=True)
class TableSize:
    """Number and bytes of the files of a table's newest version."""

    files: int
    bytes: int


def table_size(spark: SparkSession, path: str) -> TableSize:
    return size_of(newest_snapshot(spark, path))


def size_of(snapshot: Any) -> TableSize:
    return TableSize(files=int(snapshot.numOfFiles()), bytes=int(snapshot.sizeInBytes()))


def set_properties(spark: SparkSession, path: str, properties: Mapping[str, str]) -> None:
    """Raises TableConflictError."""
    pairs = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items())
    commit(path, lambda: spark.sql(f"ALTER TABLE delta.`{path}` SET TBLPROPERTIES ({pairs})"))


def of_transaction(transaction: Transaction) -> Column:
    """A condition that is true for the rows of a micro-batch."""
    return (F.col("query_id") == transaction.query_id) & (F.col("batch_id") == transaction.batch_id)


def batch_rows(spark: SparkSession, path: str, transaction: Transaction) -> DataFrame:
    """The rows of a micro-batch in a table."""
    return spark.read.format("delta").load(path).where(of_transaction(transaction))


def table_exists(spark: SparkSession, path: str) -> bool:
    return DeltaTable.isDeltaTable(spark, path)


def column_type(spark: SparkSession, path: str, column: str) -> DataType | None:
    """The type of a table's column; None if there is no such table."""
    return spark.read.format("delta").load(path).schema[column].dataType if table_exists(spark, path) else None


def prepare_table(spark: SparkSession, path: str, spec: TableSpec) -> None:
    """Create the table, or add the spec's new nullable columns, and its comments, to an existing one. It may have those
    that the spec accepts.

    Raises EnvironmentCheckError for any other difference.
    """
    if not table_exists(spark, path):
        create_table(spark, path, spec)
        return
    found = spark.read.format("delta").load(path).schema
    missing = new_columns(found, spec, path)
    if missing:
        definitions = ", ".join(f"`{column.name}` {column.dataType.simpleString()}" for column in missing)
        commit(path, lambda: spark.sql(f"ALTER TABLE delta.`{path}` ADD COLUMNS ({definitions})"))
    for change in new_comments(found, spec):
        commit(path, partial(spark.sql, f"ALTER TABLE delta.`{path}` {change}"))


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
    """The spec's columns that the table lacks. Raises EnvironmentCheckError if the schemas are incompatible."""
    types = {column.name: column.dataType for column in found.fields}
    expected = {column.name: column.dataType for column in spec.schema.fields}
    changed = [
        f"{name} is {types[name].simpleString()}, expected {kind.simpleString()}"
        for name, kind in expected.items()
        if name in types and types[name].simpleString() != kind.simpleString()
    ]
    gone = [f"{name} is in the table only" for name in types if name not in expected and name not in spec.accepted]
    if changed or gone:
        raise EnvironmentCheckError(
            f"table {path}: {'; '.join(changed + gone)}. Only new nullable columns are added to a table; "
            "for another change use a new tables.root (and checkpoint), or change the contract back"
        )
    return [column for column in spec.schema.fields if column.name not in types]


def new_comments(found: StructType, spec: TableSpec) -> list[str]:
    """For a table of an earlier version: SQL that gives its columns the spec's comments."""
    known = {column.name: column.metadata.get("comment") for column in found.fields}
    comments = {column.name: column.metadata["comment"] for column in spec.schema.fields if column.metadata}
    changed = {name: text for name, text in comments.items() if known.get(name) != text}
    return [f"ALTER COLUMN `{name}` COMMENT '{text}'" for name, text in changed.items()]


def close_query(spark: SparkSession, paths: Iterable[str], *, pipeline: str, query_id: str) -> None:
    """Make every later append of an old query id a no-op in each existing table: a zombie's writes are dropped."""
    for path in paths:
        if table_exists(spark, path):
            commit_nothing(spark, path, Transaction(pipeline=pipeline, query_id=query_id, batch_id=LAST_VERSION))
