"""The two classes of jvm/ as a test uses them, in the JVM of its Spark session."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import pytest
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from s3_server import S3Server

LOG_STORE = "io.penstock.s3.ConditionalPutLogStore"
FILE_MANAGER = "io.penstock.s3.ConditionalCheckpointFileManager"
#: Delta and Spark each look for a class of their own.
TAKEN_FOR_DELTA = "java.nio.file.FileAlreadyExistsException"
TAKEN_FOR_SPARK = "org.apache.hadoop.fs.FileAlreadyExistsException"


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A folder of its own in a bucket, for one test."""

    spark: SparkSession
    server: S3Server
    name: str
    folder: str = field(default_factory=lambda: uuid.uuid4().hex)

    def url(self, name: str) -> str:
        return f"s3a://{self.name}/{self.folder}/{name}"

    def names(self) -> list[str]:
        prefix = self.folder + "/"
        return [key.removeprefix(prefix) for key in self.server.keys(self.name, prefix)]

    def read(self, name: str) -> str:
        return self.server.read(self.name, f"{self.folder}/{name}").decode()

    def commit(self, name: str, *lines: str) -> None:
        """As Delta commits a version."""
        write_log(self.spark, self.url(name), *lines)

    def create(self, name: str, content: str, *, overwrite: bool = False) -> None:
        """As Spark writes a file of a checkpoint."""
        create_file(self.spark, self.url(name), content, overwrite=overwrite)


def write_log(spark: SparkSession, url: str, *lines: str, overwrite: bool = False) -> None:
    jvm: Any = spark._jvm
    actions = jvm.java.util.ArrayList()
    for line in lines:
        actions.add(line)
    log_store(spark).write(
        jvm.org.apache.hadoop.fs.Path(url), actions.iterator(), overwrite, spark._jsc.hadoopConfiguration()
    )


def create_file(spark: SparkSession, url: str, content: str, *, overwrite: bool = False) -> None:
    stream = open_file(spark, url, overwrite=overwrite)
    stream.write(content.encode())
    stream.close()


def open_file(spark: SparkSession, url: str, *, overwrite: bool = False) -> Any:
    jvm: Any = spark._jvm
    return file_manager(spark, url).createAtomic(jvm.org.apache.hadoop.fs.Path(url), overwrite)


def log_store(spark: SparkSession) -> Any:
    """A new one each time: nothing that one remembers may be needed by another."""
    return java_class(spark, LOG_STORE)(spark._jsc.hadoopConfiguration())


def file_manager(spark: SparkSession, url: str) -> Any:
    jvm: Any = spark._jvm
    return java_class(spark, FILE_MANAGER)(jvm.org.apache.hadoop.fs.Path(url), spark._jsc.hadoopConfiguration())


def java_class(spark: SparkSession, name: str) -> Any:
    return reduce(getattr, name.split("."), spark._jvm)


@contextmanager
def fails_with(java_exception: str) -> Iterator[None]:
    with pytest.raises(Py4JJavaError) as raised:
        yield
    assert raised.value.java_exception.getClass().getName() == java_exception, str(raised.value)


def wins(attempt: Callable[[], None]) -> bool:
    """Whether `attempt()` wrote its file; False where the name was taken."""
    try:
        attempt()
    except Py4JJavaError as error:
        if error.java_exception.getClass().getName() in (TAKEN_FOR_DELTA, TAKEN_FOR_SPARK):
            return False
        raise
    return True
