"""Pipelines of series with two versions of a model, each of which is run alone, too: that is what the answers beside
each other have to be."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from sandbox import Sandbox, TestRegistry
from series_sandbox import FITTED, REFUSED, SeriesSandbox, quarters, register_fleet

from penstock.models.assignment import is_sampled
from penstock.pipeline.batch_record import BatchRecord

SERIES = tuple(f"S{number:02d}" for number in range(40))
FORECAST_KEY = ("series_id", "cutoff", "step", "variable")
BOUNDS = ("forecast", "lower", "upper")
#: Reasons for which no version is asked.
NOT_ASKED = ("late", "revision", "superseded", "conflict", "not_latest")


def register_versions(registry: TestRegistry, name: str) -> None:
    """1: lag order 2, for S00 to S29; its fit refused S39. 2: lag order 1, for S10 to S39, and the fallback `naive` for
    all others."""
    register_fleet(registry, name, ids=SERIES[:30], lags=2, refused=(("S39", REFUSED),))
    register_fleet(registry, name, ids=SERIES[10:], lags=1, fallback="naive")


def observed(first: int, last: int, ids: tuple[str, ...] = SERIES) -> pd.DataFrame:
    """The quarters after the fit from number first to last (exclusive), of other levels in each series."""
    parts = []
    for series_id in ids:
        rows = quarters(FITTED + first, FITTED + last, series_id)
        parts.append(rows.assign(realgdp=rows["realgdp"] * (1 + int(series_id[1:]) / 100)))
    return pd.concat(parts)


@dataclass(frozen=True)
class Answers:
    """What the tables had at a moment. forecasts: by series, cutoff, step and variable. observations: by series, ds,
    file, value, and whether they are superseded."""

    forecasts: dict[tuple[Any, ...], Row]
    observations: dict[tuple[Any, ...], Row]

    @classmethod
    def of(cls, sandbox: Sandbox) -> "Answers":
        return cls(
            forecasts={tuple(row[name] for name in FORECAST_KEY): row for row in sandbox.rows("forecasts")},
            observations={
                (row.series_id, row.ds, row.source_file.rsplit("/", 1)[1], row.realgdp, row.error == "superseded"): row
                for row in sandbox.rows("observations")
            },
        )


@dataclass
class ModelRun:
    """A pipeline `macro` of one version, or of two. answers: after each of its batches."""

    series: SeriesSandbox
    records: list[BatchRecord] = field(default_factory=list)
    answers: list[Answers] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        root: Path,
        registry: TestRegistry,
        spark: SparkSession,
        model: str,
        *,
        champion: str,
        candidate: str = "",
        **experiment: Any,
    ) -> "ModelRun":
        """Champion and candidate are known by aliases of the run's own. experiment: further settings of it."""
        sandbox = Sandbox(root=root, spark=spark, registry=registry)
        series = SeriesSandbox(sandbox, model)
        aliases = {f"{root.name}-champion": champion, f"{root.name}-candidate": candidate}
        for alias, version in aliases.items():
            if version:
                registry.client.set_registered_model_alias(model, alias, version)
        sandbox.changes["model"] = {"name": model, "alias": f"{root.name}-champion"}
        if candidate:
            # Series that one version does not know would be failures of the other.
            settings = {"alias": f"{root.name}-candidate", "guardrails": {"failed": 1.0}}
            sandbox.changes["experiment"] = settings | experiment
        return cls(series=series)

    @property
    def sandbox(self) -> Sandbox:
        return self.series.sandbox

    def batch(self, name: str, rows: pd.DataFrame, *, age_seconds: float) -> None:
        self.series.drop(name, rows, age_seconds=age_seconds)
        self.done(self.sandbox.run())

    def done(self, records: list[BatchRecord]) -> None:
        assert len(records) == 1
        self.records += records
        self.answers.append(Answers.of(self.sandbox))


def sampled_series(spark: SparkSession, run: ModelRun) -> set[str]:
    """By the plan of its first batch."""
    experiment = run.records[0].plan.experiment
    assert experiment is not None
    assert experiment.key == ("series_id",)
    ids = spark.createDataFrame([(name,) for name in SERIES], "series_id string")
    chosen = is_sampled([F.col("series_id")], salt=experiment.salt, fraction=experiment.fraction)
    return {row.series_id for row in ids.where(chosen).collect()}


def is_same(one: float | None, other: float | None) -> bool:
    """To the last bit."""
    if one is None or other is None:
        return one is other
    return np.float64(one).tobytes() == np.float64(other).tobytes()


def has_forecast(error: str | None) -> bool:
    return error is None or error.startswith("fallback: ")


@dataclass(frozen=True)
class Expected:
    """What stands of one observation, and what stands beside it. by: the version of each; None for none."""

    error: str | None
    shadow_error: str | None
    by: str | None
    shadow_by: str | None


def expected_of(
    errors: tuple[str | None, str | None], versions: tuple[str, str], *, is_asked: bool, is_canary: bool
) -> Expected:
    """errors: of the champion alone, and of the candidate alone."""
    own, other = errors
    champion, candidate = versions
    if not is_asked or own in NOT_ASKED:
        return Expected(own, None, champion if has_forecast(own) else None, None)
    if is_canary and has_forecast(other):
        is_paired = has_forecast(own)
        return Expected(other, None if is_paired else own, candidate, champion if is_paired else None)
    shadow_error = None if has_forecast(other) else other
    if not has_forecast(own):
        return Expected(own, shadow_error, None, None)
    return Expected(own, shadow_error, champion, candidate if has_forecast(other) else None)


def assert_answered(
    found: Answers, champion: Answers, candidate: Answers, *, sampled: set[str], is_canary: bool
) -> Counter[str]:
    """Every row of two versions is what the runs of one version say; counts what stands beside what."""
    versions = ("champion", "candidate")
    met, standing, beside = Counter[str](), dict[Any, str](), dict[Any, str]()
    assert set(found.observations) == set(champion.observations) == set(candidate.observations)
    for key, row in found.observations.items():
        errors = (champion.observations[key].error, candidate.observations[key].error)
        expected = expected_of(errors, versions, is_asked=row.series_id in sampled, is_canary=is_canary)
        assert (row.error, row.shadow_error) == (expected.error, expected.shadow_error), key
        if expected.by:
            standing[row.series_id, row.ds] = expected.by
        if expected.shadow_by:
            beside[row.series_id, row.ds] = expected.shadow_by
        met[f"{expected.by} beside {expected.shadow_by}"] += 1
    answers = {"champion": champion.forecasts, "candidate": candidate.forecasts}
    assert set(found.forecasts) == {
        key for by, forecasts in answers.items() for key in forecasts if standing.get(key[:2]) == by
    }
    for key, row in found.forecasts.items():
        by = standing[key[:2]]
        of, other = answers[by][key], answers[beside[key[:2]]][key] if key[:2] in beside else None
        assert row.role == role_of(by, of.role), key
        assert row.model_version == of.model_version
        assert row.intervals == of.intervals
        assert row.shadow_version == (other.model_version if other else None), key
        for bound in BOUNDS:
            assert is_same(row[bound], of[bound]), key
            assert is_same(row[f"shadow_{bound}"], other[bound] if other else None), key
    return met


def role_of(by: str, alone: str) -> str:
    """Of a forecast of a version that has the role `alone` where it is the champion."""
    if by == "champion":
        return alone
    return "candidate" if alone == "champion" else f"candidate_{alone}"
