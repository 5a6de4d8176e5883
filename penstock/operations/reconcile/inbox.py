"""Counts the rows of the inbox's files independently of the pipeline."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.sources.admission import CSV_ENDINGS, PARQUET_ENDINGS, WORKERS, format_of
from penstock.sources.formats.csv_admission import MISREAD
from penstock.sources.rows import has_text
from penstock.storage.files import FileStatus, Storage
from penstock.storage.paths import literal_glob, normal_path_column


def count_rows(
    spark: SparkSession, storage: Storage, source: SourceConfig, files: Mapping[str, FileStatus]
) -> dict[str, int]:
    """Rows by path, of countable files whose status is still that in `files`.

    Left out: CSV whose rows may span lines (source.csv.multi_line), unreadable Parquet files, and files that changed
    or vanished meanwhile.
    """
    formats = {path: format_of(path, default=source.format) for path in files}
    counts = {}
    if "csv" in formats.values() and not source.csv.multi_line:
        counts = count_csv(spark, source, files)
    parquet = [path for path, name in formats.items() if name == "parquet"]
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        footers = zip(parquet, pool.map(lambda path: footer_rows(storage, path), parquet), strict=True)
        return counts | {path: rows for path, rows in footers if rows is not None}


def count_csv(spark: SparkSession, source: SourceConfig, files: Mapping[str, FileStatus]) -> dict[str, int]:
    """Non-blank lines without the header. The whole folder is listed and read again in one Spark job."""
    reader = spark.read.option("recursiveFileLookup", "true")
    # A refused file may be a damaged gzip file, and a file may be archived during the read.
    reader = reader.option("ignoreCorruptFiles", "true").option("ignoreMissingFiles", "true")
    if source.path_glob_filter:
        reader = reader.option("pathGlobFilter", source.path_glob_filter)
    lines = reader.text(literal_glob(source.path)).where(is_csv(F.col("_metadata.file_name"), source))
    counted = lines.groupBy(
        "_metadata.file_path",
        F.col("_metadata.file_size").alias("length"),
        F.unix_millis("_metadata.file_modification_time").alias("milliseconds"),
    ).agg(F.count_if(has_text(F.col("value"))).alias("lines"))
    rows = counted.select(normal_path_column(F.col("file_path")).alias("path"), "length", "milliseconds", "lines")
    return {
        row["path"]: max(0, row["lines"] - 1)
        for row in rows.collect()
        if files.get(row["path"]) == FileStatus(length=row["length"], modified_milliseconds=row["milliseconds"])
    }


def is_csv(name: Column, source: SourceConfig) -> Column:
    """`format_of`, without files refused by name, as a native expression, so that Spark does not open other files."""
    endings = PARQUET_ENDINGS if source.format == "csv" else CSV_ENDINGS
    known = F.lower(name).rlike(f"({'|'.join(map(re.escape, endings))})$")
    # A plain text with the extension of a codec can exhaust Spark's memory.
    return (~known if source.format == "csv" else known) & ~name.rlike(MISREAD)


def footer_rows(storage: Storage, path: str) -> int | None:
    try:
        with storage.open(path) as file:
            return int(pq.ParquetFile(file).metadata.num_rows)
    except (pa.ArrowException, OSError):
        return None
