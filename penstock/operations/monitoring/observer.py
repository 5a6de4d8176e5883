"""Updates a pipeline's metrics while it runs."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from penstock.config.metrics import MetricsConfig
from penstock.operations.monitoring.backlog import Backlog
from penstock.operations.monitoring.metrics import PipelineMetrics
from penstock.operations.monitoring.query_listener import QueryListener
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.context import Pipeline
from penstock.spark.errors import SPARK_ERRORS


@contextmanager
def watched(pipeline: Pipeline, metrics: PipelineMetrics | None) -> Iterator[Callable[[BatchRecord], None]]:
    """A callback for each finished micro-batch; a no-op without metrics."""
    if metrics is None:
        yield lambda record: None  # noqa: ARG005
        return
    section = pipeline.config.metrics or MetricsConfig()
    listener = QueryListener(metrics)
    with Backlog(
        config=pipeline.config,
        storage=pipeline.storage,
        done=pipeline.done,
        every_seconds=section.backlog_every,
        show=metrics.on_backlog,
        show_overlooked=metrics.on_overlooked,
    ) as backlog:

        def on_record(record: BatchRecord) -> None:
            metrics.on_record(record)
            backlog.on_record(record)

        pipeline.spark.streams.addListener(listener)
        try:
            yield on_record
        finally:
            # If the JVM has died, this error would hide the cause.
            with contextlib.suppress(*SPARK_ERRORS):
                pipeline.spark.streams.removeListener(listener)
