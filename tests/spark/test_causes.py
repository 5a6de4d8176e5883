"""What a Spark error says at its root, and whether that is trouble of the surroundings."""

import errno
import os

import pytest
from py4j.protocol import Py4JError, Py4JNetworkError

from penstock.spark.causes import SHOWN_CHARACTERS, Thrown, causes_of, has_ended


class Java:
    """An exception of Java as py4j shows it."""

    def __init__(self, name, message, cause=None):
        self.name, self.message, self.cause = name, message, cause

    def getClass(self):  # noqa: N802
        return self

    def getName(self):  # noqa: N802
        return self.name

    def getMessage(self):  # noqa: N802
        return self.message

    def getCause(self):  # noqa: N802
        return self.cause


class SparkError(Exception):
    def __init__(self, origin):
        super().__init__("An error occurred while calling o1.save")
        self._origin = origin


def test_the_innermost_exception_is_last():
    root = Java("java.lang.UnsupportedOperationException", "Unsupported encoding: BYTE_STREAM_SPLIT")
    error = SparkError(Java("org.apache.spark.SparkException", "Job aborted", Java("java.io.IOException", None, root)))
    assert [cause.described for cause in causes_of(error)] == [
        "SparkException: Job aborted",
        "IOException",
        "UnsupportedOperationException: Unsupported encoding: BYTE_STREAM_SPLIT",
    ]


def test_an_error_without_java_is_its_own_cause():
    assert [cause.described for cause in causes_of(ValueError("first\nsecond"))] == ["ValueError: first"]


def test_what_is_shown_is_one_bounded_line_without_secrets_and_addresses():
    text = "can't open\n\t s3://me:secret@host/x  of io.Reader@1f3a9c42 " + "x" * 1000
    shown = Thrown(name="a.b.C", message=text).described
    assert shown.startswith("C: can't open s3://***@host/x of io.Reader xxx")
    assert len(shown) == SHOWN_CHARACTERS + 3


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "java.lang.IllegalStateException: bad\n\tat a.b.C(D.java:1)\n",
            "SparkException: java.lang.IllegalStateException: bad",
        ),
        (
            "ExecutorLostFailure (executor 3 exited)",
            "its executor ended each time, in most cases because memory ran out",
        ),
    ],
)
def test_an_exception_that_was_not_sent_is_found_in_the_driver_s_words(message, shown):
    failure = (
        "Job aborted due to stage failure: Task 0 in stage 16.0 failed 4 times, most recent failure: Lost task 0.3 "
    )
    thrown = Thrown(
        name="org.apache.spark.SparkException", message=f"{failure}in stage 16.0 (TID 16) (h executor 3): {message}"
    )
    assert thrown.described == shown


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("java.net.ConnectException", "Connection refused"),
        ("java.net.SocketTimeoutException", "Read timed out"),
        ("java.nio.file.AccessDeniedException", "s3a://b/k: getFileStatus"),
        ("java.io.FileNotFoundException", "/in/a.csv (Permission denied)"),
        ("java.io.InterruptedIOException", "thread interrupted"),
        ("org.apache.hadoop.fs.s3a.AWSServiceIOException", "503 SlowDown"),
        ("software.amazon.awssdk.core.exception.SdkClientException", "Unable to execute HTTP request"),
        ("java.io.IOException", os.strerror(errno.EIO)),
        ("java.io.IOException", os.strerror(errno.ENOSPC)),
        ("java.io.FileNotFoundException", "/in/a.csv (Too many open files)"),
    ],
)
def test_trouble_of_the_surroundings(name, message):
    assert Thrown(name=name, message=message).is_trouble


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("java.net.URISyntaxException", "Relative path in absolute URI: .a:b.csv.crc"),
        ("org.apache.spark.SparkRuntimeException", "[MALFORMED_CSV_RECORD] Malformed CSV record: 1,1"),
        ("java.lang.NegativeArraySizeException", "-2"),
        ("org.apache.hadoop.fs.ChecksumException", "Checksum error: file:/in/a.csv at 0"),
        ("java.io.EOFException", "Unexpected end of input stream"),
        ("java.lang.StackOverflowError", ""),
        ("org.apache.spark.SparkRuntimeException", "[MALFORMED_CSV_RECORD] Malformed CSV record: 1,Permission denied"),
    ],
)
def test_what_a_file_is_refused_for(name, message):
    assert not Thrown(name=name, message=message).is_trouble


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Py4JNetworkError("Answer from Java side is empty"), True),
        (ConnectionRefusedError(111, "Connection refused"), True),
        (ConnectionResetError(104, "reset"), True),
        (RuntimeError("Caused by: java.lang.OutOfMemoryError: Java heap space"), True),
        (RuntimeError("Job aborted due to stage failure"), False),
        (FileNotFoundError(2, "no"), False),
        (Py4JError("An error occurred while calling o62.commit"), True),
        (Py4JError("An error occurred while calling o62.commit. Trace:\npy4j.Py4JException: no such method\n"), False),
    ],
)
def test_a_jvm_that_has_ended(error, expected):
    assert has_ended(error) is expected
