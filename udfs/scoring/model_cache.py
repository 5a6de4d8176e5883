"""Loads the inner model once per Python worker, which outlives Spark's tasks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow.models import Model

from penstock.udfs.scoring.installed import model_problems
from penstock.udfs.scoring.outputs import ModelColumn, input_columns, output_columns
from penstock.udfs.scoring.pickled import is_safe_skops, pickle_allowed, refused_as_pickle

#: The guard's only setting, in its MLflow model_config.
ALLOW_PICKLE = "allow_pickle"


class ModelLoadError(Exception):
    """The model can't be loaded; the message says why, in one line."""


@dataclass(frozen=True)
class GuardedModel:
    predict: Callable[[pd.DataFrame], Any]
    inputs: tuple[ModelColumn, ...]
    outputs: tuple[ModelColumn, ...]


# Two: the version in use, and the one that comes after it.
@lru_cache(maxsize=2)
def open_model(path: str, *, allow_pickle: bool) -> GuardedModel:
    """The pyfunc in the folder `path`, with its signature's columns. Raises ModelLoadError."""
    try:
        logged = Model.load(path)
        if problems := model_problems(Path(path), logged.flavors):
            # Checked here, since executors of a cluster may start at any time.
            raise ModelLoadError("; ".join(problems))
        with pickle_allowed(allow_pickle or is_safe_skops(logged.flavors)):
            model = mlflow.pyfunc.load_model(path)
    except ModelLoadError:
        raise
    except Exception as error:  # the model is foreign code, and may raise anything
        reason = refused_as_pickle(error, allowed=allow_pickle)
        raise ModelLoadError(reason or " ".join(f"{type(error).__name__}: {error}".split())) from error
    signature = model.metadata.signature
    return GuardedModel(predict=model.predict, inputs=input_columns(signature), outputs=output_columns(signature))
