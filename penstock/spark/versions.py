"""Past versions of tables: maintenance removes their files after `maintenance.time_travel`."""

from pyspark.sql import SparkSession

from penstock.spark.errors import SPARK_ERRORS
from penstock.spark.tables import table_at
from penstock.storage.files import Storage
from penstock.storage.paths import normal_path
from penstock.storage.statuses import statuses


def is_readable(spark: SparkSession, storage: Storage, path: str, version: int) -> bool:
    """Whether a version of a table is there with all its files."""
    try:
        files = table_at(spark, path, version).inputFiles()
    except SPARK_ERRORS:
        return False  # the log does not go back to it
    return None not in statuses(storage, [normal_path(file) for file in files])
