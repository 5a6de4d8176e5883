"""What the first micro-batch would wait for, begun before it while the driver is busy with other things."""

import logging
import threading

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import LongType

from penstock.errors import PenstockError
from penstock.models.resolved import ModelAtStart
from penstock.spark.errors import SPARK_ERRORS
from penstock.spark.session import is_local
from penstock.udfs.scoring.daemon import PRELOAD_VARIABLE

#: What the workers import beside MLflow, by the module that loads a model.
LIBRARIES = {"mlflow.sklearn": ("mlflow.sklearn", "skops.io", "sklearn.linear_model")}
log = logging.getLogger(__name__)


def preload_settings(model: ModelAtStart | None) -> dict[str, str]:
    """What tells the workers' daemon to import the libraries of the model that the config names now."""
    if model is None:
        return {}
    try:
        flavors = model.resolved().flavors
    except PenstockError:
        return {}  # micro-batches say what is wrong with it
    loader = str(flavors.get("python_function", {}).get("loader_module", ""))
    return {f"spark.executorEnv.{PRELOAD_VARIABLE}": ",".join(LIBRARIES.get(loader, ()))}


def begin_workers(spark: SparkSession) -> None:
    """Start the Python workers' daemon in the background, where it is this machine's (penstock.spark.session)."""
    if is_local(str(spark.sparkContext.master)):
        threading.Thread(target=start_worker, args=(spark,), daemon=True).start()


@pandas_udf(LongType())  # type: ignore[untyped-decorator, call-overload, unused-ignore]
def same(numbers: pd.Series) -> pd.Series:
    return numbers


def start_worker(spark: SparkSession) -> None:
    """One task that needs a Python worker."""
    try:
        # As the model's own UDF is: Spark has a daemon for each kind of them.
        spark.range(0, 1, 1, 1).select(same("id")).collect()
    except SPARK_ERRORS as error:
        log.debug("no Python worker was started ahead: %s", error)
