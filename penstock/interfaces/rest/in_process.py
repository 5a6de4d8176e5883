"""A model version loaded in this process, behind the same guard as in the executors' Python workers."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa
from mlflow.models import Model
from mlflow.pyfunc import PyFuncModel
from mlflow.types import DataType as MlflowType

from penstock.models.scoring import guard_signature
from penstock.udfs.scoring.guarded import score_rows
from penstock.udfs.scoring.model_cache import GuardedModel

#: Arrow types of model inputs, as between Spark and a Python worker.
ARROW_TYPES: dict[MlflowType, Any] = {
    MlflowType.double: pa.float64(),
    MlflowType.float: pa.float32(),
    MlflowType.long: pa.int64(),
    MlflowType.integer: pa.int32(),
    MlflowType.boolean: pa.bool_(),
    MlflowType.string: pa.string(),
    MlflowType.datetime: pa.timestamp("us"),
}


@dataclass(frozen=True)
class Guard:
    """The counterpart of udfs/scoring/guard.py in a worker."""

    model: GuardedModel

    def predict(self, data: pd.DataFrame) -> pd.DataFrame:
        return score_rows(self.model.predict, data, inputs=self.model.inputs, outputs=self.model.outputs)


@dataclass(frozen=True)
class InProcessModel:
    """Serialises calls: as in a Python worker, a model is never called by two threads at once."""

    model: GuardedModel
    _alone: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def guard(self) -> PyFuncModel:
        """With MLflow's schema enforcement of the inputs, as for the guard in a worker."""
        return PyFuncModel(Model(signature=guard_signature(self.model.inputs)), Guard(self.model))

    def score(self, arguments: Sequence[Sequence[Any]]) -> pd.DataFrame:
        """arguments: for each row the values of the model's inputs, timestamps as microseconds.

        Returns the columns of `penstock.udfs.scoring.guarded.score_rows`.
        """
        if not arguments:
            return score_rows(self.model.predict, self.frame([]), inputs=(), outputs=self.model.outputs)
        with self._alone:
            scored = self.guard.predict(self.frame(arguments))
        return pd.DataFrame(scored)

    def frame(self, arguments: Sequence[Sequence[Any]]) -> pd.DataFrame:
        columns = zip(*arguments, strict=True) if arguments else [()] * len(self.model.inputs)
        return pd.DataFrame(
            {
                column.name: pa.array(values, ARROW_TYPES[column.type]).to_pandas(coerce_temporal_nanoseconds=True)
                for column, values in zip(self.model.inputs, columns, strict=True)
            }
        )
