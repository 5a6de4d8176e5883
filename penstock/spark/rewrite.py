"""Rows of a Delta table replaced in one commit that no concurrent append conflicts with.

Delta's MERGE and replaceWhere record what they have read as predicates, and an append that commits before them
conflicts with these, whichever rows it has: the only isolation level that open-source Delta writes with is
Serializable. Here the caller says that no concurrent append can have rows to be replaced, and the commit names the
files that it replaces and nothing else. Another commit that changes one of these files (a deletion, a compaction)
conflicts, as a change of the table's metadata does, and the replacement is computed again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
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


@dataclass(frozen=True, kw_only=True)
class Replacement:
    """A replacement whose files are written, and not committed. version: of the table that it was computed from. old,
    new: how many rows are replaced, and how many come in their place."""

    version: int
    old: int
    new: int


Step = Callable[[DataFrame], DataFrame]
New = Callable[[DataFrame | None], DataFrame | None]
Check = Callable[[Replacement], None]


def replace_rows_once(
    spark: SparkSession, path: str, transaction: Transaction, *, mark: Step, new: New, check: Check | None = None
) -> None:
    """Replace rows of a table in one commit, at most once per transaction.

    mark: rows of the table with IS_OLD, none more and none less; it may add other columns. new: from the old rows, as
    `mark` gives them, to those in their place; None stands for no rows. check: is called before the commit, which it
    prevents by raising. Raises TableConflictError, and what the three raise.
    """
    commit(path, lambda: replace_rows(spark, path, transaction, mark=mark, new=new, check=check))


def replace_rows(
    spark: SparkSession, path: str, transaction: Transaction, *, mark: Step, new: New, check: Check | None
) -> None:
    """Raises ConcurrentWriteException where the files, or the table's metadata or protocol, were changed meanwhile."""
    java: Any = spark._jvm
    nothing = java.scala.Option.empty()
    log = java.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, path)
    started = log.startTransaction(nothing, nothing)
    if started.txnVersion(transaction.application) >= transaction.batch_id:
        return
    snapshot = started.snapshot()
    table = table_at(spark, path, snapshot.version())
    old_rows = old_rows_by_file(table, mark)
    touched = files_of(snapshot, list(old_rows))
    in_place = new(mark(rows_of_files(spark, log, snapshot, touched)).where(IS_OLD) if touched else None)
    # Files without any other row are not read for what is kept.
    mixed = [file for file in touched if number_of_rows(file) != old_rows[name_of(file)]]
    kept = mark(rows_of_files(spark, log, snapshot, mixed)).where(~F.coalesce(IS_OLD, F.lit(False))) if mixed else None
    added = written_files(started, [part for part in (in_place, kept) if part is not None], table)
    if check is not None:
        n_kept = total_of(map(number_of_rows, mixed), less=sum(old_rows[name_of(file)] for file in mixed))
        n_new = total_of(map(number_of_rows, added), less=n_kept) if n_kept is not None else None
        if n_new is None:  # files without statistics
            n_new = in_place.count() if in_place is not None else 0
        check(Replacement(version=int(snapshot.version()), old=sum(old_rows.values()), new=n_new))
    # Not that of the writes, which conflicts with every append since its beginning.
    committing = log.startTransaction(nothing, nothing)
    newest = committing.snapshot()
    current = files_of(newest, list(old_rows)) if newest.version() != snapshot.version() else touched
    # The files are written as the table was to have them then: its columns, its features.
    is_same_table = snapshot.metadata().equals(newest.metadata()) and snapshot.protocol().equals(newest.protocol())
    if not is_same_table or sorted(map(state_of, current)) != sorted(map(state_of, touched)):
        raise ConcurrentWriteException(f"table {path} is not as it was at version {snapshot.version()}")
    if committing.txnVersion(transaction.application) >= transaction.batch_id:
        return
    delta = java.org.apache.spark.sql.delta
    recorded = delta.actions.SetTransaction(transaction.application, transaction.batch_id, nothing)
    actions = java.java.util.ArrayList([*added, *[file.remove() for file in current], recorded])
    overwrite = java.org.apache.spark.sql.SaveMode.Overwrite
    operation = getattr(delta, "DeltaOperations$Write")(overwrite, *[nothing] * 8)
    committing.commit(java.scala.jdk.javaapi.CollectionConverters.asScala(actions).toSeq(), operation)


def old_rows_by_file(table: DataFrame, mark: Step) -> dict[str, int]:
    """How many rows are to be replaced, by the name of the file, of those that have any. A table has no two files of a
    name."""
    named = mark(table.withColumn(FILE, F.col("_metadata.file_name")))
    return {row[FILE]: row["n"] for row in named.where(IS_OLD).groupBy(FILE).agg(F.count("*").alias("n")).collect()}


def written_files(transaction: Any, parts: list[DataFrame], table: DataFrame) -> list[Any]:
    """Delta's actions that add the files of these rows."""
    if not parts:
        return []
    written: Any = reduce(DataFrame.unionByName, [in_columns_of(table, part) for part in parts])
    java: Any = written.sparkSession._jvm
    return list(java.scala.jdk.javaapi.CollectionConverters.asJava(transaction.writeFiles(written._jdf)))


def number_of_rows(file: Any) -> int | None:
    """Those that are not deleted; None for a file without statistics."""
    found = file.numLogicalRecords()
    return int(found.get()) if found.isDefined() else None


def total_of(numbers: Iterable[int | None], *, less: int) -> int | None:
    """None where one of them is not known."""
    found = list(numbers)
    known = [number for number in found if number is not None]
    return sum(known) - less if len(known) == len(found) else None


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
