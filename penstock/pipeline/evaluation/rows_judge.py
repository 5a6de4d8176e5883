"""Judges predictions by the labels that came for them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from penstock.config.evaluation import LabelsConfig
from penstock.errors import ConfigError
from penstock.pipeline.evaluation import rows
from penstock.pipeline.evaluation.finished import finished_batches_by_query, later_than
from penstock.pipeline.evaluation.judge import Evaluated, Judged, Versions, draft_of
from penstock.pipeline.evaluation.labels_source import LabelsSource, answer_column, check_types
from penstock.pipeline.evaluation.losses import finite
from penstock.pipeline.evaluation.plans import EvaluationPlan, LabelSpan
from penstock.pipeline.evaluation.rows import PAIRED, STATE, UNMATCHED, WAITING
from penstock.pipeline.evaluation.unlabelled import unlabelled_now
from penstock.pipeline.series_writes import persisted
from penstock.spark.tables import table_at, table_exists
from penstock.storage.files import EPOCH
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
        missing = next((path for path in self.table_paths if not table_exists(spark, path)), None)
        if missing is not None:
            log.info("nothing to evaluate: there is no table %s yet", missing)
            return None
        until = finished_batches_by_query(self.source.labels_config, storage_of(self.source.labels_config))
        predictions = finished_batches_by_query(evaluated.config, evaluated.storage)
        earlier = last.labels_taken if last else None
        if not is_final and earlier and is_other_join(earlier.labels, self.labels_config):
            earlier = None
        is_anything_new = later_than(last.taken if last else {}, until) or (earlier and earlier.open_from)
        if not predictions or not (until if is_final else is_anything_new):
            return None
        draft = draft_of(evaluated, self, last, until=until, is_final=is_final).model_copy(update={"earlier": earlier})
        self.check_types_of(draft)
        labels = rows.counting_labels(self.labels_at(draft.actuals_version), draft, self.labels_config)
        arrived = arrivals(labels)
        if arrived is None:
            return None
        return draft.model_copy(update={"labels": self.span(draft, arrived, predictions)})

    def span(self, draft: EvaluationPlan, arrived: tuple[datetime, datetime], predictions: dict[str, int]) -> LabelSpan:
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
        labels = self.labels_at(versions.actuals)
        predictions = table_at(self.evaluated.spark, self.table_paths[1], versions.answers)
        answer, of_numbers = self.check_types_of(plan, versions)
        with persisted(rows.judged_labels(labels, predictions, plan, answer=answer)) as judged:
            if plan.evaluate.loss == "log":
                check_probabilities(judged, span.labels)
            found = rows.counts(judged)
            at, until = plan.planned_at, plan.until if plan.is_final else plan.taken
            complete = plan.model_copy(
                update={
                    "actuals": found["new"],
                    "labels": span.model_copy(update={"open_from": rows.open_from(judged, plan)}),
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
        return answer, check_types(plan.evaluate.loss or "absolute", label, kind)


def is_other_join(one: LabelsConfig, other: LabelsConfig) -> bool:
    """Whether labels that were left open under one are not comparable with those of the other."""
    return any(getattr(one, name) != getattr(other, name) for name in ("conf", "key", "value", "time"))


def arrivals(labels: DataFrame) -> tuple[datetime, datetime] | None:
    """When the first and the last of them came; None if there are none."""
    found = labels.agg(*[F.unix_micros(of("labelled_at")) for of in (F.min, F.max)]).first()
    if found is None or found[0] is None:
        return None
    return EPOCH + timedelta(microseconds=found[0]), EPOCH + timedelta(microseconds=found[1])


def check_probabilities(judged: DataFrame, labels: LabelsConfig) -> None:
    """Raises ConfigError where the loss log has no meaning."""
    paired = judged.where(F.col(STATE) == PAIRED)
    answer, label = finite(F.col("_answer")), finite(F.col("_label"))
    found = paired.agg(
        F.max(F.when(~answer.between(0.0, 1.0), answer)).alias("answer"),
        F.max(F.when(~label.isin(0.0, 1.0), label)).alias("label"),
    ).first()
    if found is not None and found["answer"] is not None:
        raise ConfigError(
            f"evaluate.loss log: a prediction is {found['answer']:g}, and no probability from 0 to 1; choose another "
            "loss, or name the probability among the model's outputs in evaluate.prediction"
        )
    if found is not None and found["label"] is not None:
        raise ConfigError(
            f"evaluate.loss log: {labels.value} is {found['label']:g} in a label, expected 0 or 1, or a boolean; "
            "choose another loss"
        )
