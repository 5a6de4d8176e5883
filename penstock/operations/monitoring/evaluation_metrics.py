"""Prometheus metrics of what came true: from the records of finished evaluations, and the means of the last one."""

import math
import threading
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from penstock.config.pipeline import PipelineConfig
from penstock.operations.model_store.measures import Live
from penstock.pipeline.evaluation.record import EvaluationLook, EvaluationRecord


class EvaluationMetrics:
    """In the registry of a pipeline. Gauges have no value before the first evaluation is known."""

    def __init__(self, config: PipelineConfig, registry: CollectorRegistry) -> None:
        self._pipeline, self._is_series, self._registry = config.pipeline, config.workload == "series", registry
        self._pairs = self._counter("evaluated_pairs", "Answers whose actual or label came, evaluated")
        self._unmatched = self._counter("labels_unmatched", "Labels that no prediction was found for")
        self._last = self._gauge("last_evaluation_timestamp_seconds", "When the last evaluation was made, Unix time")
        self._look = self._gauge(
            "last_evaluation_look_timestamp_seconds",
            "When the stream last looked for what has come true, or something was evaluated; at first the start",
        )
        self._coverage = self._gauge(
            "interval_coverage", "Share of the last evaluation's actuals that lie within their interval"
        )
        self._unlabelled = self._gauge(
            "rows_unlabelled", "Rows old enough to have a label, within labels.look_back, that have none"
        )
        self._loss = self._gauge("evaluation_loss", "Mean loss of a version in the last evaluation", "version")
        self._ratio = self._gauge(
            "evaluation_naive_ratio",
            "Mean absolute error of a version in the last evaluation over the naive forecast's",
            "version",
        )
        self._counted: set[int] = set()
        self._newest = -1
        self._looked_at = -math.inf
        self._changing = threading.Lock()
        if config.evaluate and config.evaluate.every:
            # Each look may fail from the start on, and an alert needs a time to count from.
            self._look.labels(self._pipeline).set_to_current_time()

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"penstock_{name}", text, ["pipeline"], registry=self._registry).labels(self._pipeline)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"penstock_{name}", text, ["pipeline", *labels], registry=self._registry)

    def on_evaluation(self, record: EvaluationRecord, *, counts: bool) -> None:
        """counts: it was made since the process started. Each number counts once, and final ones not at all: what they
        judge was judged before."""
        if record.is_final:
            return
        with self._changing:
            if counts and record.number not in self._counted:
                self._pairs.inc(record.pairs)
                self._unmatched.inc(record.unmatched)
            self._counted.add(record.number)
            if record.number < self._newest:
                return
            self._newest = record.number
            at = record.evaluated_at.timestamp()
            self._last.labels(self._pipeline).set(at)
            self._show(self._coverage, record.coverage if self._is_series else None)
            if at >= self._looked_at:  # it may be seen only after the next look
                self._looked(at, record.unlabelled)

    def on_look(self, look: EvaluationLook) -> None:
        """What an evaluation without anything new would say."""
        with self._changing:
            self._looked(look.looked_at.timestamp(), look.unlabelled)

    def _looked(self, at: float, unlabelled: int | None) -> None:
        self._looked_at = at
        self._look.labels(self._pipeline).set(at)
        self._show(self._unlabelled, unlabelled)

    def _show(self, gauge: Gauge, value: float | None) -> None:
        """A number that is not known has no series, in place of a stale one."""
        if value is None:
            gauge.clear()
        else:
            gauge.labels(self._pipeline).set(value)

    def on_means(self, means: Mapping[str, Live]) -> None:
        """By version, of the last evaluation; versions that it is not of have none."""
        losses = {version: one.loss for version, one in means.items() if one.loss is not None}
        ratios = {version: one.ratio_to_naive for version, one in means.items() if one.ratio_to_naive is not None}
        with self._changing:
            for gauge, values in ((self._loss, losses), (self._ratio, ratios)):
                gauge.clear()
                for version, value in values.items():
                    gauge.labels(self._pipeline, version).set(value)
