"""The service's Prometheus metrics, in their own registry."""

import time
from collections import Counter as Count
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.interfaces.rest.row_results import RowResult
from penstock.interfaces.rest.served import Served

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
#: The status counted for a request without a response.
BROKEN = 500


@dataclass(frozen=True, eq=False)
class ModelState(Collector):
    """Gauges that are computed at each scrape."""

    models: Mapping[str, Served]

    def collect(self) -> Iterable[Metric]:
        version = GaugeMetricFamily(
            "penstock_serving_model_version", "1 for the version in use", labels=["model", "version"]
        )
        problem = GaugeMetricFamily(
            "penstock_serving_model_problem",
            "1 if the registry's version is not the one in use, or the registry is unavailable",
            labels=["model"],
        )
        for name, served in self.models.items():
            standing = served.versions.default
            if standing.model is not None:
                version.add_metric([name, standing.model.version.version], 1)
            problem.add_metric([name], 1 if standing.problem else 0)
        return [version, problem, *candidate_state(self.models)]


def candidate_state(models: Mapping[str, Served]) -> Iterable[Metric]:
    """Of pipelines with an experiment."""
    version = GaugeMetricFamily(
        "penstock_serving_candidate_version",
        "1 for the candidate that answers the keys of a canary",
        labels=["model", "version"],
    )
    problem = GaugeMetricFamily(
        "penstock_serving_candidate_problem",
        "1 if the champion answers for a candidate that can't be loaded, or that took too long",
        labels=["model"],
    )
    rows = CounterMetricFamily(
        "penstock_serving_candidate_rows",
        "Rows of a canary's keys that the candidate answered, or the champion in its place (failed)",
        labels=["model", "outcome"],
    )
    for name, served in models.items():
        followed = served.experiment
        if followed is None:
            continue
        problem.add_metric([name], 1 if followed.standing_problem else 0)
        candidate = followed.candidate
        if candidate is not None:
            rows.add_metric([name, "answered"], candidate.answered)
            rows.add_metric([name, "failed"], candidate.failed)
        if candidate is not None and served.loaded and followed.of(served.loaded.version):
            version.add_metric([name, candidate.version.version], 1)
    return version, problem, rows


class Metrics:
    def __init__(self, models: Mapping[str, Served]) -> None:
        self.models = models
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "penstock_serving_requests", "Requests for predictions", ["model", "status"], registry=self.registry
        )
        self.rows = Counter("penstock_serving_rows", "Rows by outcome", ["model", "outcome"], registry=self.registry)
        self.seconds = Histogram(
            "penstock_serving_seconds", "Seconds per request", ["model"], buckets=SECONDS, registry=self.registry
        )
        self.registry.register(ModelState(models))

    def count_rows(self, model: str, results: Iterable[RowResult]) -> None:
        for outcome, count in Count(result.outcome for result in results).items():
            self.rows.labels(model, outcome).inc(count)

    def as_text(self) -> bytes:
        return generate_latest(self.registry)


@dataclass(frozen=True)
class MeasuredApp:
    """ASGI middleware: counts and times the predictions, whatever their status."""

    app: ASGIApp
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        paths = {served.predict_path: name for name, served in self.metrics.models.items()}
        model = paths.get(scope.get("path", "")) if scope["type"] == "http" else None
        if model is None:
            await self.app(scope, receive, send)
            return
        status, begin = BROKEN, time.perf_counter()

        async def record_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, record_status)
        finally:
            self.metrics.requests.labels(model, str(status)).inc()
            self.metrics.seconds.labels(model).observe(time.perf_counter() - begin)
