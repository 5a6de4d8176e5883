"""A model version loaded in this process, behind the same guard as in the executors' Python workers."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
from mlflow.types import DataType as MlflowType

from penstock.config.model import ModelConfig
from penstock.errors import ModelRefusedError
from penstock.models.refusal import refused_if_it_fails
from penstock.models.registry import ModelVersion, Registry
from penstock.models.resolved import ResolvedModel
from penstock.models.scoring import checked_columns
from penstock.models.trust import trusted_model
from penstock.schemas.contract import Contract
from penstock.udfs.scoring.guarded import NULLABLE_TYPES, score_rows
from penstock.udfs.scoring.model_cache import GuardedModel, ModelLoadError, open_model
from penstock.udfs.scoring.outputs import ModelColumn, prediction_type

#: MLflow's addresses of registry and artifacts are the process's. No code of a model runs meanwhile.
ONE_FETCH = threading.Lock()

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
        rows = self.frame(arguments)
        with self._alone:
            return self.answers(rows)

    def answers(self, rows: pd.DataFrame) -> pd.DataFrame:
        model = self.model
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


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A version in this process. metadata: of its MLmodel file."""

    version: ModelVersion
    inputs: tuple[ModelColumn, ...]
    outputs: tuple[ModelColumn, ...]
    model: InProcessModel
    metadata: Mapping[str, Any]

    @property
    def prediction_type(self) -> str:
        return prediction_type(self.outputs).simpleString()


#: Makes a model of a version's files.
Opener = Callable[[ResolvedModel, ModelConfig], InProcessModel]
#: Why a version does not fit what it is loaded for; None if it does.
Incompatibility = Callable[[tuple[ModelColumn, ...], Mapping[str, Any]], str | None]


def open_guarded(found: ResolvedModel, model: ModelConfig) -> InProcessModel:
    try:
        return InProcessModel(open_model(str(found.folder), allow_pickle=model.allow_pickle))
    except ModelLoadError as error:
        raise ModelRefusedError(f"{found.version.uri} can't be loaded: {error}") from None


def load_in_process(
    registry: Registry,
    version: ModelVersion,
    contract: Contract,
    model: ModelConfig,
    *,
    incompatibility: Incompatibility = lambda *_: None,
    opener: Opener = open_guarded,
) -> LoadedModel:
    """Load a version as the stream does: trusted, and its inputs provided by the contract.

    incompatibility: asked about its outputs and metadata before it is opened. Raises ModelRefusedError,
    RegistryUnavailableError, StorageError.
    """
    with refused_if_it_fails(version, registry):
        with ONE_FETCH:
            found = trusted_model(registry, version, model)
        inputs, outputs = checked_columns(found, contract)
        if reason := incompatibility(outputs, found.metadata):
            raise ModelRefusedError(f"{version.uri}: {reason}")
        opened = opener(found, model)
    return LoadedModel(version=version, inputs=inputs, outputs=outputs, model=opened, metadata=found.metadata)
