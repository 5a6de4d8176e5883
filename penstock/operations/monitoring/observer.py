"""Updates a pipeline's metrics while it runs."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from penstock.config.metrics import MetricsConfig
from penstock.operations.monitoring.backlog import Backlog
from penstock.operations.monitoring.evaluation_watch import EvaluationWatch
from penstock.operations.monitoring.experiment_watch import ExperimentWatch
from penstock.operations.monitoring.metrics import PipelineMetrics
from penstock.operations.monitoring.query_listener import QueryListener
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.context import Pipeline
from penstock.pipeline.evaluation.record import EvaluationLook, EvaluationRecord
from penstock.spark.errors import SPARK_ERRORS


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Callbacks of the stream: for each finished micro-batch, for each evaluation that it made, and for each look for
    something to evaluate."""

    on_record: Callable[[BatchRecord], None]
    on_evaluation: Callable[[EvaluationRecord], None]
    on_look: Callable[[EvaluationLook], None] | None = None


def ignore(_record: object) -> None:
    """Without metrics."""


@contextmanager
def watched(pipeline: Pipeline, metrics: PipelineMetrics | None) -> Iterator[Observer]:
    """The callbacks; no-ops without metrics."""
    if metrics is None:
        yield Observer(on_record=ignore, on_evaluation=ignore)
        return
    section = pipeline.config.metrics or MetricsConfig()
    listener = QueryListener(metrics)
    evaluations = EvaluationWatch(
        config=pipeline.config, storage=pipeline.storage, metrics=metrics, every_seconds=section.backlog_every
    )
    with (
        Backlog(
            config=pipeline.config,
            storage=pipeline.storage,
            done=pipeline.done,
            every_seconds=section.backlog_every,
            show=metrics.on_backlog,
            show_overlooked=metrics.on_overlooked,
        ) as backlog,
        evaluations,
        ExperimentWatch(
            config=pipeline.config, storage=pipeline.storage, metrics=metrics, every_seconds=section.backlog_every
        ),
    ):

        def on_record(record: BatchRecord) -> None:
            metrics.on_record(record)
            backlog.on_record(record)

        pipeline.spark.streams.addListener(listener)
        try:
            yield Observer(
                on_record=on_record, on_evaluation=evaluations.on_evaluation, on_look=metrics.on_evaluation_look
            )
        finally:
            # If the JVM has died, this error would hide the cause.
            with contextlib.suppress(*SPARK_ERRORS):
                pipeline.spark.streams.removeListener(listener)
