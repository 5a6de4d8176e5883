"""Judges predictions by the labels that came for them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.config.evaluation import LabelsConfig
from penstock.config.evaluation_defaults import DEFAULT_LOSS
from penstock.errors import LedgerError
from penstock.pipeline.batch_ranges import Batches, later_than
from penstock.pipeline.evaluation import rows
from penstock.pipeline.evaluation.judge import Evaluated, Judged, Versions, draft_of
from penstock.pipeline.evaluation.labels_source import LabelsSource, answer_column, check_types
from penstock.pipeline.evaluation.plans import EvaluationPlan, LabelSpan
from penstock.pipeline.evaluation.record import evaluation_folder
from penstock.pipeline.evaluation.rows import PAIRED, UNMATCHED, WAITING
from penstock.pipeline.evaluation.unlabelled import unlabelled_now
from penstock.pipeline.ledger import finished_batches_by_query
from penstock.pipeline.series_writes import persisted
from penstock.spark.tables import table_at, table_exists
from penstock.storage.files import moment_of
from penstock.storage.routing import storage_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RowsJudge:
    evaluated: Evaluated
    source: LabelsSource

    @property
    def table_paths(self) -> tuple[str, str]:
        return self.source.labels_path, self.evaluated.config.table_path("predictions")

    @property
    def labels_config(self) -> LabelsConfig:
        return self.source.labels

    def draft(self, last: EvaluationPlan | None, *, is_final: bool) -> EvaluationPlan | None:
        evaluated, spark = self.evaluated, self.evaluated.spark
        self.check_labels_of(last)
        missing = next((path for path in self.table_paths if not table_exists(spark, path)), None)
        if missing is not None:
            log.info("nothing to evaluate: there is no table %s yet", missing)
            return None
        until = finished_batches_by_query(self.source.labels_config, storage_of(self.source.labels_config))
        predictions = finished_batches_by_query(evaluated.config, evaluated.storage)
        earlier = last.labels_taken if last else None
        if not is_final and earlier and is_other_join(earlier.labels, self.labels_config):
            earlier = None
        is_anything_new = later_than(last.taken if last else {}, until) or self.may_close(earlier, predictions)
        if not predictions or not (until if is_final else is_anything_new):
            return None
        draft = draft_of(evaluated, self, last, until=until, is_final=is_final).model_copy(update={"earlier": earlier})
        self.check_types_of(draft)
        labels = rows.counting_labels(self.labels_at(draft.actuals_version), draft, self.labels_config)
        arrived = arrivals(labels)
        if arrived is None:
            return None
        return draft.model_copy(
            update={"labels": self.span(draft, arrived, predictions), "labels_root": self.labels_root}
        )

    @property
    def labels_root(self) -> str:
        return self.source.labels_config.tables.root

    def check_labels_of(self, plan: EvaluationPlan | None) -> None:
        """Raises LedgerError where the evaluations so far are of labels in other tables: their batches, which are known
        by query and number, would be taken for those of these tables."""
        if plan is None or plan.labels_root in (None, self.labels_root):
            return
        config = self.evaluated.config
        raise LedgerError(
            f"the evaluations so far are of the labels in {plan.labels_root}, and those of labels.conf are in "
            f"{self.labels_root}: set labels.conf back, or delete {evaluation_folder(config.tables.root)} and the "
            f"table {config.table_path('evaluations')}, and all is evaluated again"
        )

    def may_close(self, earlier: LabelSpan | None, predictions: Batches) -> bool:
        """Whether a label that was left open may have its row now: a new one, one that has matured, or one that a
        longer look_back reaches. Without this each look would join the open labels with the same predictions."""
        if earlier is None or not earlier.open_from:
            return False
        is_longer = self.labels_config.look_back > earlier.look_back_seconds
        return earlier.has_waiting or is_longer or bool(later_than(earlier.predictions, predictions))

    def span(self, draft: EvaluationPlan, arrived: tuple[datetime, datetime], predictions: Batches) -> LabelSpan:
        config, earlier = self.labels_config, draft.earlier
        mature_until = draft.planned_at - timedelta(seconds=config.matures_after)
        if earlier and not is_other_join(earlier.labels, config):
            mature_until = max(mature_until, earlier.mature_until)
        return LabelSpan(
            first_labelled_at=arrived[0],
            last_labelled_at=arrived[1],
            predictions=predictions,
            mature_until=mature_until,
            look_back_seconds=max(config.look_back, earlier.look_back_seconds if earlier else 0.0),
            labels=config,
        )

    @contextmanager
    def judged(self, plan: EvaluationPlan, versions: Versions) -> Iterator[Judged]:
        span = plan.labels
        assert span is not None
        self.check_labels_of(plan)
        labels = self.labels_at(versions.actuals)
        predictions = table_at(self.evaluated.spark, self.table_paths[1], versions.answers)
        answer, of_numbers = self.check_types_of(plan, versions)
        with persisted(rows.judged_labels(labels, predictions, plan, answer=answer)) as judged:
            if plan.evaluate.loss == "log":
                rows.warn_of_improbable(judged, plan)
            found = rows.counts(judged)
            at, until = plan.planned_at, plan.until if plan.is_final else plan.taken
            complete = plan.model_copy(
                update={
                    "actuals": found["new"],
                    "labels": span.model_copy(
                        update={"open_from": rows.open_from(judged, plan), "has_waiting": WAITING in found}
                    ),
                }
            )
            yield Judged(
                plan=complete if found["new"] or found.get(PAIRED) else None,
                pairs=rows.label_pairs(judged, plan, of_numbers=of_numbers),
                unmatched=found.get(UNMATCHED, 0),
                waiting=found.get(WAITING, 0),
                unlabelled=rows.unlabelled(labels, predictions, span, at=at, until=until),
            )

    def unlabelled(self, at: datetime) -> int:
        return unlabelled_now(self.evaluated, self.source, at=at)

    def labels_at(self, version: int | None) -> DataFrame:
        return self.source.read_labels(self.evaluated.spark, version)

    def check_types_of(self, plan: EvaluationPlan, versions: Versions | None = None) -> tuple[str, bool]:
        """The column of the answers, and whether they are compared with labels as numbers. Raises ConfigError."""
        versions = versions or Versions.of(plan)
        predictions = table_at(self.evaluated.spark, self.table_paths[1], versions.answers)
        labels = self.labels_at(versions.actuals)
        answer, kind = answer_column(predictions.schema["prediction"].dataType, wanted=plan.evaluate.prediction)
        label = labels.schema[self.labels_config.value].dataType
        return answer, check_types(plan.evaluate.loss or DEFAULT_LOSS["rows"], label, kind)


def is_other_join(one: LabelsConfig, other: LabelsConfig) -> bool:
    """Whether labels that were left open under one are not comparable with those of the other."""
    return any(getattr(one, name) != getattr(other, name) for name in ("conf", "key", "value", "time"))


def arrivals(labels: DataFrame) -> tuple[datetime, datetime] | None:
    """When the first and the last of them came; None if there are none."""
    found = labels.agg(*[F.unix_micros(of("labelled_at")) for of in (F.min, F.max)]).first()
    if found is None or found[0] is None:
        return None
    return moment_of(found[0]), moment_of(found[1])
