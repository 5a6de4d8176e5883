"""Loads the inner model once per Python worker, which outlives Spark's tasks."""

import copy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.pyfunc import PyFuncModel

from penstock.udfs.scoring.guarded import NULLABLE_TYPES, Predict
from penstock.udfs.scoring.installed import Flavors, model_problems
from penstock.udfs.scoring.model_code import code_of
from penstock.udfs.scoring.outputs import ModelColumn, input_columns, output_columns
from penstock.udfs.scoring.pickled import is_safe_skops, pickle_allowed, refused_as_pickle

#: The guard's settings, in its MLflow model_config.
ALLOW_PICKLE = "allow_pickle"
#: Archives of versions that the driver will use no more.
OBSOLETE = "obsolete"


class ModelLoadError(Exception):
    """The model can't be loaded; the message says why, in one line."""


@dataclass(frozen=True)
class GuardedModel:
    predict: Predict
    inputs: tuple[ModelColumn, ...]
    outputs: tuple[ModelColumn, ...]


# Two: the version in use, and the one that comes after it. (A pair's candidate has a place of its own.)
@lru_cache(maxsize=2)
def open_model(path: str, *, allow_pickle: bool) -> GuardedModel:
    """`load_model`, once for each of the last folders."""
    return load_model(path, allow_pickle=allow_pickle)


def load_model(path: str, *, allow_pickle: bool) -> GuardedModel:
    """The pyfunc in the folder `path`, with its signature's columns. Raises ModelLoadError."""
    try:
        logged = Model.load(path)
        if problems := model_problems(Path(path), logged.flavors):
            # Checked here, since executors of a cluster may start at any time.
            raise ModelLoadError("; ".join(problems))
        with code_of(path), pickle_allowed(allow_pickle or is_safe_skops(logged.flavors)):
            model = mlflow.pyfunc.load_model(path)
        signature = model.metadata.signature
        inputs, outputs = input_columns(signature), output_columns(signature)  # which refuse a model without one
        return GuardedModel(predict=predict_of(model, logged.flavors, folder=path), inputs=inputs, outputs=outputs)
    except (ModelLoadError, KeyboardInterrupt):
        raise
    except BaseException as error:  # the model is foreign code, and may raise anything: SystemExit ends no worker
        reason = refused_as_pickle(error, allowed=allow_pickle) if isinstance(error, Exception) else None
        raise ModelLoadError(reason or " ".join(f"{type(error).__name__}: {error}".split())) from error


def predict_of(model: PyFuncModel, flavors: Flavors, *, folder: str) -> Predict:
    """The model's predict, which takes nulls in optional integers, too, and imports its own modules.

    MLflow's schema enforcement knows no type for these, and refuses all rows of the frame. So it is left out for frames
    with nullable columns, which have the signature's names, order and types already.
    """
    unchecked = without_enforcement(model, flavors)

    def predict(frame: pd.DataFrame) -> Any:
        has_nullable = any(kind in NULLABLE_TYPES.values() for kind in frame.dtypes)
        return (unchecked if has_nullable else model).predict(frame)

    def predict_with_its_code(frame: pd.DataFrame) -> Any:
        with code_of(folder):
            return predict(frame)

    return predict_with_its_code if "code" in flavors["python_function"] else predict


def without_enforcement(model: PyFuncModel, flavors: Flavors) -> PyFuncModel:
    """The same loaded model, with no inputs in its signature."""
    metadata, signature = copy.copy(model.metadata), model.metadata.signature
    metadata.signature = ModelSignature(outputs=signature.outputs, params=signature.params)
    name = flavors["python_function"].get("predict_fn", "predict")
    return PyFuncModel(metadata, model._model_impl, predict_fn=name, model_id=model.model_id)
