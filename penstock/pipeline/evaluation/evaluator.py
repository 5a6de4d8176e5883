"""Evaluations, one after the other: each is planned, written to `evaluations` in one append, and done.

Cut off anywhere, an evaluation is finished by its plan by the next evaluator, and the table has its rows once.
Evaluators need no lease: the one that creates the plan `<n>.json` has number n, and one that comes second finishes what
the other began, of which the table drops what it has already.
"""

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from penstock.config.loading import load_contract
from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.evaluation.judge import Evaluated, Judge, Judged, Versions
from penstock.pipeline.evaluation.labels_source import LabelsSource
from penstock.pipeline.evaluation.plans import (
    EvaluationPlan,
    evaluation_done_path,
    evaluation_path,
    last_evaluation,
)
from penstock.pipeline.evaluation.record import EvaluationLook, EvaluationRecord
from penstock.pipeline.evaluation.rows_judge import RowsJudge
from penstock.pipeline.evaluation.series_judge import SeriesJudge
from penstock.pipeline.evaluation.sums import sums_of
from penstock.pipeline.series_writes import persisted
from penstock.schemas.tables import EVALUATIONS
from penstock.spark.commit_retry import commit
from penstock.spark.tables import append_once, prepare_table
from penstock.spark.versions import is_readable
from penstock.storage.files import Storage

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Of one pipeline. It may run beside the stream, and beside other evaluators."""

    evaluated: Evaluated
    judge: Judge

    @classmethod
    def of(cls, spark: SparkSession, config: PipelineConfig, storage: Storage) -> Self:
        """Raises ConfigError where the pipeline can't be evaluated as it is configured."""
        contract = load_contract(config)
        evaluated = Evaluated(spark=spark, config=config, storage=storage, contract=contract)
        return cls(evaluated=evaluated, judge=judge_of(evaluated))

    def evaluate(self, *, is_final: bool = False) -> list[EvaluationRecord]:
        """Finish an evaluation that was cut off, and evaluate what has come since: empty if there was nothing to do.

        is_final: instead of what has come since, all that has come true, by the values that the tables have now.

        Raises ConfigError, EnvironmentCheckError, LedgerError, PlanError, TableConflictError, StorageError.
        """
        records = []
        while True:
            last, is_done = last_evaluation(self.evaluated.config, self.evaluated.storage)
            if last is not None and not is_done:
                log.info("evaluation %d was cut off: finishing it", last.number)
                records.append(self.finish(last))
                continue
            record, is_over = self.evaluate_next(last, is_final=is_final)
            if record is not None:
                records.append(record)
            if is_over:
                return records

    def look(self) -> EvaluationLook:
        """What there is to say without an evaluation. Raises ConfigError, LedgerError."""
        now = datetime.now(UTC)
        return EvaluationLook(looked_at=now, unlabelled=self.judge.unlabelled(now))

    def evaluate_next(self, last: EvaluationPlan | None, *, is_final: bool) -> tuple[EvaluationRecord | None, bool]:
        """The evaluation after the last one; None if there is nothing to evaluate, or another evaluator has its number.
        And whether there is nothing left to do."""
        draft = self.judge.draft(last, is_final=is_final)
        if draft is None:
            return None, True
        with self.judge.judged(draft, Versions.of(draft)) as judged:
            if judged.plan is None:
                return None, True
            path = evaluation_path(self.evaluated.config, draft.number)
            if not self.evaluated.storage.create(path, judged.plan.model_dump_json(indent=1).encode()):
                return None, False
            return self.write(judged.plan, judged), True

    def finish(self, plan: EvaluationPlan) -> EvaluationRecord:
        """An evaluation that was planned before, or is just being written by another evaluator."""
        labels = plan.labels.labels if plan.labels else None
        planned = self.evaluated.config.model_copy(update={"labels": labels})
        judge = judge_of(replace(self.evaluated, config=planned))
        with judge.judged(plan, self.readable_versions(plan, judge)) as judged:
            return self.write(plan, judged)

    def readable_versions(self, plan: EvaluationPlan, judge: Judge) -> Versions:
        """Those of the plan; the newest where one of them is gone: later batches do not count by the plan, and what was
        forecast or observed later neither. Only what a late replay or a rescore has replaced since is missing."""
        versions = (plan.actuals_version, plan.answers_version)
        for path, version in zip(judge.table_paths, versions, strict=True):
            if not is_readable(self.evaluated.spark, self.evaluated.storage, path, version):
                log.warning(
                    "evaluation %d: version %d of %s can't be read any more; it is finished by the newest ones",
                    plan.number,
                    version,
                    path,
                )
                return Versions(actuals=None, answers=None)
        return Versions.of(plan)

    def write(self, plan: EvaluationPlan, judged: Judged) -> EvaluationRecord:
        config, storage, spark = self.evaluated.config, self.evaluated.storage, self.evaluated.spark
        table = config.table_path(EVALUATIONS.name)
        commit(table, lambda: prepare_table(spark, table, EVALUATIONS))
        with persisted(sums_of(judged.pairs, plan)) as sums:
            append_once(sums, table, plan.transaction(config.pipeline))
            record, by_version = record_of(plan, judged, sums)
        storage.create(evaluation_done_path(config, plan.number), record.model_dump_json(indent=1).encode())
        log.info("%s%s", "final " if plan.is_final else "", "; ".join([record.summary, *by_version]))
        return record


def judge_of(evaluated: Evaluated) -> Judge:
    """Raises ConfigError."""
    if evaluated.config.workload == "series":
        return SeriesJudge(evaluated)
    return RowsJudge(evaluated, LabelsSource.of(evaluated.config, evaluated.contract))


def record_of(plan: EvaluationPlan, judged: Judged, sums: DataFrame) -> tuple[EvaluationRecord, list[str]]:
    """The record, and by version its mean loss."""
    names = ("pairs", "champion_within", "champion_failed", "scored_pairs", "champion_loss")
    rows = sums.groupBy("champion").agg(*[F.sum(name).alias(name) for name in names]).orderBy("champion").collect()
    record = EvaluationRecord(
        number=plan.number,
        evaluated_at=plan.planned_at,
        is_final=plan.is_final,
        actuals=plan.actuals,
        pairs=sum(row["pairs"] for row in rows),
        scored=sum(row["scored_pairs"] for row in rows),
        within=sum(row["champion_within"] or 0 for row in rows),
        failed=sum(row["champion_failed"] for row in rows),
        unmatched=judged.unmatched,
        waiting=judged.waiting,
        unlabelled=judged.unlabelled,
    )
    return record, [version_text(row.asDict(), plan) for row in rows]


def version_text(row: dict[str, float | str | None], plan: EvaluationPlan) -> str:
    """`version 7: wis 0.412, coverage 0.94`."""
    scored, loss = float(row["scored_pairs"] or 0), row["champion_loss"]
    text = f"version {row['champion']}: {plan.evaluate.loss} "
    text += f"{float(loss) / scored:.4g}" if scored and loss is not None else "none"
    if scored and row["champion_within"] is not None:
        text += f", coverage {float(row['champion_within']) / scored:.3f}"
    return text
