"""Counts the rows of the inbox's files independently of the pipeline."""

from collections import defaultdict
from collections.abc import Mapping

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.sources.formats import FORMATS, format_of, is_of
from penstock.storage.files import FileStatus, Storage


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
