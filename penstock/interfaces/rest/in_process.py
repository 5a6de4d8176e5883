"""A model version loaded in this process, behind the same guard as in the executors' Python workers."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
from mlflow.types import DataType as MlflowType

from penstock.udfs.scoring.guarded import NULLABLE_TYPES, score_rows
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
#: Integers in pandas' types with nulls, as Spark hands them to a worker (penstock.spark.settings).
INTEGER_TYPES = {ARROW_TYPES[kind]: nullable for kind, nullable in NULLABLE_TYPES.items()}


@dataclass(frozen=True)
class InProcessModel:
    """Serialises calls: as in a Python worker, a model is never called by two threads at once."""

    model: GuardedModel
    _alone: threading.Lock = field(default_factory=threading.Lock)

    def score(self, arguments: Sequence[Sequence[Any]]) -> pd.DataFrame:
        """arguments: for each row the values of the model's inputs, timestamps as microseconds.

        Returns the columns of `penstock.udfs.scoring.guarded.score_rows`.
        """
        model, rows = self.model, self.frame(arguments)
        with self._alone:
            return score_rows(model.predict, rows, inputs=model.inputs, outputs=model.outputs)

    def frame(self, arguments: Sequence[Sequence[Any]]) -> pd.DataFrame:
        columns = zip(*arguments, strict=True) if arguments else [()] * len(self.model.inputs)
        arrays = [
            pa.array(values, ARROW_TYPES[column.type])
            for column, values in zip(self.model.inputs, columns, strict=True)
        ]
        # All at once: a series for each column would take as long as a small model.
        rows: pd.DataFrame = pa.table(arrays, names=[column.name for column in self.model.inputs]).to_pandas(
            coerce_temporal_nanoseconds=True, types_mapper=INTEGER_TYPES.get
        )
        return rows
