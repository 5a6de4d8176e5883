"""How a model's files become objects: by pickle, which runs whatever code they hold, or not.

MLflow has one switch for it, an environment variable, and it also shuts out skops files, because a model's own MLmodel
may tell skops which types to trust. One that names none is as safe as skops is.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

VARIABLE = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"


def pickle_reason(flavors: dict[str, Any]) -> str:
    """Why loading a model runs what its files say; empty if it does not, or for a flavor that only MLflow's own
    switch knows. flavors: those of its MLmodel file."""
    pyfunc = flavors.get("python_function", {})
    loader = pyfunc.get("loader_module")
    if loader == "mlflow.pyfunc.model" and "model_code_path" not in pyfunc:
        return "it is a PythonModel saved by cloudpickle; log it from code (python_model='FILE.py')"
    if loader == "mlflow.sklearn":
        sklearn = flavors.get("sklearn", {})
        saved_as = sklearn.get("serialization_format", "pickle")
        if saved_as != "skops":
            return f"it is a scikit-learn model saved by {saved_as}; log it with serialization_format='skops'"
        if sklearn.get("skops_trusted_types"):
            return "its own MLmodel file says which types skops is to trust (skops_trusted_types)"
    return ""


def is_safe_skops(flavors: dict[str, Any]) -> bool:
    loader = flavors.get("python_function", {}).get("loader_module")
    return loader == "mlflow.sklearn" and not pickle_reason(flavors)


@contextmanager
def pickle_allowed(allowed: bool) -> Iterator[None]:
    """MLflow's switch, for as long as a model is loaded."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(allowed).lower()
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
