"""A time limit for Spark jobs."""

import contextlib
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pyspark.sql import SparkSession

from penstock.spark.errors import SPARK_ERRORS

INTERRUPT = "spark.job.interruptOnCancel"
#: A query starts its jobs one after the other: after the limit, each that begins is cancelled, too.
REPEAT_SECONDS = 1.0


@dataclass(frozen=True)
class TimeLimit:
    _over: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    @property
    def is_over(self) -> bool:
        """Whether the jobs were cancelled because of it."""
        return self._over.is_set()


@contextmanager
def time_limit(spark: SparkSession, seconds: float) -> Iterator[TimeLimit]:
    """Cancel the jobs that this thread starts inside, as soon as they have taken so long together; they then raise one
    of SPARK_ERRORS.

    A Python worker that is in the way is killed: Spark does that two seconds after its task was cancelled.
    """
    context, tag, limit = spark.sparkContext, f"penstock-limit-{uuid.uuid4().hex}", TimeLimit()

    def cancel() -> None:
        if limit._ended.wait(seconds):
            return
        limit._over.set()
        while True:
            with contextlib.suppress(*SPARK_ERRORS):
                context.cancelJobsWithTag(tag)
            if limit._ended.wait(REPEAT_SECONDS):
                return

    interrupts = context.getLocalProperty(INTERRUPT)
    context.addJobTag(tag)
    context.setInterruptOnCancel(True)
    threading.Thread(target=cancel, name="time-limit", daemon=True).start()
    try:
        yield limit
    finally:
        limit._ended.set()
        with contextlib.suppress(*SPARK_ERRORS):  # if the JVM has died, its error is the one to raise
            context.removeJobTag(tag)
            context.setInterruptOnCancel(interrupts == "true")
