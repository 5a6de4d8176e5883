"""A pipeline's configuration: what a YAML file in conf/ may say. All models are frozen; unknown keys are errors."""

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from penstock.calendar import Calendar
from penstock.durations import Seconds


def absolute_location(path: str) -> str:
    """A local path resolved against the current directory; a URI with a scheme stays as it is."""
    if not path.strip():
        raise ValueError("is empty; name a folder")
    scheme = urlsplit(path).scheme
    if len(scheme) > 1 and scheme != "file":
        return path.rstrip("/")
    return os.path.abspath(urlsplit(path).path if scheme == "file" else path)  # noqa: PTH100


def ascii_character(character: str) -> str:
    if not character.isascii():
        raise ValueError("expected an ASCII character")
    return character


AsciiCharacter = Annotated[str, Field(min_length=1, max_length=1), AfterValidator(ascii_character)]
Location = Annotated[str, AfterValidator(absolute_location)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), coerce_numbers_to_str=True)


class CsvDialect(Section):
    """How the text of a CSV file is cut into fields; the defaults are RFC 4180 with a header line."""

    separator: AsciiCharacter = ","
    quote: AsciiCharacter = '"'
    escape: AsciiCharacter = '"'
    encoding: Literal["UTF-8", "ISO-8859-1", "US-ASCII"] = "UTF-8"
    null_marker: str = ""
    multi_line: bool = False
    trim: bool = False


class SourceConfig(Section):
    """Where files arrive. `format` is for names whose ending does not say it (.csv, .csv.gz, .parquet do)."""

    format: Literal["csv", "parquet"] = "csv"
    path: Location
    max_files_per_trigger: int = Field(default=100, ge=1)
    path_glob_filter: str | None = None
    #: The file stream silently forgets files older than this behind the newest one: so, about ten years.
    max_file_age: Seconds = 3650 * 86400.0
    clean_source: Literal["off", "archive", "delete"] = "off"
    source_archive_dir: Location | None = None
    #: How long a file that is still changing is waited for before it is refused.
    settle: Seconds = 10.0
    csv: CsvDialect = CsvDialect()


class ModelConfig(Section):
    """The registered model. A version that fails on more than `max_failed_fraction` of its probe is refused.

    max_staleness: how long the version before goes on while the registry does not answer.
    """

    name: str
    alias: str = "champion"
    max_failed_fraction: float = Field(default=0.5, ge=0, le=1)
    max_staleness: Seconds = 3600.0


class SeriesConfig(Section):
    """What a series is: its columns by their table names, its calendar, and how far ahead it is forecast.

    transform: none (the default), log, diff or dlog by variable. frequency: a pandas offset alias. keep_lags: how
    many observations of each series the `lags` table keeps; at least as many as the model needs.
    """

    id: str = "series_id"
    time: str = "ds"
    variables: tuple[str, ...] = Field(min_length=1)
    transform: dict[str, Literal["none", "log", "diff", "dlog"]] = Field(default_factory=dict)
    frequency: str
    horizon: int = Field(default=8, ge=1)
    level: float = Field(default=0.95, gt=0, lt=1)
    keep_lags: int = Field(default=8, ge=1)

    @property
    def transforms(self) -> tuple[str, ...]:
        return tuple(self.transform.get(variable, "none") for variable in self.variables)

    @model_validator(mode="after")
    def transforms_name_variables(self) -> Self:
        unknown = sorted(set(self.transform) - set(self.variables))
        if unknown:
            raise ValueError(f"transform names {', '.join(unknown)}, not among the variables {list(self.variables)}")
        return self

    @field_validator("frequency")
    @classmethod
    def frequency_is_supported(cls, frequency: str) -> str:
        Calendar.of(frequency)
        return frequency


class FitConfig(Section):
    """How models are fitted. criterion null: the lag order is max_lags. holdout: periods kept back for the test."""

    max_lags: int = Field(default=8, ge=1)
    criterion: Literal["aic", "bic", "hqic", "fpe"] | None = "aic"
    trend: Literal["n", "c", "ct", "ctt"] = "c"
    holdout: int = Field(default=8, ge=0)


class ForecastConfig(Section):
    """every: a forecast for each observation. latest: one for each series and batch, for large fleets.

    every_of_many: `every` is meant, even where the model has more than 10,000 series.
    """

    at: Literal["every", "latest"] = "every"
    every_of_many: bool = False


class TablesConfig(Section):
    root: Location


class TriggerConfig(Section):
    every: Seconds = 300.0


class MlflowConfig(Section):
    """The tracking server or database; the experiment's artifacts go beside a sqlite file unless told otherwise."""

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
        """Where a new experiment keeps its artifacts: beside the sqlite file, never in the current directory."""
        if self.artifact_location or not self.tracking_uri.startswith("sqlite:///"):
            return self.artifact_location
        return (Path(self.tracking_uri.removeprefix("sqlite:///")).parent / "mlartifacts").as_uri()


class PipelineConfig(Section):
    """One pipeline: where its files arrive, what they must look like, what scores them, where the answers go."""

    pipeline: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    workload: Literal["rows", "series"]
    source: SourceConfig
    contract: str = Field(pattern=r"^[A-Za-z_]\w*(\.\w+)*:\w+$")
    model: ModelConfig
    series: SeriesConfig | None = None
    fit: FitConfig = FitConfig()
    forecast: ForecastConfig = ForecastConfig()
    tables: TablesConfig
    checkpoint: Location
    trigger: TriggerConfig = TriggerConfig()
    mlflow: MlflowConfig
    #: More Spark settings, for this pipeline only.
    spark: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def series_are_described(self) -> Self:
        if (self.workload == "series") != (self.series is not None):
            raise ValueError("workload series needs the section `series`, and workload rows has none")
        return self

    @property
    def the_series(self) -> SeriesConfig:
        """The section `series` of a pipeline whose workload is series."""
        if self.series is None:
            raise ValueError("this pipeline's workload is rows")
        return self.series

    def table_path(self, table: str) -> str:
        return f"{self.tables.root}/{table}"

    @property
    def meaning_hash(self) -> str:
        """SHA-256 of what changes the meaning of a batch: source format, dialect, contract name and model name.

        The contract's own content is hashed beside it; when and where a batch runs does not count.
        """
        meaning = {
            "workload": self.workload,
            "format": self.source.format,
            "csv": self.source.csv.model_dump(),
            "contract": self.contract,
            "model": self.model.name,
            "series": self.series.model_dump() if self.series else None,
            "forecast": self.forecast.at,
        }
        return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).hexdigest()
