"""The Spark settings that every pipeline runs with: the one source of conf/spark-defaults.conf and of the session.

`python -m penstock.spark.settings` prints the file.
"""

SPARK_VERSION = "4.2.0"
DELTA_VERSION = "4.4.0"
DELTA_JAR = f"delta-spark_4.2_2.13-{DELTA_VERSION}.jar"
#: Compiled from jvm/.
OWN_JAR = "penstock.jar"
FILE_MANAGER = "io.penstock.s3.ConditionalCheckpointFileManager"
APPENDER = "io.penstock.delta.AppendOnce"
LINE_SPLITTER = "io.penstock.rows.PlainLine"

SETTINGS: dict[str, str] = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # Delta's own asks about every file of a log at each commit, and lets a process replace a commit of another one.
    "spark.delta.logStore.file.impl": "io.penstock.local.LocalLogStore",
    # Delta's own lets a driver replace a commit of another one; this one leaves it to S3 (jvm/).
    "spark.delta.logStore.s3a.impl": "io.penstock.s3.ConditionalPutLogStore",
    # The same for checkpoints on S3, which Spark writes by renaming; on any other file system it is Spark's own.
    "spark.sql.streaming.checkpointFileManagerClass": FILE_MANAGER,
    # Timestamps mean the same on every machine.
    "spark.sql.session.timeZone": "UTC",
    # A rule that divides by zero gives NULL and rejects its row; in ANSI mode it would fail the job. Casts of input
    # values are try_cast throughout.
    "spark.sql.ansi.enabled": "false",
    # With pruning, a row of the wrong length goes unseen (_corrupt_record stays null).
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    "spark.sql.optimizer.enableCsvExpressionOptimization": "false",
    # Micro-batches are small: Spark's and Delta's defaults (200 and 50 tasks) cost seconds a commit on few cores.
    "spark.sql.shuffle.partitions": "4",
    "spark.databricks.delta.snapshotPartitions": "2",
    # A listing of the files that were planned needs no Spark job of its own.
    "spark.sql.sources.parallelPartitionDiscovery.threshold": "10000",
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    # Nothing is kept in a Spark catalog; without this an empty spark-warehouse/ appears in the current directory.
    "spark.sql.warehouse.dir": "warehouse/spark",
    # INT96, Spark's default, is larger, slower to write and deprecated.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # Joins here have a small side that follows the batch; a sorted merge of both costs more than sending it.
    "spark.sql.autoBroadcastJoinThreshold": "64m",
    # What is kept of a batch is dropped with it: packing it costs more than reading it back saves.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
    # Java compiles no method of more bytes than this, and interprets it; Spark then writes many short ones in its
    # place. The checks of a contract with eleven fields are such a method.
    "spark.sql.codegen.hugeMethodLimit": "8000",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    # Integers reach a model exactly where others of the Arrow batch are null; else all of them would be doubles.
    "spark.sql.execution.pythonUDF.pandas.preferIntExtensionDtype": "true",
    # Models are code; the guard lifts this for the one model that the config trusts, while it is loaded.
    "spark.executorEnv.MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "spark.python.worker.reuse": "true",
    # Spark has a daemon of Python workers for each environment of theirs, and this one it sets for some tasks only.
    "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # With it PySpark tells the JVM, for each of the hundreds of expressions of a batch, which line it comes from.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    "spark.sql.streaming.stopTimeout": "60s",
}


def as_properties() -> str:
    """The settings in the format of spark-defaults.conf."""
    header = "# Made from penstock/spark/settings.py: python -m penstock.spark.settings > conf/spark-defaults.conf\n"
    width = max(map(len, SETTINGS)) + 1
    return header + "".join(f"{key:<{width}} {value}\n" for key, value in SETTINGS.items())


if __name__ == "__main__":
    print(as_properties(), end="")
