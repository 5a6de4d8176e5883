"""A StreamingQueryListener that feeds the metrics: query started, progress, terminated.

Rows, seconds and versions come from the batch's own record (`metrics`), not from Spark's progress, which counts files
as rows, since the stream is a list of files.
"""

from uuid import UUID

from pyspark.sql.streaming.listener import (
    QueryIdleEvent,
    QueryProgressEvent,
    QueryStartedEvent,
    QueryTerminatedEvent,
    StreamingQueryListener,
)

from penstock.operations.monitoring.metrics import PipelineMetrics


class QueryListener(StreamingQueryListener):
    """Listens to the query with the pipeline's name, among all queries of the session."""

    def __init__(self, metrics: PipelineMetrics) -> None:
        self._metrics = metrics
        self._run: UUID | None = None

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: N802
        if event.name == self._metrics.pipeline:
            self._run = event.runId
            self._metrics.on_query(running=True)

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: N802
        if event.progress.runId == self._run:
            self._metrics.on_query(running=True)

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: N802
        if event.runId == self._run:
            self._metrics.on_query(running=True)

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: N802
        if event.runId == self._run:
            self._metrics.on_query(running=False)
