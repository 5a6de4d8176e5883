"""Counts lines of text files, for formats with a row a line."""

from collections.abc import Mapping

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import SourceConfig
from penstock.sources.formats.compression import MISREAD
from penstock.sources.formats.line_lengths import MAX_LINE_BYTES
from penstock.sources.text import has_text
from penstock.spark.file_reader import file_reader
from penstock.spark.paths import normal_path_column
from penstock.storage.files import FileStatus

#: Of Hadoop's LineRecordReader, which skips what is as long or longer, with its end.
MAX_LINE_OPTION = "mapreduce.input.linerecordreader.line.maxlength"


def count_lines(
    spark: SparkSession, source: SourceConfig, files: Mapping[str, FileStatus], *, is_named: Column
) -> dict[str, int]:
    """Lines that are not blank, by path, of those of `files` that are as they were. The folder is read again,
    all of it in one Spark job."""
    reader = file_reader(spark, [source.path])
    # A refused file may have a line that takes all memory; skipped, it is missing from counts that nobody asks for.
    reader = reader.option(MAX_LINE_OPTION, MAX_LINE_BYTES + len("\r\n") + 1)
    # A refused file may be a damaged gzip file, and a file may be archived while it is read.
    reader = reader.option("ignoreCorruptFiles", "true").option("ignoreMissingFiles", "true")
    if source.path_glob_filter:
        reader = reader.option("pathGlobFilter", source.path_glob_filter)
    # Spark does not open files that their name rules out. Text under the name of a compression can cost it all memory.
    lines = reader.text(source.path).where(is_named & ~F.col("_metadata.file_name").rlike(MISREAD))
    counted = lines.groupBy(
        "_metadata.file_path",
        F.col("_metadata.file_size").alias("length"),
        F.unix_millis("_metadata.file_modification_time").alias("milliseconds"),
    ).agg(F.count_if(has_text(F.col("value"))).alias("lines"))
    rows = counted.select(normal_path_column(F.col("file_path")).alias("path"), "length", "milliseconds", "lines")
    return {
        row["path"]: row["lines"]
        for row in rows.collect()
        if files.get(row["path"]) == FileStatus(length=row["length"], modified_milliseconds=row["milliseconds"])
    }
