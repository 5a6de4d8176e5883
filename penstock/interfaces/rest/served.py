"""One served pipeline: its contract, the versions of its model, and their predictors."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from pyspark.sql import SparkSession

from penstock.config.experiment import ExperimentConfig
from penstock.config.experiment_contract import check_experiment_contract
from penstock.config.loading import load_contract
from penstock.config.model import ModelConfig
from penstock.config.pipeline import PipelineConfig
from penstock.config.series_contract import check_series_contract, with_time_range
from penstock.errors import ConfigError
from penstock.interfaces.rest.canary import with_role
from penstock.interfaces.rest.experiment import FollowedExperiment
from penstock.interfaces.rest.key_buckets import KeyBuckets
from penstock.interfaces.rest.loading import Loader
from penstock.interfaces.rest.request_rows import Row
from penstock.interfaces.rest.row_predictor import Predictor, RowPredictor, compiled_checks
from penstock.interfaces.rest.row_results import RowResult
from penstock.interfaces.rest.series_predictor import SeriesPredictor
from penstock.interfaces.rest.versions import Versions
from penstock.models.in_process import LoadedModel
from penstock.models.registry import ModelVersion, Registry
from penstock.schemas.contract import Contract
from penstock.sources.rules import check_rules
from penstock.spark.compiled_rows import CompiledRows
from penstock.storage.routing import storage_of
from penstock.udfs.scoring.outputs import ModelColumn

#: Of different inputs, compiled at a time.
MAX_CHECKS = 4
#: Of an S3 that does not answer, when the newest plan is looked for.
STORAGE_RETRY_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Served:
    spark: SparkSession
    config: PipelineConfig
    contract: Contract
    loader: Loader
    versions: Versions
    #: None without the section `experiment`.
    experiment: FollowedExperiment | None = field(init=False)
    _predictors: dict[ModelVersion, Predictor] = field(default_factory=dict)
    #: By the model's inputs, which most versions have in common.
    _checks: dict[tuple[ModelColumn, ...], CompiledRows] = field(default_factory=dict)
    _making: threading.Lock = field(default_factory=threading.Lock)
    _compiling: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        found = self.config.experiment
        object.__setattr__(self, "experiment", self.followed(found) if found else None)

    def followed(self, experiment: ExperimentConfig) -> FollowedExperiment:
        return FollowedExperiment(
            config=self.config,
            storage=storage_of(self.config, retry_seconds=STORAGE_RETRY_SECONDS),
            alias=ModelConfig(name=self.name, alias=experiment.alias),
            registry=self.loader.registry,
            load=self.loader.load_candidate,
            predictor=self.new_predictor,
            buckets=lambda key: KeyBuckets.of(self.spark, self.config, self.contract, key),
        )

    @classmethod
    def of(cls, spark: SparkSession, config: PipelineConfig) -> "Served":
        """Raises ConfigError for a contract that can't be used."""
        contract = with_time_range(load_contract(config), config)
        check_rules(spark, contract)
        if config.workload == "series":
            check_series_contract(contract, config)
        check_experiment_contract(contract, config)
        registry = Registry.of(config)
        loader = Loader(config=config, contract=contract, registry=registry)
        versions = Versions(registry=registry, model=config.the_model, load=loader.load)
        return cls(spark=spark, config=config, contract=contract, loader=loader, versions=versions)

    @property
    def name(self) -> str:
        return self.config.the_model.name

    @property
    def predict_path(self) -> str:
        return f"/models/{self.name}/predict"

    @property
    def loaded(self) -> LoadedModel | None:
        """The version for requests without alias and version."""
        return self.versions.default.model

    def predict(self, rows: Sequence[Row], loaded: LoadedModel, *, is_asked_for: bool = False) -> list[RowResult]:
        """is_asked_for: the request names this version, so that no experiment may choose another one."""
        champion = self.predictor(loaded)
        if self.experiment is None:
            return champion.predict(rows)
        canary = None if is_asked_for else self.experiment.of(loaded.version)
        if canary is not None:
            return canary.predict(rows, champion)
        role = None if is_asked_for else "champion"
        return [with_role(result, role, loaded.version) for result in champion.predict(rows)]

    def renew(self) -> None:
        """Resolve and load what the registry and the newest plan say. Raises PenstockError."""
        self.versions.renew_all()
        if self.loaded is None:
            return
        # What the next request would wait for some seconds for.
        self.predictor(self.loaded)
        if self.experiment is not None:
            self.experiment.renew()

    def predictor(self, loaded: LoadedModel) -> Predictor:
        with self._making:
            if loaded.version not in self._predictors:
                in_use = {standing.model.version for standing in self.versions.all() if standing.model}
                for version in set(self._predictors) - in_use:
                    del self._predictors[version]
                self._predictors[loaded.version] = self.new_predictor(loaded)
            return self._predictors[loaded.version]

    def new_predictor(self, loaded: LoadedModel) -> Predictor:
        if self.config.workload == "series":
            return SeriesPredictor(self.spark, self.config, self.contract, loaded)
        return RowPredictor(self.config.source, self.contract, loaded, self.checks(loaded.inputs))

    def checks(self, inputs: tuple[ModelColumn, ...]) -> CompiledRows:
        with self._compiling:
            if inputs not in self._checks:
                while len(self._checks) >= MAX_CHECKS:
                    del self._checks[next(iter(self._checks))]
                self._checks[inputs] = compiled_checks(self.spark, inputs, self.contract, self.config.source)
            return self._checks[inputs]


def served_models(spark: SparkSession, configs: Sequence[PipelineConfig]) -> dict[str, Served]:
    """By the model's name. Raises ConfigError for a name that can't be part of a path, or that two pipelines have."""
    found: dict[str, Served] = {}
    for config in configs:
        name = config.the_model.name
        if set(name) & set("{}?#%"):
            raise ConfigError(f"model.name {name!r} can't be part of a path; register it without {{ }} ? # %")
        if name in found:
            raise ConfigError(
                f"the pipelines {found[name].config.pipeline} and {config.pipeline} have the same model {name!r}, "
                "and requests name the model; serve them by two processes"
            )
        found[name] = Served.of(spark, config)
    return found
