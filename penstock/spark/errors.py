"""The exceptions of a failed Spark call. A module of its own, because importing pyspark takes a second."""

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

#: Py4JJavaError: Java exceptions for which PySpark has no class.
SPARK_ERRORS = (PySparkException, Py4JError)


def said(error: Exception) -> str:
    """One line. The first line of Java's errors has the cause; some of Python's have only a kind."""
    return " ".join(str(error).strip().split("\n", 1)[0].split())[:500] or type(error).__name__
