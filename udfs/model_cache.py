"""Loads the inner model once in each Python worker; Spark's tasks come and go, the worker stays."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import mlflow
import pandas as pd

from udfs.outputs import Port, input_ports, output_ports


@dataclass(frozen=True)
class GuardedModel:
    predict: Callable[[pd.DataFrame], Any]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


# Two: the version in use, and the one that comes after it.
@lru_cache(maxsize=2)
def open_model(path: str) -> GuardedModel:
    """The pyfunc in the folder `path`, with its signature's ports."""
    model = mlflow.pyfunc.load_model(path)
    signature = model.metadata.signature
    return GuardedModel(predict=model.predict, inputs=input_ports(signature), outputs=output_ports(signature))
