"""The rows of a micro-batch of labels: which of them count, and which are revisions or contradict each other."""

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from penstock.config.pipeline import PipelineConfig
from penstock.errors import LedgerError
from penstock.pipeline.batch_ranges import is_earlier_than
from penstock.pipeline.context import Pipeline
from penstock.pipeline.plan import Plan
from penstock.schemas.tables import LABEL_KEY
from penstock.series.reasons import CONFLICT, REVISION
from penstock.series.windows import BROADCAST_BYTES, FILE_NUMBER, oldest_first
from penstock.spark.local_frames import local_frame
from penstock.spark.tables import table_at, table_properties

IS_KNOWN = "_is_known"
IS_CONFLICT = "_is_conflict"


def label_rows(pipeline: Pipeline, plan: Plan, accepted: DataFrame) -> DataFrame:
    """The columns of `labels`, without query_id and batch_id.

    `error`: null for the first label of each key, by the order of batches and, within one, of files; `revision` for
    its later ones; `conflict` for those of a file that gives its key more than one value, of which none counts.
    """
    label, fields = pipeline.config.the_label, [field.name for field in pipeline.contract.fields]
    known = known_keys(pipeline, plan, accepted).withColumn(IS_KNOWN, F.lit(True))
    placed = accepted.join(F.broadcast(file_numbers(pipeline, plan)), on="source_file", how="left")
    compared = placed.join(known, on=list(label.key), how="left")
    of_key = Window.partitionBy(*label.key)
    # A beginning of the order below, so that Spark sorts once.
    of_file = of_key.orderBy(FILE_NUMBER).rangeBetween(Window.currentRow, Window.currentRow)
    judged = compared.withColumn(IS_CONFLICT, F.min(label.value).over(of_file) < F.max(label.value).over(of_file))
    # Which of a file's equal labels counts does not matter; by the other columns it is always the same one.
    others = [name for name in fields if name not in label.key]
    until_here = of_key.orderBy(FILE_NUMBER, *others).rowsBetween(Window.unboundedPreceding, Window.currentRow)
    is_first = F.col(IS_KNOWN).isNull() & (F.count_if(~F.col(IS_CONFLICT)).over(until_here) == 1)
    error = F.when(F.col(IS_CONFLICT), F.lit(CONFLICT)).when(~is_first, F.lit(REVISION))
    # The plan's time, not the clock's: a replay gives the same row.
    return judged.select(*fields, error.alias("error"), "source_file", F.lit(plan.planned_at).alias("labelled_at"))


def file_numbers(pipeline: Pipeline, plan: Plan) -> DataFrame:
    """The batch's files in their order: by modification time, then path. Files whose rows come from the quarantine,
    which has no such time, are the first."""
    files = oldest_first(plan.files_with("accepted", "replayed"))
    numbers = [(file.path, number) for number, file in enumerate(files)]
    return local_frame(pipeline.spark, numbers, f"source_file string, {FILE_NUMBER} int")


def known_keys(pipeline: Pipeline, plan: Plan, accepted: DataFrame) -> DataFrame:
    """The keys of the batch that have a label which counts, in an earlier batch. Reads the keys of the whole table.

    Of its own query, rows of this batch and later ones are left out: run again, it finds what it found before. Labels
    that contradict each other make no key known.
    """
    key = list(pipeline.config.the_label.key)
    table = table_at(pipeline.spark, pipeline.config.table_path("labels"), None)
    asked = accepted.select(*key).distinct()
    if sum(file.length or 0 for file in plan.files) <= BROADCAST_BYTES:
        asked = F.broadcast(asked)
    counting = table.where(is_earlier_than(plan) & F.col("error").isNull()).select(*key)
    return counting.join(asked, on=key, how="left_semi").distinct()


def check_label_key(spark: SparkSession, config: PipelineConfig) -> None:
    """Raises LedgerError if the table's labels were judged by another key: the first ones of today's are not known."""
    path, wanted = config.table_path("labels"), ", ".join(sorted(config.the_label.key))
    made_for = table_properties(spark, path).get(LABEL_KEY, wanted)
    if made_for != wanted:
        raise LedgerError(
            f"{path} holds labels by the key {made_for}, label.key is {wanted} now; change it back, or give the "
            "labels by the new key a tables.root and checkpoint of their own"
        )
