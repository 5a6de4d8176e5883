"""The daemon that Spark forks its Python workers from, with the libraries of a model preloaded.

Spark's own daemon imports nothing, and each worker spends seconds importing MLflow. Libraries that start threads before
a fork are a risk; those here are idle between two forks and hold no lock that a worker could inherit. Only imports are
shared: no model is loaded here, so no parallel region of a library has run.
"""

import importlib
import os
from collections.abc import Sequence

#: Comma-separated modules to import in addition to ALWAYS.
PRELOAD_VARIABLE = "PENSTOCK_PRELOAD"
ALWAYS = (
    "pandas",
    "pyarrow",
    "mlflow.pyfunc",
    "penstock.udfs.scoring.model_cache",
    "penstock.udfs.scoring.guarded",
    "pyspark.worker",
)
STDOUT, STDERR = 1, 2


def preload(names: Sequence[str]) -> None:
    """Import the modules that are installed; a worker that needs a missing one will report it."""
    # Spark reads the daemon's port from its standard output, so nothing else may be printed there.
    stdout = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    try:
        for name in names:
            try:
                importlib.import_module(name)
            except ImportError as error:
                print(f"not preloaded: {name}: {error}")
    finally:
        os.dup2(stdout, STDOUT)
        os.close(stdout)


if __name__ == "__main__":
    preload((*ALWAYS, *filter(None, os.environ.get(PRELOAD_VARIABLE, "").split(","))))
    from pyspark.daemon import manager

    manager()
