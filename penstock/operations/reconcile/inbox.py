"""The files of the inbox, and their rows, counted independently of the pipeline."""

from collections import defaultdict
from collections.abc import Mapping

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.operations.reconcile.spool import Facts, Spool
from penstock.sources.formats import FORMATS, format_of, is_of
from penstock.sources.listing import walk_inbox
from penstock.storage.files import FileStatus, Storage


def list_inbox(storage: Storage, source: SourceConfig, spool: Spool) -> None:
    """Put the inbox's files into the spool. Raises EnvironmentCheckError."""
    found = walk_inbox(storage, source)
    spool.add(Facts.INBOX, ((path, status.length, status.modified_milliseconds) for path, status in found))


def inbox_of(spool: Spool, part: range) -> dict[str, FileStatus]:
    rows = spool.rows(Facts.INBOX, part)
    return {path: FileStatus(length=length, modified_milliseconds=modified) for path, length, modified in rows}


def count_rows(
    spark: SparkSession, storage: Storage, source: SourceConfig, files: Mapping[str, FileStatus]
) -> dict[str, int]:
    """Rows by path, of countable files whose status is still that in `files`.

    Left out: CSV whose rows may span lines (source.csv.multi_line), unreadable Parquet files, and files that changed
    or vanished meanwhile.
    """
    by_format: dict[str, dict[str, FileStatus]] = defaultdict(dict)
    for path, status in files.items():
        by_format[format_of(path, default=source.format).name][path] = status
    counts: dict[str, int] = {}
    for name, of_format in by_format.items():
        is_named = is_of(FORMATS[name], F.col("_metadata.file_name"), default=source.format)
        counts |= FORMATS[name].count_rows(spark, storage, source, of_format, is_named=is_named)
    return counts
