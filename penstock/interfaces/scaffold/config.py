"""Writes a pipeline's config down as the YAML file that a person would write, with comments."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from penstock.config.pipeline import CsvDialect

HOLDOUT = 8
MIN_PERIODS_FOR_HOLDOUT = 40
MAX_LAGS = 8
COMMENT_COLUMN = 44
PLAIN = re.compile(r"[A-Za-z0-9][\w-]*", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class SeriesSettings:
    """What the section `series` needs, by table names. periods: observations of the sample's longest series."""

    id: str
    time: str
    variables: tuple[str, ...]
    frequency: str
    periods: int

    @property
    def holdout(self) -> int:
        return HOLDOUT if self.periods >= MIN_PERIODS_FOR_HOLDOUT else 0

    @property
    def max_lags(self) -> int:
        """Few enough that the fit has about three observations for each coefficient of an equation."""
        coefficients = (self.periods - self.holdout) // 3 - 1
        return max(1, min(MAX_LAGS, coefficients // len(self.variables)))


def config_text(
    name: str,
    *,
    about: str,
    file_format: str,
    dialect: CsvDialect,
    model: str,
    series: SeriesSettings | None,
) -> str:
    """The file's text. about: what it is for, in one line."""
    workload = ("series", "each new observation gives a forecast") if series else ("rows", "each row is scored alone")
    lines = [
        f"# {about}",
        commented(f"pipeline: {yaml_value(name)}", "part of the key that makes writes idempotent"),
        commented(f"workload: {workload[0]}", workload[1]),
        "source:",
        commented(f"  format: {file_format}", "of files whose ending does not say it"),
        commented(f"  path: warehouse/{name}/inbox", "where files arrive"),
        *dialect_lines(dialect, file_format),
        commented(f"contract: schemas.{name}:CONTRACT", "what a row must look like"),
        *(series_lines(series) if series else []),
        commented(f"model: {{name: {yaml_value(model)}, alias: champion}}", "the version of this alias answers"),
        commented(f"tables: {{root: warehouse/{name}/tables}}", "where the answers go"),
        commented(f"checkpoint: warehouse/{name}/checkpoint", "one for each pipeline"),
        commented("trigger: {every: 5 minutes}", "how often the stream looks for files"),
        'mlflow: {tracking_uri: "sqlite:///warehouse/mlflow.db"}',
    ]
    return "\n".join([*lines, ""])


def commented(text: str, comment: str) -> str:
    return f"{text:<{COMMENT_COLUMN}} # {comment}"


def yaml_value(value: str | bool) -> str:
    """Plain where YAML takes that for the same text (`no` it takes for false), else in JSON's quotes."""
    if isinstance(value, str) and PLAIN.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=False)


def dialect_lines(dialect: CsvDialect, file_format: str) -> list[str]:
    """What is not as the config has it anyway."""
    plain = CsvDialect().model_dump()
    changed: Mapping[str, Any] = {key: value for key, value in dialect.model_dump().items() if value != plain[key]}
    if file_format != "csv" or not changed:
        return []
    settings = ", ".join(f"{key}: {yaml_value(value)}" for key, value in changed.items())
    return [f"  csv: {{{settings}}}"]


def series_lines(series: SeriesSettings) -> list[str]:
    return [
        "series:",
        commented(f"  id: {yaml_value(series.id)}", "names of the tables, not of the file"),
        f"  time: {yaml_value(series.time)}",
        f"  variables: [{', '.join(map(yaml_value, series.variables))}]",
        commented("  transform: {}", "log, diff or dlog by variable; default none"),
        commented(f"  frequency: {yaml_value(series.frequency)}", "as the sample has it; a pandas offset alias"),
        commented("  horizon: 8", "periods ahead"),
        commented("  level: 0.95", "of the intervals"),
        commented(f"  keep_lags: {series.max_lags + 1}", "at least max_lags; one more for diff or dlog"),
        f"fit: {{max_lags: {series.max_lags}, criterion: aic, trend: c, holdout: {series.holdout}}}",
        commented("forecast: {at: every}", "or latest: one a series and micro-batch"),
    ]
