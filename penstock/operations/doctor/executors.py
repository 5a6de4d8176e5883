"""Do the executors of a cluster have what the model was logged with? MLflow only warns."""

import logging
import platform
import re
from functools import partial
from importlib import metadata

from pyspark.sql import SparkSession

from penstock.config.pipeline import PipelineConfig
from penstock.errors import EnvironmentCheckError, ModelRefusedError, RegistryUnavailableError
from penstock.models.refusal import refused_if_it_fails
from penstock.models.resolved import ModelAtStart
from penstock.pipeline.last_model import has_other_before
from penstock.spark.errors import SPARK_ERRORS
from penstock.spark.session import is_local
from penstock.udfs.scoring.installed import logged_python, problems_here, requirement_lines

#: What the jobs themselves send their work through; a model's requirements need not name them.
OURS = ("mlflow", "pandas", "pyarrow", "numpy")
PYTHON_MISMATCH = re.compile(r"PYTHON_VERSION_MISMATCH\]\s*(.*)")
log = logging.getLogger(__name__)


def check_executors(spark: SparkSession, config: PipelineConfig, model: ModelAtStart | None) -> None:
    """Against the version that the config names now. Raises EnvironmentCheckError with both versions of each package.

    A local master runs its workers with this very Python, which the doctor has looked at, and without a model there
    are no workers. Without a version now there
    may be one before: micro-batches decide.
    """
    if model is None or is_local(str(spark.sparkContext.master)):
        return
    try:
        resolved = model.resolved()
        with refused_if_it_fails(resolved.version, model.registry):
            python = logged_python(resolved.flavors)
            lines = requirement_lines(resolved.folder / "requirements.txt")
    except (ModelRefusedError, RegistryUnavailableError) as error:
        log.warning("the executors were not compared with the model: %s", error)
        return
    ours = [f"{name}=={metadata.version(name)}" for name in OURS]
    if problems := problems_of_executors(spark, ours, python=""):
        raise EnvironmentCheckError(
            f"executors are not what this driver is: {'; '.join(problems)}; install those versions there"
        )
    if problems := problems_of_executors(spark, lines, python=python):
        message = (
            f"executors are not what {resolved.version.uri} was logged with: {'; '.join(problems)}; install those "
            "versions there, or train and register the model with theirs"
        )
        if not has_other_before(config, model):
            raise EnvironmentCheckError(message)
        # The workers refuse it when they load it, and micro-batches go on with the version before.
        log.warning("not fit at start: %s", message)


def problems_of_executors(spark: SparkSession, lines: list[str], *, python: str) -> list[str]:
    """What `problems_here` says on the executors. Raises EnvironmentCheckError where their Python can't run it."""
    context = spark.sparkContext
    slots = max(context.defaultParallelism, 1)
    try:
        found = context.parallelize(range(slots), slots).mapPartitions(
            partial(problems_here, lines=lines, python=python)
        )
        return sorted(set(found.collect()))
    except SPARK_ERRORS as error:
        mismatch = PYTHON_MISMATCH.search(str(error))
        if not mismatch:
            raise
        raise EnvironmentCheckError(
            f"{mismatch[1].strip()[:300]}; set PYSPARK_PYTHON to a Python {platform.python_version()} on the executors"
        ) from None
