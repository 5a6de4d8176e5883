"""The process that Spark forks its Python workers from, with what a model needs imported already.

Spark's own daemon imports nothing, and each worker imports MLflow for itself, some seconds of it. Spark is wary of
libraries that start threads before a fork; those here are idle between two forks, and hold no lock that a worker
could miss. Only what is imported is shared: no model is loaded here, and so no parallel region of a library has run.
"""

import importlib
import os
from collections.abc import Sequence

#: Modules to import beside ALWAYS, with commas between.
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
    """Import what is there; what is not, a worker that needs it will report."""
    # Spark reads the daemon's port from its standard output: nothing else may be printed there.
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
