"""Evaluates what has come true before a late replay or a rescore replaces its answers by others, which nobody had."""

from pyspark.sql import SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.errors import EvaluationFailedError, PenstockError
from penstock.pipeline.evaluation.evaluator import Evaluator
from penstock.pipeline.evaluation.plans import last_written
from penstock.pipeline.evaluation.record import evaluation_folder
from penstock.pipeline.plan import plan_numbers
from penstock.spark.errors import SPARK_ERRORS, said
from penstock.storage.files import Storage


def has_evaluations(config: PipelineConfig, storage: Storage) -> bool:
    """Whether answers are evaluated: by the config, however often, or so far. Raises OSError, LedgerError."""
    if config.labels or (config.evaluate and config.workload == "series"):
        return True
    return bool(plan_numbers(storage, evaluation_folder(config.tables.root))) or last_written(config) >= 0


def evaluate_before_replacement(spark: SparkSession, config: PipelineConfig, storage: Storage) -> None:
    """Raises EvaluationFailedError, before which nothing is changed."""
    try:
        if has_evaluations(config, storage):
            Evaluator.of(spark, config, storage).evaluate()
    except (PenstockError, OSError, *SPARK_ERRORS) as error:
        raise EvaluationFailedError(
            f"{said(error)}; nothing is replaced, for what has come true must be evaluated by the answers that it was "
            "given. Repair that and try it with penstock evaluate, or run this with --without-evaluation: what has "
            "come true since the last evaluation is then never evaluated"
        ) from error
