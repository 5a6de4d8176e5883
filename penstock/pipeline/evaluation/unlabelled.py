"""Predictions without a label as of now, whether or not there is anything to evaluate.

Where no label comes at all, no evaluation is made, and no record would say how many wait.
"""

from datetime import datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.pipeline.evaluation import rows
from penstock.pipeline.evaluation.judge import Evaluated
from penstock.pipeline.evaluation.labels_source import LabelsSource
from penstock.pipeline.evaluation.plans import LabelSpan
from penstock.pipeline.ledger import finished_batches_by_query
from penstock.spark.tables import table_at, table_exists
from penstock.storage.routing import storage_of


def unlabelled_now(evaluated: Evaluated, source: LabelsSource, *, at: datetime) -> int:
    """Those within look_back, and old enough, at a time. Raises ConfigError, LedgerError."""
    spark, config = evaluated.spark, source.labels
    # Before the tables are opened: those have all rows of these batches.
    came = finished_batches_by_query(source.labels_config, storage_of(source.labels_config))
    made = finished_batches_by_query(evaluated.config, evaluated.storage)
    path = evaluated.config.table_path("predictions")
    if not made or not table_exists(spark, path):
        return 0
    predictions = table_at(spark, path, None)
    is_there = table_exists(spark, source.labels_path)
    labels = source.read_labels(spark, None) if is_there else no_labels(predictions, config.key)
    span = LabelSpan(
        first_labelled_at=at,
        last_labelled_at=at,
        predictions=made,
        mature_until=at - timedelta(seconds=config.matures_after),
        look_back_seconds=config.look_back,
        labels=config,
    )
    return rows.unlabelled(labels, predictions, span, at=at, until=came)


def no_labels(predictions: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """Before the pipeline of labels has made its table."""
    nothing = predictions.where(F.lit(False))
    labelled_at, error = F.col("scored_at").alias("labelled_at"), F.lit(None).cast("string").alias("error")
    return nothing.select(*key, "query_id", "batch_id", labelled_at, error)
