"""The demo's last part: wines with order numbers are scored, and files say later how good they were."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.interfaces.demo.wine import TRAINING_ROWS, as_csv, drop_files
from penstock.operations.run_evaluation import run_evaluation
from penstock.operations.run_stream import run_pipeline
from penstock.storage.files import Storage
from penstock.storage.routing import storage_of

ORDERS = 100
SHOWN_ROWS = 5


def order_wines(storage: Storage, config: PipelineConfig, data: Path, *, stamp: str) -> pd.DataFrame:
    """Write wines that the model has not seen to the inbox, with numbers that no earlier order has. Returns what is
    known of them later: order_id, quality."""
    first = 1 + ORDERS * sum(name.endswith("-orders.csv") for name in storage.names(config.source.path))
    wines = pd.read_csv(data).iloc[TRAINING_ROWS : TRAINING_ROWS + ORDERS]
    wines.insert(0, "order_id", range(first, first + ORDERS))
    drop_files(storage, config.source.path, {f"{stamp}-orders.csv": as_csv(wines.drop(columns="quality"))})
    return wines[["order_id", "quality"]]


def taste_wines(storage: Storage, config: PipelineConfig, tasted: pd.DataFrame, *, stamp: str) -> list[str]:
    """Write the labels to the inbox as two files, the second of which has another opinion of a wine in the first, and
    one of a wine that nobody ordered. Returns their names."""
    half = len(tasted) // 2
    known, last = tasted.iloc[0], int(tasted["order_id"].max())
    strange = pd.DataFrame({"order_id": [known["order_id"], last + 1_000_000], "quality": [known["quality"] - 1, 5]})
    files: Mapping[str, bytes] = {
        f"{stamp}-tasted-1.csv": as_csv(tasted.iloc[:half]),
        f"{stamp}-tasted-2.csv": as_csv(pd.concat([tasted.iloc[half:], strange])),
    }
    return drop_files(storage, config.source.path, files)


def judge_wines(spark: SparkSession, orders: PipelineConfig, labels: PipelineConfig, data: Path, *, stamp: str) -> str:
    """Score ordered wines, take in their labels after that, and say how good the predictions were. All of it in this
    process: a start of Spark for each would take longer than the work."""
    storage = storage_of(orders)
    tasted = order_wines(storage, orders, data, stamp=stamp)
    run_pipeline(orders, job="demo", once=True, resume=False)
    names = taste_wines(storage, labels, tasted, stamp=stamp)
    run_pipeline(labels, job="demo", once=True, resume=False)
    evaluations = [f"    {record.summary}" for record in run_evaluation(orders, is_final=False).evaluations]
    return "\n".join([f"    {' '.join(names)}", *evaluations, show_labels(spark, orders, labels)])


def show_labels(spark: SparkSession, orders: PipelineConfig, labels: PipelineConfig) -> str:
    """How good the predictions of all runs of the demo were, as text."""
    key, value = list(labels.the_label.key), labels.the_label.value
    predictions = spark.read.format("delta").load(orders.table_path("predictions"))
    found = spark.read.format("delta").load(labels.table_path("labels"))
    counting = found.where(F.col("error").isNull()).select(*key, value, "labelled_at")
    loss = F.abs(F.col("prediction") - F.col(value)).alias("loss")
    judged = predictions.join(counting, on=key).select(*key, "prediction", value, loss, "model_version", "labelled_at")
    rows = judged.orderBy(*[F.col(name).desc() for name in key]).toPandas()
    kinds = found.groupBy("error").count().toPandas().set_index("error")["count"]
    without = int(kinds.sum()) - int(kinds.get("revision", 0)) - len(rows)
    rows["labelled_at"] = rows["labelled_at"].dt.strftime("%H:%M:%S")
    return "\n".join(
        [
            "",
            f"Wines whose quality is known by now (all runs of this demo together): {len(rows)}; their mean absolute "
            f"error is {rows['loss'].mean():.3f}.",
            f"Labels after the first one of their order: {int(kinds.get('revision', 0))}; of no order: {without}.",
            rows.head(SHOWN_ROWS).to_string(index=False, float_format="{:.3f}".format),
            f"The tables are in {orders.tables.root} and {labels.tables.root}.",
        ]
    )
