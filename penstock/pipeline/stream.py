"""Runs a pipeline as a stream: every `trigger.every`, or once over all that is there."""

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from pyspark.errors import StreamingQueryException
from pyspark.sql import DataFrame
from pyspark.sql.streaming.query import StreamingQuery

from penstock.errors import PenstockError
from penstock.logs import in_batch
from penstock.models.prefetch import Preparation
from penstock.models.warm_up_mark import WarmUpMark, warm_up_mark_path
from penstock.pipeline.batch_record import BatchRecord
from penstock.pipeline.context import Pipeline
from penstock.pipeline.decisions.in_stream import StreamDecisions
from penstock.pipeline.evaluation.in_stream import StreamEvaluations
from penstock.pipeline.evaluation.record import EvaluationLook, EvaluationRecord
from penstock.pipeline.microbatch import run_microbatch
from penstock.pipeline.plan import Plan, newest_plan
from penstock.pipeline.run_records import RunRecords
from penstock.pipeline.stop_file import StopFile
from penstock.series.reasons import outcome_texts, reasons_text
from penstock.sources.checkpoint import query_id_of
from penstock.sources.file_stream import file_stream
from penstock.spark.errors import SPARK_ERRORS

POLL_SECONDS = 1
log = logging.getLogger(__name__)


class StopRequested(Exception):  # noqa: N818 - it ends a query, it is not an error
    """A micro-batch that began after the stop was asked for; it will be the first of the next start."""


@dataclass(kw_only=True)
class StreamRunner:
    """Starts the query, runs its micro-batches and stops it between two of them."""

    pipeline: Pipeline
    stop_file: StopFile
    #: Called with each finished micro-batch; what it raises would end the stream.
    on_record: Callable[[BatchRecord], None] = lambda record: None  # noqa: ARG005
    #: The same for each finished evaluation.
    on_evaluation: Callable[[EvaluationRecord], None] = lambda record: None  # noqa: ARG005
    #: After each look for something to evaluate, also one that found nothing.
    on_look: Callable[[EvaluationLook], None] | None = None
    records: RunRecords = field(default_factory=RunRecords)
    _stop: threading.Event = field(default_factory=threading.Event)
    _batch_error: Exception | None = None
    _is_storage_away: bool = False
    _is_once: bool = False
    #: Batches and evaluations share a session, and some of Delta's settings are the session's: one at a time.
    _session: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._evaluations = StreamEvaluations(
            pipeline=self.pipeline, on_evaluation=self.on_evaluation, on_look=self.on_look
        )
        self._decisions = StreamDecisions.of(self.pipeline.config, self.pipeline.storage)

    def run(self, *, once: bool) -> RunRecords:
        """Run until stopped, or (once) until all files that are there are done. Returns the last finished batches, and
        totals over all of them.

        Raises the PenstockError that ended a batch, LeaseError, or Spark's StreamingQueryException; whatever it raises,
        the query has ended.
        """
        self.records, self._is_once = RunRecords(), once
        self.stop_file.clear(token=self.pipeline.lease.token)
        self._install_signal_handlers()
        query = self._start(once)
        try:
            self._wait(query, preparation=None if once else self._preparation())
        except StreamingQueryException:
            if isinstance(self._batch_error, StopRequested):
                return self.records
            if self._batch_error is not None:
                raise self._batch_error from None
            # Spark finds another process in its checkpoint; the lease says which one.
            self.pipeline.lease.check()
            raise
        except BaseException:
            # The lease is released next, and another process may acquire it.
            self._end(query)
            raise
        if once and not self._stop.is_set():
            self._evaluate()
        return self.records

    def _preparation(self) -> Preparation | None:
        pipeline = self.pipeline
        if pipeline.selector is None:
            return None
        storage, checkpoint = pipeline.storage, pipeline.config.checkpoint

        def refused_candidates() -> dict[str, str]:
            plan = newest_plan(storage, checkpoint)
            return plan.refused_candidates if plan else {}

        return Preparation(
            champion=pipeline.selector,
            candidates=pipeline.candidates,
            refused_candidates=refused_candidates,
            mark=WarmUpMark(storage=storage, path=warm_up_mark_path(checkpoint)),
        )

    def _start(self, once: bool) -> StreamingQuery:
        config = self.pipeline.config
        writer = (
            # Files of series copied in any order give history in order, if they come in one micro-batch.
            file_stream(self.pipeline.spark, config.source, all_at_once=once and config.workload == "series")
            .writeStream.queryName(config.pipeline)
            .foreachBatch(self._on_batch)
            .option("checkpointLocation", config.checkpoint)
        )
        if once:
            return writer.trigger(availableNow=True).start()
        return writer.trigger(processingTime=f"{round(1000 * config.trigger.every)} milliseconds").start()

    def _wait(self, query: StreamingQuery, *, preparation: Preparation | None) -> None:
        """Wait for the end; after a stop was asked for, stop the query as soon as no batch is running.

        Raises LeaseError: without files a stream that lost its lease would look alive for ever.
        """
        while not query.awaitTermination(POLL_SECONDS):
            if not query.status["isTriggerActive"]:
                self.pipeline.lease.check()
                if preparation:
                    preparation.look()
                if not self._is_once and not self._stop.is_set():
                    self._evaluate_if_due()
            if not self._stop.is_set() and self._sees_stop_file():
                log.info("stop file found")
                self._stop.set()
            if self._stop.is_set() and not query.status["isTriggerActive"]:
                query.stop()
                return

    def _evaluate_if_due(self) -> None:
        """Between two micro-batches; one that begins meanwhile waits. The same for a decision that failed."""
        if (self._evaluations.is_due or self._decisions.is_due) and self._session.acquire(blocking=False):
            try:
                if not self._stop.is_set() and self._evaluations.is_due:
                    self._evaluate()
                if not self._stop.is_set() and self._decisions.is_due:
                    self._decisions.look_again()
            finally:
                self._session.release()

    def _evaluate(self) -> None:
        """Evaluate what has come true, and decide by it."""
        self._evaluations.evaluate()
        self._decisions.after_evaluation()

    def _end(self, query: StreamingQuery) -> None:
        """Stop the query while another error is raised, which stays the one that is reported."""
        try:
            query.stop()
        except SPARK_ERRORS as error:
            log.error("the query did not end when it was stopped: %s", error)

    def _sees_stop_file(self) -> bool:
        """An unreachable storage is reported once and asked again: a stream without files loses nothing by it."""
        was_away, self._is_storage_away = self._is_storage_away, False
        try:
            return self.stop_file.is_there()
        except OSError as error:
            self._is_storage_away = True
            if not was_away:
                log.warning("the stop file can't be looked for: %s; the stream continues and looks again", error)
            return False

    def _on_batch(self, frame: DataFrame, batch_id: int) -> None:  # noqa: ARG002 - the file log has the list
        self._refuse_after_stop()
        with in_batch(batch_id), self._session:
            # It may have waited for an evaluation.
            self._refuse_after_stop()
            self._run_batch(batch_id)
            # A stream that is never idle has no other time for it.
            if not self._is_once and not self._stop.is_set() and self._evaluations.is_due:
                self._evaluate()

    def _refuse_after_stop(self) -> None:
        """Raises StopRequested."""
        if self._stop.is_set():
            self._batch_error = StopRequested()
            raise self._batch_error

    def _run_batch(self, batch_id: int) -> None:
        pipeline, started = self.pipeline, time.monotonic()
        try:
            query_id = query_id_of(pipeline.storage, pipeline.config.checkpoint)
            if query_id is None:
                raise PenstockError(f"{pipeline.config.checkpoint}/metadata vanished; restore the checkpoint")
            record = run_microbatch(pipeline, query_id=query_id, batch_id=batch_id)
        except Exception as error:
            # Spark wraps what is raised here in a text; the error itself is kept for `run`.
            self._batch_error = error
            raise
        if record is not None:
            self.records.add(record)
            self.on_record(record)
            log.info("%s", progress_line(record, time.monotonic() - started))
            self._decisions.after_batch(record.plan)

    def _install_signal_handlers(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return

        def ask_to_stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            log.info("%s: finishing the running micro-batch", signal.Signals(number).name)
            self._stop.set()

        signal.signal(signal.SIGTERM, ask_to_stop)
        signal.signal(signal.SIGINT, ask_to_stop)


def progress_line(record: BatchRecord, seconds: float) -> str:
    plan = record.plan
    parts = [
        f"batch {plan.batch_id}: {len(plan.files)} files, {record.rows_in:,} rows in {seconds:.1f} s",
        *accepted_texts(record),
    ]
    if record.failed:
        parts.append(f"{record.failed:,} failed in the model")
    if record.shadow and record.shadow.failed:
        parts.append(f"{record.shadow.failed:,} failed in the candidate")
    if record.quarantined:
        parts.append(f"{record.quarantined:,} rows quarantined")
    if record.files_refused:
        parts.append(f"{record.files_refused} files refused")
    parts += [f"version {version} refused: {reason}" for version, reason in plan.refused_versions.items()]
    parts += [f"candidate {version} refused: {reason}" for version, reason in plan.refused_candidates.items()]
    return ", ".join(parts)


def candidate_text(plan: Plan) -> str:
    """The candidate's version, and what it is asked for; empty without one."""
    if plan.candidate is None or plan.experiment is None:
        return ""
    bake = ", bake" if plan.experiment.is_bake else ""
    return f"{plan.candidate.version} ({plan.experiment.mode}, {100 * plan.experiment.fraction:g}%{bake})"


def accepted_texts(record: BatchRecord) -> list[str]:
    """What became of the accepted rows; an accepted observation without a forecast is no scored row."""
    if not record.plan.models:
        outcomes = f" ({reasons_text(record.outcomes)})" if record.outcomes else ""
        return [f"{record.accepted:,} accepted{outcomes}"]
    version = record.plan.champion.version + (f" beside {beside}" if (beside := candidate_text(record.plan)) else "")
    if record.forecasts is None:
        return [f"{record.accepted - record.failed:,} scored by version {version}"]
    return [
        f"{record.with_forecast:,} forecast by version {version}",
        *outcome_texts(record.forecasts.without_forecast),
    ]
