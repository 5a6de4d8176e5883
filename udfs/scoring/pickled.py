"""Whether a model is deserialised by pickle, which executes arbitrary code from its files.

MLflow's only switch for it, an environment variable, also refuses skops files, because an MLmodel file may declare
types for skops to trust. A model that declares none is as safe as skops.
"""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

VARIABLE = "MLFLOW_ALLOW_PICKLE_DESERIALIZATION"
ALWAYS_PICKLED = ("statsmodels", "pmdarima", "paddle", "shap")
#: The class of LightGBM's own models, which are saved as text.
BOOSTER = "lightgbm.basic.Booster"
#: How a user lets a model be loaded all the same; MLflow's own message names a variable that has no effect here.
WAY_OUT = "If you trust everyone who can register it, set model.allow_pickle: true"


def pickle_reason(flavors: Mapping[str, Any]) -> str:
    """Why loading a model executes code from its files; empty if it does not, or for a flavor that only MLflow's
    switch covers. flavors: of its MLmodel file."""
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
    if loader == "mlflow.lightgbm":
        return lightgbm_reason(flavors.get("lightgbm", {}))
    name = str(loader).removeprefix("mlflow.")
    if name in ALWAYS_PICKLED:
        return f"it is a {name} model, which MLflow saves by pickle"
    if name == "pytorch" and flavors.get("pytorch", {}).get("serialization_format", "pickle") != "pt2":
        return "it is a PyTorch model saved by pickle; log it with serialization_format='pt2'"
    return ""


def lightgbm_reason(flavor: Mapping[str, Any]) -> str:
    if flavor.get("model_class", BOOSTER) == BOOSTER:
        return ""
    saved_as = flavor.get("serialization_format", "cloudpickle")
    how = "its own MLmodel file says which types skops is to trust" if saved_as == "skops" else f"saved by {saved_as}"
    return f"it is a LightGBM model of scikit-learn's kind, {how}; log its booster (model.booster_), which is text"


def refused_as_pickle(error: Exception, *, allowed: bool) -> str | None:
    """The message for a model of another flavor, whose loading MLflow's switch has stopped; None for other errors."""
    if allowed or VARIABLE not in str(error):
        return None
    return f"it would run code from its files when loaded, by pickle or the like. {WAY_OUT}"


def is_safe_skops(flavors: dict[str, Any]) -> bool:
    loader = flavors.get("python_function", {}).get("loader_module")
    return loader == "mlflow.sklearn" and not pickle_reason(flavors)


@dataclass(frozen=True, eq=False)
class Setting:
    """What a load has set the switch to, in a thread."""

    value: str
    thread: threading.Thread


#: Of the loads under way, in their order. A later one may end before one that is abandoned.
_settings: list[Setting] = []
#: The switch without them.
_before: str | None = None
_changing = threading.Lock()


@contextmanager
def pickle_allowed(allowed: bool) -> Iterator[None]:
    """Sets MLflow's switch while a model is loaded."""
    global _before
    own = Setting(str(allowed).lower(), threading.current_thread())
    with _changing:
        if not _settings:
            _before = os.environ.get(VARIABLE)
        _settings.append(own)
        set_switch()
    try:
        yield
    finally:
        with _changing:
            if own in _settings:
                _settings.remove(own)
                set_switch()


def withdraw(thread: threading.Thread) -> None:
    """For a load in that thread that may never end."""
    with _changing:
        if ended := [setting for setting in _settings if setting.thread is thread]:
            _settings[:] = [setting for setting in _settings if setting not in ended]
            set_switch()


def set_switch() -> None:
    value = _settings[-1].value if _settings else _before
    if value is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = value
