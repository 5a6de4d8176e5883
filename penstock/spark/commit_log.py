"""Reads what a micro-batch has committed to a table from its own commit in Delta's log.

A query over the table would read the list of all files, which grows with each batch; a commit lists only its own.
The source is Delta's protocol (PROTOCOL.md, "Actions"): `add` has a path, URL-encoded and relative to the table, `txn`
the appId and version that the writer gave.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.spark.tables import batch_rows
from penstock.storage.delta_transactions import Transaction
from penstock.storage.files import Storage

#: How many commits before the last checkpoint are searched for the batch's own; maintenance commits in between.
LOOK_BACK = 20

#: Rows by (source_file, the value of another column).
Groups = Counter[tuple[str, str | None]]
#: Rows by the values of some string columns.
ValueCounts = Counter[tuple[str | None, ...]]
Actions = list[dict[str, dict[str, Any]]]


class NotInFilesError(Exception):
    """A commit's rows can't be read from its own files: maintenance has removed one, or its columns have other names
    than the table's (column mapping). A query over the table finds them."""


def committed_groups(
    spark: SparkSession, storage: Storage, table: str, transaction: Transaction, *, column: str
) -> Groups:
    """Row counts of a transaction's append by `source_file` and by `column`, a string column."""
    paths = committed_files(storage, table, transaction)
    groups = None if paths is None else groups_in_files(storage, paths, column)
    return groups_in_table(spark, table, transaction, column) if groups is None else groups


def committed_files(storage: Storage, table: str, transaction: Transaction) -> list[str] | None:
    """The data files that a transaction appended, empty if it appended none; None if its commit is not among those
    that are still in the log and were searched."""
    actions = committed_actions(storage, table, transaction)
    if actions is None:
        return None
    return added_files(table, actions)


def added_files(table: str, actions: Actions) -> list[str]:
    added = [unquote(action["add"]["path"]) for action in actions if "add" in action]
    return [path if path.startswith("/") or "://" in path else f"{table}/{path}" for path in added]


def written_by(storage: Storage, table: str, application: str) -> Iterator[list[str]]:
    """The data files that each commit of an application appended, the newest commit first, as far back as
    `newest_commits` goes."""
    for _, actions in newest_commits(storage, f"{table}/_delta_log"):
        if any("txn" in action and action["txn"]["appId"] == application for action in actions):
            yield added_files(table, actions)


def has_changed(storage: Storage, table: str, transaction: Transaction) -> bool | None:
    """Whether a transaction's commit added or removed files; None as for `committed_files`."""
    actions = committed_actions(storage, table, transaction)
    return None if actions is None else any({"add", "remove"} & action.keys() for action in actions)


def committed_actions(storage: Storage, table: str, transaction: Transaction) -> Actions | None:
    """The actions of a transaction's commit, empty if there is none; None if the log can't say."""
    for version, actions in newest_commits(storage, f"{table}/_delta_log"):
        batches = [
            action["txn"]["version"]
            for action in actions
            if "txn" in action and action["txn"]["appId"] == transaction.application
        ]
        if transaction.batch_id in batches:
            return actions
        # A query commits its batches in order.
        if version == 0 or any(batch < transaction.batch_id for batch in batches):
            return []
    return None


def newest_commits(storage: Storage, log: str) -> Iterator[tuple[int, Actions]]:
    """Version and actions of each commit, from the newest back to LOOK_BACK before the last checkpoint."""
    checkpoint = storage.read(f"{log}/_last_checkpoint")
    middle = int(json.loads(checkpoint)["version"]) if checkpoint else 0
    newer: list[bytes] = []
    while (content := read_commit(storage, log, middle + 1 + len(newer))) is not None:
        newer.append(content)
    for number, content in reversed(list(enumerate(newer))):
        yield middle + 1 + number, actions_of(content)
    for version in range(middle, max(-1, middle - LOOK_BACK), -1):
        older = read_commit(storage, log, version)
        if older is None:
            return
        yield version, actions_of(older)


def read_commit(storage: Storage, log: str, version: int) -> bytes | None:
    return storage.read(f"{log}/{version:020}.json")


def actions_of(commit: bytes) -> Actions:
    return [json.loads(line) for line in commit.splitlines() if line]


def groups_in_files(storage: Storage, paths: list[str], column: str) -> Groups | None:
    """None where `rows_in_files` raises NotInFilesError."""
    groups: Groups = Counter()
    try:
        for rows in rows_in_files(storage, paths, ("source_file", column)):
            groups.update(groups_of(rows, column))
    except NotInFilesError:
        return None
    return groups


def rows_in_files(storage: Storage, paths: list[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of data files, in parts. Raises NotInFilesError, after some parts possibly."""
    for path in paths:
        try:
            with storage.open(path) as file:
                parquet = pq.ParquetFile(file)
                if not set(columns) <= set(parquet.schema_arrow.names):
                    raise NotInFilesError(path)
                for batch in parquet.iter_batches(columns=list(columns)):
                    yield pa.Table.from_batches([batch])
        except FileNotFoundError:
            raise NotInFilesError(path) from None


def groups_of(rows: pa.Table, column: str) -> Groups:
    counted = rows.group_by(["source_file", column]).aggregate([([], "count_all")]).to_pylist()
    return Counter({(group["source_file"], group[column]): group["count_all"] for group in counted})


def groups_in_table(spark: SparkSession, table: str, transaction: Transaction, column: str) -> Groups:
    counted = batch_rows(spark, table, transaction).groupBy("source_file", column).count().collect()
    return Counter({(row["source_file"], row[column]): row["count"] for row in counted})


def committed_values(
    spark: SparkSession,
    storage: Storage,
    table: str,
    transaction: Transaction,
    *,
    columns: Sequence[str],
    only: Mapping[str, int | str],
) -> ValueCounts:
    """Row counts of a transaction's append by some string columns, from the files of its own commit if they can be
    read. only: the values that rows must have in other columns to be counted."""
    paths = committed_files(storage, table, transaction)
    if paths is not None:
        try:
            return values_in_files(storage, paths, columns, only)
        except NotInFilesError:
            pass
    rows = batch_rows(spark, table, transaction)
    for name, value in only.items():
        rows = rows.where(F.col(name) == F.lit(value))
    return Counter(
        {tuple(row[name] for name in columns): row["count"] for row in rows.groupBy(*columns).count().collect()}
    )


def values_in_files(
    storage: Storage, paths: list[str], columns: Sequence[str], only: Mapping[str, int | str]
) -> ValueCounts:
    """Raises NotInFilesError."""
    counts: ValueCounts = Counter()
    for rows in rows_in_files(storage, paths, (*only, *columns)):
        for name, value in only.items():
            rows = rows.filter(pc.equal(rows[name], value))
        counted = rows.group_by(list(columns)).aggregate([([], "count_all")]).to_pylist()
        counts.update({tuple(group[name] for name in columns): group["count_all"] for group in counted})
    return counts
