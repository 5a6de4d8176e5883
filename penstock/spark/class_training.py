"""What a pipeline does with Spark, once and with a few rows, so that the JVM lists the classes that it takes.

`python -m penstock.spark.class_training LIST`, by penstock.spark.class_archive.
"""

import os
import sys
import tempfile
from pathlib import Path

import pandas as pd
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import DoubleType, LongType, MapType, StringType, StructField, StructType, TimestampType

from penstock.schemas.tables import TableSpec
from penstock.spark.jvm_options import Jit
from penstock.spark.local_frames import local_frame
from penstock.spark.session import build_session
from penstock.spark.tables import append_once, prepare_append, prepare_table, table_version
from penstock.storage.delta_transactions import Transaction

ROWS = StructType(
    [
        StructField("query_id", StringType()),
        StructField("batch_id", LongType()),
        StructField("name", StringType()),
        StructField("number", DoubleType()),
        StructField("at", TimestampType()),
        StructField("counts", MapType(StringType(), LongType())),
    ]
)
ARRIVALS = "path string, modificationTime timestamp, length long, content binary"
SPEC = TableSpec(name="rows", schema=ROWS, cluster_by=("name",))


@pandas_udf(DoubleType())  # type: ignore[untyped-decorator, call-overload, unused-ignore]
def doubled(numbers: pd.Series) -> pd.Series:
    return numbers * 2


def train(spark: SparkSession, folder: Path) -> None:
    table = str(folder / "table")
    prepare_table(spark, table, SPEC)
    write_inputs(spark, folder)
    stream(spark, folder, table)
    (folder / "inbox" / "two.csv").write_text("name,number\nc,3\n")
    stream(spark, folder, table)
    newest = spark.read.format("delta").load(table)
    newest.groupBy("name").agg(F.count("*"), F.max("at")).orderBy("name").limit(5).toPandas()
    newest.selectExpr("name", "row_number() over (partition by name order by at) as place").where("place = 1").collect()


def write_inputs(spark: SparkSession, folder: Path) -> None:
    (folder / "inbox").mkdir()
    (folder / "inbox" / "one.csv").write_text('name,number\na,1\n"b ""c""",2\nbad\n')
    spark.range(4).selectExpr("string(id) as name", "double(id) as number").write.parquet(str(folder / "parquet"))


def stream(spark: SparkSession, folder: Path, table: str) -> None:
    """What arrived, as one micro-batch."""
    files = spark.readStream.format("binaryFile").schema(ARRIVALS).load(str(folder / "inbox"))
    query = (
        files.select("path", "length")
        .writeStream.foreachBatch(lambda frame, batch_id: micro_batch(frame, folder, table, batch_id))
        .option("checkpointLocation", str(folder / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()


def micro_batch(frame: DataFrame, folder: Path, table: str, batch_id: int) -> None:
    spark, transaction = frame.sparkSession, Transaction(pipeline="training", query_id="q", batch_id=batch_id)
    frame.count()
    lines = spark.read.option("header", True).option("mode", "PERMISSIVE").csv(str(folder / "inbox"))
    text = spark.read.text(str(folder / "inbox")).withColumn("path", F.input_file_name())
    lines.where(F.expr("try_cast(number as double)").isNull()).count()
    text.where(F.length("value") > 0).join(F.broadcast(lines), text["value"] == lines["name"], "left").count()
    rows = spark.read.parquet(str(folder / "parquet")).unionByName(lines.selectExpr("name", "double(number) as number"))
    scored = rows.select("name", doubled("number").alias("number"), F.lit(None).cast("timestamp").alias("at"))
    whole = scored.withColumn("counts", F.create_map(F.lit("a"), F.lit(1).cast("long")))
    append_once(whole, table, transaction)
    record = local_frame(spark, [("x", 1.0, None, [("a", 1)])], StructType(ROWS.fields[2:]))
    prepared = prepare_append(record, table, Transaction(pipeline="training-records", query_id="q", batch_id=batch_id))
    prepared.commit()
    table_version(spark, table)


def main(classes: str) -> None:
    # Its page is started as that of any session is, and shown to nobody.
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    settings = {
        "spark.master": "local[2]",
        "spark.ui.port": "0",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": f"-XX:DumpLoadedClassList={classes}",
    }
    with tempfile.TemporaryDirectory() as folder:
        spark = build_session("penstock-class-training", settings=settings, jit=Jit.SHORT)
        train(spark, Path(folder))
        spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
