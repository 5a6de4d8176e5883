"""Reads files by their paths, whatever characters these have."""

from collections.abc import Iterable

from pyspark.sql import DataFrameReader, SparkSession

from penstock.config.locations import is_on_s3

#: Hadoop's usual local file system looks for a checksum beside each file, `.<name>.crc`. It can't express that path for
#: a name with a colon, and it believes what lies there: a leftover of another program ends a batch, or the JVM. The one
#: below reads the same files without. Without the cache's key it would be given the usual one, which is cached.
LOCAL_FILES = {
    "fs.file.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    "fs.file.impl.disable.cache": "true",
}
#: Paths are no patterns: Hadoop's has no way to escape a colon beside a bracket.
LITERAL_PATHS = {"__globPaths__": "false"}


def file_reader(spark: SparkSession, paths: Iterable[str]) -> DataFrameReader:
    """A reader for these paths in normal form; of a folder, all files below it."""
    # S3's client keeps the settings that it is first made with, and asks them for the usual local file system when it
    # writes: it must not meet those of local files.
    local = {} if any(map(is_on_s3, paths)) else LOCAL_FILES
    return spark.read.options(**local, **LITERAL_PATHS).option("recursiveFileLookup", "true")
