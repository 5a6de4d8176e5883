"""Loads registered versions as in-process models for the requests of a pipeline."""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.config.pipeline import PipelineConfig
from penstock.errors import ModelRefusedError
from penstock.interfaces.rest.in_process import InProcessModel
from penstock.models.fleet_check import fleet_incompatibility
from penstock.models.refusal import refused_if_it_fails
from penstock.models.registry import ModelVersion, Registry
from penstock.models.scoring import checked_columns
from penstock.models.trust import trusted_model
from penstock.pipeline.workload import workload_of
from penstock.schemas.contract import Contract
from penstock.udfs.scoring.model_cache import ModelLoadError, open_model
from penstock.udfs.scoring.outputs import ModelColumn, prediction_type

#: MLflow's switch for pickle is a process-wide environment variable.
ONE_LOAD = threading.Lock()
log = logging.getLogger(__name__)


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


@dataclass(kw_only=True)
class Loader:
    """Loads versions of one pipeline's model, each checked as the stream does before its first batch.

    The first one fixes the prediction type, since the published response schema is derived from it.
    """

    config: PipelineConfig
    contract: Contract
    registry: Registry
    _prediction_type: str = ""

    def load(self, version: ModelVersion) -> LoadedModel:
        """Raises ModelRefusedError, RegistryUnavailableError, StorageError."""
        with ONE_LOAD, refused_if_it_fails(version, self.registry):
            found = trusted_model(self.registry, version, self.config.the_model)
            scoring_contract = workload_of(self.config).scoring_contract(self.config, self.contract)
            inputs, outputs = checked_columns(found, scoring_contract)
            incompatibility = self.incompatibility(outputs, found.metadata)
            if incompatibility:
                raise ModelRefusedError(f"{version.uri}: {incompatibility}")
            try:
                guarded = open_model(str(found.folder), allow_pickle=self.config.the_model.allow_pickle)
            except ModelLoadError as error:
                raise ModelRefusedError(f"{version.uri} can't be loaded: {error}") from None
            self._prediction_type = prediction_type(outputs).simpleString()
        log.info("%s is loaded", version.uri)
        model = InProcessModel(guarded)
        return LoadedModel(version=version, inputs=inputs, outputs=outputs, model=model, metadata=found.metadata)

    def incompatibility(self, outputs: tuple[ModelColumn, ...], metadata: Mapping[str, Any]) -> str | None:
        if self.config.workload == "series":
            return fleet_incompatibility(outputs, metadata, self.config)
        found = prediction_type(outputs).simpleString()
        if self._prediction_type in ("", found):
            return None
        return f"it gives {found}, the service returns {self._prediction_type}; start it again to change that"
