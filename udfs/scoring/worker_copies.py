"""Lets go of the models that a Python worker has loaded before, and of their files on its host.

On a cluster MLflow unpacks every version into a temporary folder and keeps it for as long as the worker lives, which in
a stream is one copy for each promotion.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path

from mlflow.pyfunc.spark_model_cache import SparkModelCache
from mlflow.utils._spark_utils import _SparkDirectoryDistributor
from pyspark import SparkFiles

#: The version that is loaded now, and the one before it.
KEPT = 2


def forget_old_guards() -> None:
    """Called while a guard is loaded, which is the newest. A task of an older version unpacks it again."""
    models, folders = SparkModelCache._models, _SparkDirectoryDistributor._extracted_dir_paths
    for archive in list(folders)[:-KEPT]:
        models.pop(archive, None)
        shutil.rmtree(folders.pop(archive), ignore_errors=True)


def remove_archives(names: Iterable[str]) -> None:
    """Remove archives that the driver will use no more from this executor's files."""
    for name in names:
        (Path(SparkFiles.getRootDirectory()) / Path(name).name).unlink(missing_ok=True)
