"""What a failed Spark call may raise. A module of its own, for importing pyspark takes a second."""

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

#: The second is for Java exceptions that PySpark has no class for.
SPARK_ERRORS = (PySparkException, Py4JError)
