"""Prometheus metrics of a running pipeline, from the records of its finished micro-batches.

Counters start at 0 with every process: they are for rates and alerts; exact row counts are in the tables. Seconds are
histograms rather than gauges: a gauge shows only the last batch at each scrape and misses short batches between two
scrapes, while `_sum` and `_count` give the true mean over any period and the buckets a quantile for alerts.
"""

import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from penstock.config.pipeline import PipelineConfig
from penstock.operations.model_store.measures import Live
from penstock.operations.monitoring.evaluation_metrics import EvaluationMetrics
from penstock.operations.monitoring.experiment_metrics import ExperimentMetrics
from penstock.operations.monitoring.experiment_status import ExperimentStatus
from penstock.operations.monitoring.info_gauge import InfoGauge
from penstock.pipeline.batch_record import BatchRecord, ForecastCount
from penstock.pipeline.decisions.files import Decided
from penstock.pipeline.evaluation.record import EvaluationLook, EvaluationRecord
from penstock.series.reasons import KINDS

#: From a batch of one small file to a whole backfill in one batch.
BUCKETS_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


#: The outcome of an observation that has a forecast; the others are the kinds of reasons.
FORECAST = "forecast"


class PipelineMetrics:
    """The metrics of one pipeline, in a registry of their own; each has the label `pipeline`."""

    def __init__(self, config: PipelineConfig) -> None:
        self.pipeline = config.pipeline
        self.registry = CollectorRegistry()
        self._batches = self._counter("batches", "Finished micro-batches")
        self._rows_in = self._counter("rows_in", "Input rows of finished micro-batches: accepted and quarantined")
        self._rows_accepted = self._counter("rows_accepted", "Rows that the contract accepted, those that failed too")
        self._rows_quarantined = self._counter("rows_quarantined", "Rows that the contract rejected")
        self._rows_failed = self._counter("rows_failed", "Accepted rows for which the model gave an error")
        self._files_refused = self._counter("files_refused", "Files that were refused whole")
        self._observations = Counter(
            "penstock_observations",
            "Accepted observations of a pipeline of series, by outcome: forecast, fallback, or why there is none",
            ["pipeline", "outcome"],
            registry=self.registry,
        )
        self._series = self._gauge("batch_series", "Series that the last micro-batch has observations of")
        self._series_without = self._gauge(
            "batch_series_without_forecast", "Those of them that it made no forecast for, but for fallbacks"
        )
        if config.workload == "series":
            for outcome in (FORECAST, *KINDS):  # as 0 from the start, as in `_counter`
                self._observations.labels(self.pipeline, outcome)
        self._batch_seconds = Histogram(
            "penstock_batch_duration_seconds",
            "Seconds of a micro-batch, all phases",
            ["pipeline"],
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        ).labels(self.pipeline)
        self._phase_seconds = Histogram(
            "penstock_batch_phase_duration_seconds",
            "Seconds of a micro-batch's phase",
            ["pipeline", "phase"],
            buckets=BUCKETS_SECONDS,
            registry=self.registry,
        )
        # Created without a value: 0 would be wrong before they are known.
        self._backlog = self._gauge("backlog_files", "Files in the inbox that are in no finished micro-batch")
        self._overlooked = self._gauge(
            "overlooked_files", "Files in the inbox that the stream will never take, by source.max_file_age"
        )
        self._last_batch = self._gauge(
            "last_batch_finished_timestamp_seconds", "When this process last finished a micro-batch, Unix time"
        )
        self._last_event = self._gauge(
            "query_last_event_timestamp_seconds", "When Spark last reported a trigger of the query, Unix time"
        )
        self._running = self._gauge("query_running", "1 while the streaming query runs, else 0").labels(self.pipeline)
        self._gauge("start_timestamp_seconds", "When this job started, Unix time").labels(
            self.pipeline
        ).set_to_current_time()
        self._gauge("trigger_interval_seconds", "trigger.every of the config").labels(self.pipeline).set(
            config.trigger.every
        )
        self._model_age = self._gauge("model_age_seconds", "Age of the version that scored the last micro-batch")
        self._evaluations = EvaluationMetrics(config, self.registry)
        self._experiment = ExperimentMetrics(config, self.registry)
        self._model = InfoGauge(
            self.registry,
            "penstock_model_info",
            "1 for each model version that scored the last micro-batch",
            ("pipeline", "model", "version", "role"),
        )
        self._refused = InfoGauge(
            self.registry,
            "penstock_model_refused_info",
            "1 for each version that the alias points to and that was refused",
            ("pipeline", "model", "version"),
        )

    def _counter(self, name: str, text: str) -> Counter:
        """Exported as 0 from the start: `increase` ignores the step from no value to the first one."""
        return Counter(f"penstock_{name}", text, ["pipeline"], registry=self.registry).labels(self.pipeline)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"penstock_{name}", text, ["pipeline"], registry=self.registry)

    def on_record(self, record: BatchRecord) -> None:
        """Count a micro-batch that is in the tables."""
        self._batches.inc()
        self._rows_in.inc(record.rows_in)
        self._rows_accepted.inc(record.accepted)
        self._rows_quarantined.inc(record.quarantined)
        self._rows_failed.inc(record.failed)
        self._files_refused.inc(record.files_refused)
        if record.forecasts is not None:
            self._on_forecasts(record.forecasts, with_forecast=record.accepted - record.forecasts.observations_without)
        self._batch_seconds.observe((record.finished_at - record.started_at).total_seconds())
        for phase, seconds in record.seconds.items():
            self._phase_seconds.labels(self.pipeline, phase).observe(seconds)
        plan = record.plan
        self._model.show({(self.pipeline, model.name, model.version, model.role) for model in plan.models})
        names = {model.name for model in plan.models}
        self._refused.show({(self.pipeline, name, version) for name in names for version in plan.refused_versions})
        if plan.models:
            created = plan.champion.created_milliseconds / 1000
            self._model_age.labels(self.pipeline).set_function(lambda: time.time() - created)
        self._experiment.on_record(record)
        self._last_batch.labels(self.pipeline).set(record.finished_at.timestamp())

    def _on_forecasts(self, forecasts: ForecastCount, *, with_forecast: int) -> None:
        self._observations.labels(self.pipeline, FORECAST).inc(with_forecast)
        for kind, count in forecasts.without_forecast.items():
            self._observations.labels(self.pipeline, kind).inc(count)
        show(self._series, self.pipeline, forecasts.series.series)
        show(self._series_without, self.pipeline, forecasts.series.without_forecast)

    def on_evaluation(self, record: EvaluationRecord, *, counts: bool = True) -> None:
        """Show a finished evaluation. counts: it was made since this process started, so that counters count it; each
        number counts once."""
        self._evaluations.on_evaluation(record, counts=counts)

    def on_evaluation_look(self, look: EvaluationLook) -> None:
        """The stream looked for something to evaluate, and may have found nothing."""
        self._evaluations.on_look(look)

    def on_evaluation_means(self, means: Mapping[str, Live]) -> None:
        """By version, of the last evaluation."""
        self._evaluations.on_means(means)

    def on_experiment(self, status: ExperimentStatus | None) -> None:
        """As it stands now; None without one."""
        self._experiment.on_status(status)

    def on_decision(self, decided: Decided) -> None:
        """One that was finished since this process started."""
        self._experiment.on_decision(decided)

    def on_backlog(self, files: int | None) -> None:
        """None if unknown: the series is then removed rather than left at a stale number."""
        show(self._backlog, self.pipeline, files)

    def on_overlooked(self, files: int | None) -> None:
        """None if unknown, as for the backlog."""
        show(self._overlooked, self.pipeline, files)

    def on_query(self, *, running: bool) -> None:
        """Spark started, ended or ran a trigger of the query, with files or without."""
        self._running.set(running)
        self._last_event.labels(self.pipeline).set_to_current_time()


def show(gauge: Gauge, pipeline: str, number: int | None) -> None:
    if number is None:
        gauge.clear()
    else:
        gauge.labels(pipeline).set(number)
