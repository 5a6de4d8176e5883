"""Prometheus metrics of two versions in one stream: who answers what, how they stand, and what was decided."""

import threading
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from penstock.config.pipeline import PipelineConfig
from penstock.operations.monitoring.experiment_status import ExperimentStatus
from penstock.operations.monitoring.info_gauge import InfoGauge
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.decisions.files import Decided

#: Of the loss ratio: the estimate, and what it lies between.
BOUNDS = ("estimate", "lower", "upper")


class ExperimentMetrics:
    """In the registry of a pipeline. Gauges have no value where no experiment runs."""

    def __init__(self, config: PipelineConfig, registry: CollectorRegistry) -> None:
        self._pipeline = config.pipeline
        labels = ("pipeline", "model", "mode", "champion", "candidate")
        self._info = InfoGauge(
            registry, "penstock_experiment_info", "1 for the pair of versions that the last micro-batch was for", labels
        )
        gauge: Callable[..., Gauge] = lambda name, text, *further: Gauge(  # noqa: E731
            f"penstock_{name}", text, ["pipeline", *further], registry=registry
        )
        self._fraction = gauge("experiment_fraction", "Share of the keys that the candidate answers")
        self._units = gauge("experiment_units", "Units of time in which both versions came true")
        self._ratio = gauge(
            "experiment_loss_ratio", "Loss of the candidate over the champion's, and its confidence band", "bound"
        )
        self._refused = InfoGauge(
            registry,
            "penstock_candidate_refused_info",
            "1 for each candidate that is out of the plans while its alias means it",
            ("pipeline", "model", "version"),
        )
        self._proposals = gauge("decisions_proposed", "Proposals that wait for a person")
        self._unfinished = gauge("decision_unfinished_timestamp_seconds", "When a decision was made that is not done")
        self._failed = Counter(
            "penstock_shadow_failed", "Rows that the candidate has no answer for", ["pipeline"], registry=registry
        ).labels(self._pipeline)
        self._seconds = Counter(
            "penstock_model_seconds", "Seconds in Python workers, of batches with a candidate", ["pipeline", "role"],
            registry=registry,
        )  # fmt: skip
        self._decisions = Counter(
            "penstock_decisions", "Decisions that were finished", ["pipeline", "kind", "outcome"], registry=registry
        )
        # As 0 from the start: `increase` ignores the step from no value to the first one.
        for kind in ("promote", "reject", "expire", "rollback", "end_bake", "propose", "external"):
            for outcome in ("done", "superseded"):
                self._decisions.labels(self._pipeline, kind, outcome)
        self._changing = threading.Lock()

    def on_record(self, record: BatchRecord) -> None:
        plan = record.plan
        running, candidate = plan.experiment, plan.candidate
        with self._changing:
            if running is None or candidate is None:
                self._info.show(set())
                for gauge in (self._fraction, self._units, self._ratio):
                    gauge.clear()
            else:
                mode = "bake" if running.is_bake else running.mode
                pair = (plan.champion.version, candidate.version)
                self._info.show({(self._pipeline, candidate.name, mode, *pair)})
                self._fraction.labels(self._pipeline).set(running.fraction)
            name = plan.models[0].name if plan.models else ""
            self._refused.show({(self._pipeline, name, version) for version in plan.refused_candidates})
        self._failed.inc(record.shadow.failed if record.shadow else 0)
        for role, seconds in (record.model_seconds or {}).items():
            self._seconds.labels(self._pipeline, role).inc(seconds)

    def on_status(self, status: ExperimentStatus | None) -> None:
        """As it stands now."""
        standing = status.standing if status else None
        unfinished = status.unfinished if status else None
        with self._changing:
            self._ratio.clear()
            if standing is None:
                self._units.clear()
            else:
                self._units.labels(self._pipeline).set(standing.units)
                values = (standing.ratio, standing.ratio_lower, standing.ratio_upper)
                for bound, value in zip(BOUNDS, values, strict=True):
                    if value is not None:
                        self._ratio.labels(self._pipeline, bound).set(value)
            self._proposals.labels(self._pipeline).set(len(status.proposals) if status else 0)
            if unfinished is None:
                self._unfinished.clear()
            else:
                self._unfinished.labels(self._pipeline).set(unfinished.decided_at.timestamp())

    def on_decision(self, decided: Decided) -> None:
        """One that was finished since the process started."""
        if decided.outcome is not None:
            self._decisions.labels(self._pipeline, decided.decision.kind, decided.outcome.outcome).inc()
