"""Generates a pipeline's YAML config with comments."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from penstock.config.csv_dialect import CsvDialect
from penstock.interfaces.scaffold.season import usual_season
from penstock.udfs.var.fleet_fit import FitSettings

HOLDOUT = 8
MIN_PERIODS_FOR_HOLDOUT = 40
MAX_LAGS = 8
COMMENT_COLUMN = 44
HOLIDAYS_PER_LINE = 9
PLAIN = re.compile(r"[A-Za-z0-9][\w-]*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class SeriesSettings:
    """Values of the section `series`, by table names. id: None for a single series. holidays: ISO dates. periods:
    consecutive observations of the sample's longest series."""

    id: str | None
    time: str
    variables: tuple[str, ...]
    frequency: str
    periods: int
    holidays: tuple[str, ...] = ()

    @property
    def holdout(self) -> int:
        return HOLDOUT if self.periods >= MIN_PERIODS_FOR_HOLDOUT else 0

    @property
    def max_lags(self) -> int:
        """The most that the fit would try on the longest series without its hold-out; shorter ones get fewer."""
        rule = FitSettings(transforms=("none",) * len(self.variables), max_lags=MAX_LAGS)
        borne = [lags for lags in range(2, MAX_LAGS + 1) if self.fitted_periods >= rule.rows_needed(lags) + lags]
        return max(borne, default=1)

    @property
    def fitted_periods(self) -> int:
        """Of the longest series, without its hold-out."""
        return self.periods - self.holdout


def config_text(
    name: str,
    *,
    about: str,
    file_format: str,
    dialect: CsvDialect,
    model: str,
    series: SeriesSettings | None,
) -> str:
    """The file's text. about: a one-line description."""
    workload = ("series", "each new observation gives a forecast") if series else ("rows", "each row is scored alone")
    lines = [
        f"# {about}",
        commented(f"pipeline: {yaml_value(name)}", "part of the key that makes writes idempotent"),
        commented(f"workload: {workload[0]}", workload[1]),
        "source:",
        commented(f"  format: {file_format}", "of files with an unknown extension"),
        commented(f"  path: warehouse/{name}/inbox", "where files arrive"),
        *dialect_lines(dialect, file_format),
        commented(f"contract: schemas.{name}:CONTRACT", "what a row must look like"),
        *(series_lines(series) if series else []),
        commented(f"model: {{name: {yaml_value(model)}, alias: champion}}", "the version that scores"),
        commented(f"tables: {{root: warehouse/{name}/tables}}", "where predictions are written"),
        commented(f"checkpoint: warehouse/{name}/checkpoint", "one for each pipeline"),
        commented("trigger: {every: 5 minutes}", "how often the stream looks for files"),
        'mlflow: {tracking_uri: "sqlite:///warehouse/mlflow.db"}',
    ]
    return "\n".join([*lines, ""])


def commented(text: str, comment: str) -> str:
    return f"{text:<{COMMENT_COLUMN}} # {comment}"


def yaml_value(value: str | bool) -> str:
    """A plain scalar if YAML parses it as the same text (`no` would be false), else quoted as in JSON."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def dialect_lines(dialect: CsvDialect, file_format: str) -> list[str]:
    """Settings that differ from the defaults."""
    plain = CsvDialect().model_dump()
    changed: Mapping[str, Any] = {key: value for key, value in dialect.model_dump().items() if value != plain[key]}
    if file_format != "csv" or not changed:
        return []
    settings = ", ".join(f"{key}: {yaml_value(value)}" for key, value in changed.items())
    return [f"  csv: {{{settings}}}"]


def series_lines(series: SeriesSettings) -> list[str]:
    return [
        "series:",
        id_line(series),
        f"  time: {yaml_value(series.time)}",
        f"  variables: [{', '.join(map(yaml_value, series.variables))}]",
        commented("  transform: {}", "log, diff or dlog by variable; default none"),
        commented(f"  frequency: {yaml_value(series.frequency)}", "the sample's; others are in docs/series.md"),
        *holiday_lines(series.holidays),
        commented("  horizon: 8", "periods ahead"),
        commented("  level: 0.95", "of the intervals; or several: [0.5, 0.8, 0.95]"),
        commented("  point: median", "or mean: of variables in logs; sums over series need means"),
        commented(f"  keep_lags: {series.max_lags + 1}", "at least max_lags; one more for diff or dlog"),
        commented("  revisions: newest", "of observations with the same time; or first"),
        *season_lines(series),
        f"# the most lags that the longest series bears ({series.fitted_periods} observations); others get fewer",
        f"fit: {{max_lags: {series.max_lags}, criterion: aic, trend: c, holdout: {series.holdout}}}",
        commented("forecast: {at: every}", "or latest: one a series and micro-batch"),
    ]


def season_lines(series: SeriesSettings) -> list[str]:
    """Suggests a season that the longest series bears beside one lag."""
    season = usual_season(series.frequency)
    if season is None:
        return []
    rule = FitSettings(transforms=("none",) * len(series.variables), max_lags=1, season=float(season.periods))
    if series.fitted_periods < rule.rows_needed(1) + 1:
        return []
    return [f"# if a {season.name} has a pattern, add season: {season.periods} to fit, and compare (docs/fitting.md)"]


def id_line(series: SeriesSettings) -> str:
    if series.id is None:
        return commented("  id: null", "no such column: the file is one series")
    return commented(f"  id: {yaml_value(series.id)}", "names of the tables, not of the file")


def holiday_lines(holidays: Sequence[str]) -> list[str]:
    """A list of as many dates a line as fit."""
    if not holidays:
        return []
    rows = [
        ", ".join(holidays[start : start + HOLIDAYS_PER_LINE]) for start in range(0, len(holidays), HOLIDAYS_PER_LINE)
    ]
    return [
        commented("  holidays: [", "weekdays that no series of the sample has; add those of the coming years"),
        *[f"    {row}," for row in rows],
        "  ]",
    ]
