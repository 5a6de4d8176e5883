"""The guards that run in the Python workers (penstock/udfs/scoring), as UDFs."""

import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import mlflow
from pyspark.sql import Column, SparkSession
from pyspark.sql.types import StructType


def guard_udf(
    spark: SparkSession,
    code: str,
    models: Mapping[str, Path],
    settings: Mapping[str, Any],
    *,
    result_type: StructType,
) -> Callable[..., Column]:
    """The UDF of a guard around models, which takes its inputs by position.

    code: the guard's file in penstock.udfs.scoring. models: their folders, by the names that it knows them by.
    """
    # MLflow warns about env_manager="local"; the doctor compares package versions instead.
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)
    with guard_around(code, models, settings) as guard:
        # spark_udf copies the folder to where the workers find it.
        udf: Callable[..., Column] = mlflow.pyfunc.spark_udf(
            spark, str(guard), result_type=result_type, env_manager="local"
        )
    return udf


@contextmanager
def guard_around(code: str, models: Mapping[str, Path], settings: Mapping[str, Any]) -> Iterator[Path]:
    """The guard around the models, saved as a temporary MLflow model while the UDF is built.

    It has no signature: the guarded models have their own, and MLflow's enforcement knows no nulls in integers. Nor has
    it the models' requirements: the workers compare these themselves (penstock.udfs.scoring.installed), and MLflow
    would read them as pip does, with the files that they include.
    """
    beside = next(iter(models.values())).parent
    with (
        tempfile.TemporaryDirectory(dir=beside, prefix=".guard.") as made,
        # With --py-files this package is imported from a zip.
        as_file(files("penstock.udfs.scoring") / code) as file,
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message=".*input example")  # the guard has no example
        guard = Path(made) / "guard"
        mlflow.pyfunc.save_model(
            str(guard),
            python_model=str(file),
            artifacts={name: str(folder) for name, folder in models.items()},
            pip_requirements=["mlflow"],
            model_config=dict(settings),
        )
        yield guard
