"""The exceptions of a failed Spark call. A module of its own, because importing pyspark takes a second."""

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

#: Py4JJavaError: Java exceptions for which PySpark has no class.
SPARK_ERRORS = (PySparkException, Py4JError)
