"""The schema of a pipeline's YAML file in conf/. All models are frozen; unknown keys are errors."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from penstock.config.csv_dialect import CsvDialect
from penstock.config.durations import Seconds
from penstock.config.evaluation import EvaluateConfig, LabelConfig, LabelsConfig
from penstock.config.evaluation_checks import check_forecasts_are_kept, check_predictions_are_kept
from penstock.config.experiment import ExperimentConfig, VerdictConfig, check_experiment
from penstock.config.locations import Location, is_on_s3
from penstock.config.metrics import MetricsConfig
from penstock.config.model import ModelConfig
from penstock.config.retention import TIME_TRAVEL_FLOOR, check_retention, check_time_travel, check_workload_has
from penstock.config.sections import Section
from penstock.config.series import FitConfig, ForecastConfig, SeriesConfig
from penstock.config.serve import ServeConfig
from penstock.errors import ConfigError
from penstock.schemas.table_types import Workload

#: The default of `source.max_file_age`: more than any two modification times differ, so that no file is overlooked.
MAX_FILE_AGE_SECONDS = 100_000 * 365 * 86400.0


class SourceConfig(Section):
    """Where files arrive. `format` is for names whose ending does not say it (.csv, .jsonl, .parquet do)."""

    format: Literal["csv", "json", "parquet"] = "csv"
    path: Location
    max_files_per_trigger: int = Field(default=100, ge=1)
    path_glob_filter: str | None = None
    #: The file stream silently ignores files that are older than the newest one by more than this.
    max_file_age: Seconds = MAX_FILE_AGE_SECONDS
    clean_source: Literal["off", "archive", "delete"] = "off"
    source_archive_dir: Location | None = None
    #: How long to wait for a file that is still changing before it is refused.
    settle: Seconds = 10.0
    csv: CsvDialect = CsvDialect()


class TablesConfig(Section):
    root: Location


class MaintenanceConfig(Section):
    """Settings of jobs/maintain_tables.py. budget: how long a run may take; 0 does nothing.

    time_travel: how long past versions of every table stay readable. retention: by table, the age at which rows are
    deleted. keep_plans: how many plans of finished batches are kept beside the checkpoint.
    """

    budget: Seconds = 600.0
    time_travel: Seconds = TIME_TRAVEL_FLOOR
    retention: dict[str, Seconds] = Field(default_factory=dict)
    #: The next batch reads the model version from the plan of the one before.
    keep_plans: int = Field(default=100, ge=2)

    @field_validator("time_travel")
    @classmethod
    def time_travel_is_long_enough(cls, seconds: float) -> float:
        check_time_travel(seconds)
        return seconds

    @model_validator(mode="after")
    def retention_is_valid(self) -> Self:
        check_retention(self.retention, time_travel=self.time_travel)
        return self


class S3Config(Section):
    """Connection to S3; AWS itself needs no settings. Credentials are never here: boto3 and Hadoop take them from the
    environment or the machine's role.

    endpoint: default AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL. region: default AWS_REGION or AWS_DEFAULT_REGION.
    path_style: bucket names in the path and not in the host's name; default where there is an endpoint.
    """

    endpoint: str | None = Field(default=None, pattern=r"^https?://[^@]+$")
    region: str | None = None
    path_style: bool | None = None

    @property
    def the_endpoint(self) -> str | None:
        return self.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")

    @property
    def the_region(self) -> str:
        return self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"

    @property
    def is_path_style(self) -> bool:
        return self.path_style if self.path_style is not None else self.the_endpoint is not None


class TriggerConfig(Section):
    every: Seconds = 300.0


class MlflowConfig(Section):
    """The tracking server or database; by default the experiment's artifacts are stored beside a sqlite file."""

    tracking_uri: str
    experiment: str | None = None
    artifact_location: str | None = None

    @field_validator("tracking_uri")
    @classmethod
    def sqlite_path_is_absolute(cls, uri: str) -> str:
        prefix = "sqlite:///"
        return prefix + os.path.abspath(uri.removeprefix(prefix)) if uri.startswith(prefix) else uri  # noqa: PTH100

    @property
    def experiment_artifacts(self) -> str | None:
        """Where a new experiment stores its artifacts: beside the sqlite file, never in the current directory."""
        if self.artifact_location or not self.tracking_uri.startswith("sqlite:///"):
            return self.artifact_location
        return (Path(self.tracking_uri.removeprefix("sqlite:///")).parent / "mlartifacts").as_uri()


class PipelineConfig(Section):
    """One pipeline: source, contract, model, and tables. A pipeline of labels has no model; mlflow, which an overlay
    for all pipelines may give it, is of no use to it."""

    pipeline: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    workload: Workload
    source: SourceConfig
    contract: str = Field(pattern=r"^[A-Za-z_]\w*(\.\w+)*:\w+$")
    model: ModelConfig | None = Field(default=None, validate_default=True)
    series: SeriesConfig | None = None
    label: LabelConfig | None = Field(default=None, validate_default=True)
    fit: FitConfig = FitConfig()
    forecast: ForecastConfig = ForecastConfig()
    evaluate: EvaluateConfig | None = None
    labels: LabelsConfig | None = None
    experiment: ExperimentConfig | None = None
    verdict: VerdictConfig = VerdictConfig()
    tables: TablesConfig
    checkpoint: Location
    trigger: TriggerConfig = TriggerConfig()
    mlflow: MlflowConfig | None = Field(default=None, validate_default=True)
    maintenance: MaintenanceConfig = MaintenanceConfig()
    s3: S3Config = S3Config()
    metrics: MetricsConfig | None = None
    serve: ServeConfig = ServeConfig()
    #: More Spark settings, for this pipeline only.
    spark: dict[str, str] = Field(default_factory=dict)

    @field_validator("model", "label", "mlflow")
    @classmethod
    def section_goes_with_the_workload(cls, section: Section | None, info: ValidationInfo) -> Section | None:
        workload, name = info.data.get("workload"), str(info.field_name)
        if workload is None:
            return section
        is_needed = (name == "label") == (workload == "labels")
        if section is None and is_needed:
            raise ValueError("is missing")
        if section is not None and not is_needed and name != "mlflow":
            raise ValueError(f"a pipeline of {workload} has no such section; leave it out, or change the workload")
        return section

    #: What overlays say of where the tables of every pipeline are, not yet with its name.
    _overlaid_places: tuple[dict[str, Any], ...] = PrivateAttr(default=())

    def overlaid_by(self, places: Sequence[dict[str, Any]]) -> Self:
        copy = self.model_copy()
        copy._overlaid_places = tuple(places)
        return copy

    @property
    def overlaid_places(self) -> tuple[dict[str, Any], ...]:
        return self._overlaid_places

    @model_validator(mode="after")
    def series_are_described(self) -> Self:
        if (self.workload == "series") != (self.series is not None):
            raise ValueError("workload series needs the section `series`, and workloads rows and labels have none")
        return self

    @model_validator(mode="after")
    def exogenous_variables_can_be_fitted(self) -> Self:
        if self.series is not None and self.series.exogenous is not None:
            from penstock.udfs.var.exogenous_effects import check_settings

            check_settings(self.series.exogenous_names, intervals=self.fit.intervals, prior=self.fit.prior)
        return self

    @model_validator(mode="after")
    def a_season_is_kept_for_its_fallback(self) -> Self:
        season = int(self.fit.season or 0)
        if self.series and self.fit.fallback == "seasonal_naive" and self.series.keep_lags < season:
            raise ValueError(
                f"series.keep_lags is {self.series.keep_lags}, and fit.fallback seasonal_naive repeats the last "
                f"{season} observations of a series; set keep_lags to at least {season}, or fit.fallback to naive"
            )
        return self

    @model_validator(mode="after")
    def labels_and_loss_go_with_the_workload(self) -> Self:
        if self.labels and self.workload != "rows":
            hint = "; its own key and value stand in the section `label`" if self.label else ""
            raise ValueError(f"labels are for pipelines of rows; the workload is {self.workload}: leave them out{hint}")
        if self.evaluate and self.workload == "labels":
            raise ValueError("evaluate is for pipelines with a model; the workload is labels: leave it out")
        loss = self.evaluate.loss if self.evaluate else None
        if loss is not None and (loss == "wis") != (self.workload == "series"):
            fitting = "wis" if self.workload == "series" else "absolute, squared, zero_one or log"
            raise ValueError(f"evaluate.loss is {loss}; the loss of {self.workload} is {fitting}")
        if self.evaluate and self.series:
            for step in self.evaluate.steps:
                if step > self.series.horizon:
                    raise ValueError(f"evaluate.steps names {step}, series.horizon is {self.series.horizon}")
        return self

    @model_validator(mode="after")
    def experiment_goes_with_the_other_sections(self) -> Self:
        if self.experiment:
            check_experiment(self.experiment, self.verdict, self.model, self.workload, self.evaluate, self.labels)
        return self

    @model_validator(mode="after")
    def retention_names_this_workloads_tables(self) -> Self:
        check_workload_has(self.maintenance.retention, self.workload)
        return self

    @model_validator(mode="after")
    def answers_are_kept_until_they_are_evaluated(self) -> Self:
        retention = self.maintenance.retention
        if self.evaluate and self.series:
            time_travel = self.maintenance.time_travel
            check_forecasts_are_kept(retention.get("forecasts"), series=self.series, time_travel=time_travel)
        if self.labels:
            check_predictions_are_kept(retention.get("predictions"), labels=self.labels)
        return self

    @property
    def the_series(self) -> SeriesConfig:
        """The section `series` of a pipeline whose workload is series."""
        if self.series is None:
            raise ValueError(f"this pipeline's workload is {self.workload}")
        return self.series

    @property
    def the_label(self) -> LabelConfig:
        """The section `label` of a pipeline whose workload is labels."""
        if self.label is None:
            raise ValueError(f"this pipeline's workload is {self.workload}")
        return self.label

    @property
    def the_model(self) -> ModelConfig:
        """The section `model`. Raises ConfigError for a pipeline of labels."""
        if self.model is None:
            raise self._has_no_model()
        return self.model

    @property
    def the_mlflow(self) -> MlflowConfig:
        """The section `mlflow` of a pipeline with a model. Raises ConfigError for one of labels."""
        if self.model is None or self.mlflow is None:
            raise self._has_no_model()
        return self.mlflow

    def _has_no_model(self) -> ConfigError:
        return ConfigError(
            f"workload: {self.pipeline} is a pipeline of labels, which has no model; name the config of a pipeline of "
            "rows or series"
        )

    @property
    def uses_s3(self) -> bool:
        return any(map(is_on_s3, (self.source.path, self.tables.root, self.checkpoint)))

    def table_path(self, table: str) -> str:
        return f"{self.tables.root}/{table}"

    @property
    def meaning_hash(self) -> str:
        """SHA-256 of what determines the result of a batch: source format, dialect, contract name and model name.

        The contract's content is hashed separately; when and where a batch runs is not included.
        """
        meaning: dict[str, Any] = {
            "workload": self.workload,
            "format": self.source.format,
            "csv": self.source.csv.meaning,
            "contract": self.contract,
            "model": self.model.name if self.model else None,
            "series": self.series.meaning if self.series else None,
            "forecast": self.forecast.at,
        }
        if self.label:
            meaning["label"] = self.label.model_dump(mode="json")
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
