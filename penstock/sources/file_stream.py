"""The stream of arriving files: a `binaryFile` source whose content is never read.

Structured Streaming keeps track of what has arrived in its file log, exactly once.
"""

from pyspark.sql import DataFrame, SparkSession

from penstock.config.pipeline import SourceConfig
from penstock.storage.paths import literal_glob

BINARY_FILE_COLUMNS = "path string, modificationTime timestamp, length long, content binary"


def file_stream(spark: SparkSession, source: SourceConfig, *, all_at_once: bool = False) -> DataFrame:
    """The unstarted stream of arriving files: path, modificationTime, length.

    all_at_once: whatever is there makes one micro-batch.
    """
    reader = (
        spark.readStream.format("binaryFile")
        .schema(BINARY_FILE_COLUMNS)
        # Without it sub-folders are overlooked, and folders named like d=1, e=2 kill the stream.
        .option("recursiveFileLookup", "true")
        .option("maxFileAge", f"{int(source.max_file_age)}s")
        # Spark would delete refused files, too, whose rows are nowhere else (penstock.pipeline.delivered_files).
        .option("cleanSource", "off" if source.clean_source == "delete" else source.clean_source)
    )
    if not all_at_once:
        reader = reader.option("maxFilesPerTrigger", source.max_files_per_trigger)
    if source.path_glob_filter:
        reader = reader.option("pathGlobFilter", source.path_glob_filter)
    if source.source_archive_dir:
        reader = reader.option("sourceArchiveDir", source.source_archive_dir)
    return reader.load(literal_glob(source.path)).select("path", "modificationTime", "length")
