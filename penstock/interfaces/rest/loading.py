"""Loads registered versions as in-process models for the requests of a pipeline."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.config.pipeline import PipelineConfig
from penstock.models.fleet_check import fleet_incompatibility
from penstock.models.guest_model import open_guest, open_in_time
from penstock.models.in_process import LoadedModel, Opener, load_in_process
from penstock.models.registry import ModelVersion, Registry
from penstock.pipeline.workload import workload_of
from penstock.schemas.contract import Contract
from penstock.udfs.scoring.outputs import ModelColumn, prediction_type

log = logging.getLogger(__name__)


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
        return self.opened(version, open_in_time)

    def load_candidate(self, version: ModelVersion) -> LoadedModel:
        """Its calls have a time limit. Raises as `load`."""
        return self.opened(version, open_guest)

    def opened(self, version: ModelVersion, opener: Opener) -> LoadedModel:
        loaded = load_in_process(
            self.registry,
            version,
            workload_of(self.config).scoring_contract(self.config, self.contract),
            self.config.the_model,
            incompatibility=self.incompatibility,
            opener=opener,
        )
        self._prediction_type = loaded.prediction_type
        log.info("%s is loaded", version.uri)
        return loaded

    def incompatibility(self, outputs: tuple[ModelColumn, ...], metadata: Mapping[str, Any]) -> str | None:
        if self.config.workload == "series":
            return fleet_incompatibility(outputs, metadata, self.config)
        found = prediction_type(outputs).simpleString()
        if self._prediction_type in ("", found):
            return None
        return f"it gives {found}, the service returns {self._prediction_type}; start it again to change that"
