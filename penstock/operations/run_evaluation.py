"""Runs jobs/evaluate.py: evaluate what has come true, beside a running stream if there is one, and sum it up."""

import logging
from dataclasses import asdict, dataclass

from pyspark.sql import DataFrame, GroupedData, SparkSession
from pyspark.sql import functions as F

from penstock.config.evaluation import EvaluateConfig
from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.evaluation.evaluator import Evaluator
from penstock.pipeline.evaluation.labels_source import LabelsSource
from penstock.pipeline.evaluation.record import EvaluationRecord
from penstock.spark.pipeline_settings import jit_of, settings_of
from penstock.spark.session import build_session
from penstock.spark.tables import table_at, table_exists
from penstock.storage.files import BATCH_RETRY_SECONDS
from penstock.storage.routing import storage_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class VersionSummary:
    """Of a version, variable and step, over all evaluations. loss: the mean over scored pairs. mae: mean absolute
    error. naive_ratio: that over the mean absolute error of the last observation. coverage: share of the actuals that
    lie within their interval. Each is null where there is none."""

    champion: str
    variable: str
    step: int | None
    pairs: int
    loss: float | None
    mae: float | None
    naive_ratio: float | None
    coverage: float | None


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """evaluations: those that this run has finished. summary: of the table `evaluations`, by version, variable and the
    steps of evaluate.steps."""

    evaluations: list[EvaluationRecord]
    summary: list[VersionSummary]
    is_final: bool

    def as_json(self) -> dict[str, object]:
        return {
            "evaluations": [record.model_dump(mode="json") for record in self.evaluations],
            "is_final": self.is_final,
            "summary": [asdict(row) for row in self.summary],
        }


def run_evaluation(config: PipelineConfig, *, is_final: bool) -> EvaluationReport:
    """Raises ConfigError, and the errors of Evaluator.evaluate."""
    contract = load_contract(config)
    if config.workload != "series":
        LabelsSource.of(config, contract)  # what it would raise needs no Spark
    spark = build_session(
        f"penstock-evaluation-{config.pipeline}", settings=settings_of(config), jit=jit_of(config, once=True)
    )
    storage = storage_of(config, retry_seconds=BATCH_RETRY_SECONDS)
    records = Evaluator.of(spark, config, storage).evaluate(is_final=is_final)
    return EvaluationReport(
        evaluations=records, summary=summarised(spark, config, is_final=is_final), is_final=is_final
    )


def summarised(spark: SparkSession, config: PipelineConfig, *, is_final: bool) -> list[VersionSummary]:
    path = config.table_path("evaluations")
    if not table_exists(spark, path):
        return []
    steps = (config.evaluate or EvaluateConfig()).steps
    rows = table_at(spark, path, None).where(F.col("step").isNull() | F.col("step").isin(*steps))
    found = (newest_final(rows) if is_final else rows.where(~F.col("is_final"))).groupBy("champion", "variable", "step")
    return [VersionSummary(**row.asDict()) for row in summary_columns(found_sums(found)).collect()]


def newest_final(rows: DataFrame) -> DataFrame:
    """The rows of the last final evaluation, which has all sums. A unit that only an earlier one has is no more: its
    labels were revised since, and revisions are of the unit in which they came."""
    final = rows.where("is_final")
    newest = final.agg(F.max("batch_id").alias("batch_id"))
    return final.join(newest, on="batch_id", how="left_semi")


def found_sums(grouped: GroupedData) -> DataFrame:
    names = (
        "pairs",
        "champion_loss",
        "champion_abs",
        "naive_abs",
        "champion_within",
        "champion_failed",
        "scored_pairs",
    )
    return grouped.agg(*[F.sum(name).alias(name) for name in names])


def summary_columns(sums: DataFrame) -> DataFrame:
    answered = F.col("pairs") - F.col("champion_failed")
    ratios = {
        "loss": ("champion_loss", F.col("scored_pairs")),
        "mae": ("champion_abs", answered),
        "naive_ratio": ("champion_abs", F.col("naive_abs")),
        "coverage": ("champion_within", F.col("scored_pairs")),
    }
    columns = [F.when(by > 0, F.col(name) / by).alias(made) for made, (name, by) in ratios.items()]
    ordered = ("champion", "variable", "step")
    return sums.select(*ordered, "pairs", *columns).orderBy(F.length("champion"), *ordered)
