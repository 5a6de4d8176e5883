"""Rows of a Delta table replaced in one commit that no concurrent append conflicts with.

Delta's MERGE and replaceWhere record what they have read as predicates, and an append that commits before them
conflicts with these, whichever rows it has: the only isolation level that open-source Delta writes with is
Serializable. Here the caller says that no concurrent append can have rows to be replaced, and the commit names the
files that it replaces and nothing else. Another commit that changes one of these files (a deletion, a compaction)
conflicts, as a change of the table's metadata does, and the replacement is computed again.
"""

from collections.abc import Callable
from typing import Any

from delta.exceptions import ConcurrentWriteException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.spark.commit_retry import commit
from penstock.spark.tables import table_at
from penstock.storage.delta_transactions import Transaction

#: Added by `mark`: whether a row is to be replaced; null for no.
IS_OLD = "_is_old"
FILE = "_file"
Step = Callable[[DataFrame], DataFrame]


def replace_rows_once(spark: SparkSession, path: str, transaction: Transaction, *, mark: Step, new: Step) -> None:
    """Replace rows of a table in one commit, at most once per transaction.

    mark: rows of the table with IS_OLD, none more and none less; it may add other columns. new: from the old rows, as
    `mark` gives them, to those in their place. Raises TableConflictError, and what the two raise.
    """
    commit(path, lambda: replace_rows(spark, path, transaction, mark=mark, new=new))


def replace_rows(spark: SparkSession, path: str, transaction: Transaction, *, mark: Step, new: Step) -> None:
    """Raises ConcurrentWriteException where the files, or the table's metadata or protocol, were changed meanwhile."""
    java: Any = spark._jvm
    nothing = java.scala.Option.empty()
    log = java.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path)
    started = log.startTransaction(nothing, nothing)
    if started.txnVersion(transaction.application) >= transaction.batch_id:
        return
    snapshot = started.snapshot()
    table = table_at(spark, path, snapshot.version())
    touched = files_of(snapshot, names_of_files(table, mark))
    rows = rows_of_files(spark, log, snapshot, touched)
    marked = mark(rows)
    kept = in_columns_of(table, marked.where(~F.coalesce(IS_OLD, F.lit(False))))
    written: Any = in_columns_of(table, new(marked.where(IS_OLD))).unionByName(kept)
    converters = java.scala.jdk.javaapi.CollectionConverters
    actions = java.java.util.ArrayList(converters.asJava(started.writeFiles(written._jdf)))
    # Not that of the writes, which conflicts with every append since its beginning.
    committing = log.startTransaction(nothing, nothing)
    newest = committing.snapshot()
    current = files_of(newest, [name_of(file) for file in touched])
    # The files are written as the table was to have them then: its columns, its features.
    is_same_table = snapshot.metadata().equals(newest.metadata()) and snapshot.protocol().equals(newest.protocol())
    if not is_same_table or sorted(map(state_of, current)) != sorted(map(state_of, touched)):
        raise ConcurrentWriteException(f"table {path} is not as it was at version {snapshot.version()}")
    if committing.txnVersion(transaction.application) >= transaction.batch_id:
        return
    for file in current:
        actions.add(file.remove())
    delta = java.org.apache.spark.sql.delta
    actions.add(delta.actions.SetTransaction(transaction.application, transaction.batch_id, nothing))
    overwrite = java.org.apache.spark.sql.SaveMode.Overwrite
    operation = getattr(delta, "DeltaOperations$Write")(overwrite, *[nothing] * 8)
    committing.commit(converters.asScala(actions).toSeq(), operation)


def names_of_files(table: DataFrame, mark: Step) -> list[str]:
    """The names of the files that have rows to be replaced. A table has no two files of a name."""
    named = mark(table.withColumn(FILE, F.substring_index("_metadata.file_path", "/", -1)))
    return [row[FILE] for row in named.where(IS_OLD).select(FILE).distinct().collect()]


def files_of(snapshot: Any, names: list[str]) -> list[Any]:
    """Delta's actions that added the files of these names, of those that are in the snapshot."""
    if not names:
        return []
    quoted = ", ".join(f"'{name}'" for name in names)
    return list(snapshot.allFiles().filter(f"substring_index(path, '/', -1) IN ({quoted})").collect())


def name_of(file: Any) -> str:
    return str(file.path()).rpartition("/")[2]


def state_of(file: Any) -> tuple[str, str]:
    """A file's path, and which of its rows are deleted."""
    deleted = file.deletionVector()
    return str(file.path()), str(deleted.uniqueId()) if deleted is not None else ""


def rows_of_files(spark: SparkSession, log: Any, snapshot: Any, files: list[Any]) -> DataFrame:
    java: Any = spark._jvm
    given = java.scala.jdk.javaapi.CollectionConverters.asScala(java.java.util.ArrayList(files)).toSeq()
    return DataFrame(log.createDataFrame(snapshot, given, False, java.scala.Option.empty()), spark)


def in_columns_of(table: DataFrame, rows: DataFrame) -> DataFrame:
    """In the table's types: the commit itself checks none. A column that the rows do not have is null in them."""
    given = {name.lower() for name in rows.columns}

    def value(name: str) -> Column:
        return F.col(f"`{name}`") if name.lower() in given else F.lit(None)

    return rows.select(*[value(field.name).cast(field.dataType).alias(field.name) for field in table.schema.fields])
