"""What a failed Spark call says at its root: the innermost exception of its chain, as Java has it."""

import errno
import os
import re
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark.sql import SparkSession

from penstock.redaction import without_credentials

SHOWN_CHARACTERS = 300
#: Java's default text of an object: its class, and a number that is another one in each run.
IDENTITY = re.compile(r"@[0-9a-f]{4,16}\b")
#: Exceptions of a store, a network, a disk or a lost executor: they say nothing about the file that was being read.
TROUBLE = re.compile(
    r"software\.amazon\.|com\.amazonaws\.|com\.google\.cloud\.|com\.azure\.|com\.microsoft\.azure\.|javax\.net\."
    r"|org\.apache\.hadoop\.(fs\.s3a|fs\.azure|security|net|ipc|hdfs)\."
    r"|java\.net\.(?!URISyntaxException|MalformedURLException)|java\.nio\.file\.(?!InvalidPathException)"
    r"|java\.io\.(FileNotFoundException|InterruptedIOException)|java\.lang\.InterruptedException"
    r"|org\.apache\.spark\.(TaskKilledException|shuffle\.|rpc\.|network\.)"
)
ERRNOS = (errno.EIO, errno.ENOSPC, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EDQUOT, errno.EACCES)
TROUBLE_TEXTS = tuple(map(os.strerror, (*ERRNOS, errno.EPERM, errno.ETIMEDOUT)))
#: What a host without disk space, handles or memory says, whatever runs on it.
OF_THE_HOST = tuple(map(os.strerror, (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO)))
#: What the driver says where it was not sent the exception itself. Its numbers are others in each run.
STAGE_FAILURE = re.compile(r"Job aborted due to stage failure: [^\n]*?\(TID \d+\) \([^)\n]*\): ([^\n]*)")
LOST = "ExecutorLostFailure"
OUT_OF_MEMORY = "java.lang.OutOfMemoryError"
#: py4j's words for a call that is not answered, made by a function that Java has called: they name no trace.
NO_ANSWER = re.compile(r"An error occurred while calling [^\s]+")


@dataclass(frozen=True, kw_only=True)
class Thrown:
    """An exception of Java: its class and its message."""

    name: str
    message: str

    @property
    def is_trouble(self) -> bool:
        # The parser's exceptions quote the row, which may say anything.
        is_quotation = self.name.startswith(
            ("org.apache.spark.sql.", "org.apache.spark.SparkRuntime", "com.univocity.")
        )
        return bool(TROUBLE.match(self.name)) or (
            not is_quotation and any(text in self.message for text in TROUBLE_TEXTS)
        )

    @property
    def described(self) -> str:
        """One line, without stack, credentials and what differs from run to run."""
        name, text = self.name.rsplit(".", 1)[-1], self.message
        if LOST in text:
            return "its executor ended each time, in most cases because memory ran out"
        if match := STAGE_FAILURE.match(text):
            text = match[1]
        text = " ".join(IDENTITY.sub("", without_credentials(text)).split())
        line = f"{name}: {text}" if text else name
        return line if len(line) <= SHOWN_CHARACTERS else line[:SHOWN_CHARACTERS] + "..."


def is_of_the_host(error: Exception) -> bool:
    """Whether an error, or what a worker raised in it, says that a host lacks disk space, handles or memory."""
    return any(text in str(error) for text in OF_THE_HOST)


def causes_of(error: Exception) -> list[Thrown]:
    """The chain of a Spark error, outermost first. One that has no Java exception is its own cause."""
    found: list[Thrown] = []
    java: Any = getattr(error, "_origin", None) or getattr(error, "java_exception", None)
    while java is not None:
        found.append(Thrown(name=str(java.getClass().getName()), message=str(java.getMessage() or "")))
        java = java.getCause()
    return found or [Thrown(name=type(error).__name__, message=(str(error).splitlines() or [""])[0])]


def has_ended(error: BaseException) -> bool:
    """Whether the JVM is gone, or is about to: out of memory, it ends itself."""
    has_no_answer = type(error) is Py4JError and NO_ANSWER.fullmatch(str(error)) is not None
    return has_no_answer or isinstance(error, Py4JNetworkError | ConnectionError) or OUT_OF_MEMORY in str(error)


def require_working(spark: SparkSession) -> None:
    """Raises what Spark raises where it can't run a job that reads nothing."""
    workers = spark.sparkContext.defaultParallelism
    spark.range(0, workers, 1, workers).write.format("noop").mode("overwrite").save()


def require_alive(spark: SparkSession) -> None:
    """Raises Py4JNetworkError or ConnectionError where the JVM is gone."""
    jvm: Any = spark._jvm
    jvm.java.lang.System.nanoTime()
