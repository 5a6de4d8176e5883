"""Two versions of a fleet in one stream of series: each answer is what a run of that version alone gives."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from power_cuts import PowerCutError
from py4j.protocol import Py4JNetworkError
from pyspark.sql import SparkSession
from reconciliations import reconciled
from sandbox import TestRegistry
from series_experiments import (
    BOUNDS,
    SERIES,
    ModelRun,
    assert_answered,
    is_same,
    observed,
    register_versions,
    sampled_series,
)
from series_sandbox import FITTED, REFUSED, VARIABLES, macro, register_broken_fleet

from penstock.errors import CandidateRefusedError
from penstock.models.selection import ModelSelector
from penstock.pipeline.batch import MicroBatch
from penstock.series.reasons import kind_of

MODEL = "macro-pair"
TWICE = SERIES[5:15]
#: Columns of `forecasts` that are the same in every run.
UNTOUCHED = ("series_id", "cutoff", "ds", "step", "variable", "level", "intervals", "model_version", "role")


@pytest.fixture(scope="module")
def folder(registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    register_versions(registry, MODEL)
    return tmp_path_factory.mktemp("experiments")


def first_file() -> pd.DataFrame:
    """Four quarters of every series; S20 lacks a value in its second one, and the third of S12 is missing."""
    rows = observed(0, 4).reset_index(drop=True)
    is_hole = (rows["series_id"] == "S20") & (rows["ds"] == rows["ds"][1])
    is_missing = (rows["series_id"] == "S12") & (rows["ds"] == rows["ds"][2])
    return rows.assign(realinv=rows["realinv"].where(~is_hole))[~is_missing]


def second_file() -> pd.DataFrame:
    """A fifth quarter of some series, and the quarter of S12 that was missing."""
    return pd.concat([observed(4, 5, TWICE), observed(2, 3, ("S12",))])


def first_batch(run: ModelRun) -> ModelRun:
    run.batch("a.csv", first_file(), age_seconds=300)
    return run


def further_batches(run: ModelRun) -> ModelRun:
    """A second batch, and a replay of what came late."""
    run.batch("b.csv", second_file(), age_seconds=200)
    run.done(run.sandbox.replay(late=True))
    return run


@pytest.fixture(scope="module")
def alone(folder: Path, registry: TestRegistry, spark: SparkSession) -> dict[str, ModelRun]:
    """By version: it is the champion, without any experiment."""
    return {
        version: further_batches(
            first_batch(ModelRun.of(folder / f"alone{version}", registry, spark, MODEL, champion=version))
        )
        for version in ("1", "2")
    }


@pytest.fixture(scope="module")
def shadowed(folder: Path, registry: TestRegistry, spark: SparkSession) -> ModelRun:
    return first_batch(ModelRun.of(folder / "shadow", registry, spark, MODEL, champion="1", candidate="2"))


def test_a_shadow_answers_beside_the_champion(shadowed: ModelRun, alone: dict[str, ModelRun]) -> None:
    """All its series are sampled. The champion has a forecast from the third quarter of a series on."""
    champion, candidate = (alone[version].answers[0] for version in ("1", "2"))
    [found] = shadowed.answers
    met = assert_answered(found, champion, candidate, sampled=set(SERIES), is_canary=False)
    assert set(met) == {"champion beside candidate", "None beside None"}
    assert {row.role for row in found.forecasts.values()} == {"champion"}
    # Only S20's observation without a value has no forecast of the candidate, which has a fallback.
    assert [row.series_id for row in found.observations.values() if row.shadow_error] == ["S20"]
    assert reconciled(shadowed.sandbox).differences == ()
    # What came true until the end of the fits is no evidence.
    experiment = shadowed.records[0].plan.experiment
    assert experiment is not None
    assert experiment.fitted_until == pd.Timestamp(macro()["ds"][FITTED - 1], tz="UTC")


def test_the_answers_of_the_champion_are_the_same_to_the_last_bit(
    shadowed: ModelRun, alone: dict[str, ModelRun]
) -> None:
    [found], expected = shadowed.answers, alone["1"].answers[0]
    assert set(found.forecasts) == set(expected.forecasts)
    for key, row in found.forecasts.items():
        other = expected.forecasts[key]
        assert all(is_same(row[bound], other[bound]) for bound in BOUNDS)
        assert {name: row[name] for name in UNTOUCHED} == {name: other[name] for name in UNTOUCHED}
    for key, row in found.observations.items():
        other = expected.observations[key]
        assert row.error == other.error
        assert all(is_same(row[variable], other[variable]) for variable in VARIABLES)


def test_a_batch_says_what_the_candidate_was_asked_for(shadowed: ModelRun, alone: dict[str, ModelRun]) -> None:
    [batch], [found] = shadowed.sandbox.rows("batches"), shadowed.answers
    assert (batch.experiment["mode"], batch.experiment["key"]) == ("shadow", '["series_id"]')
    assert batch.shadow_rows == len({key[:2] for key in found.forecasts}) + 1
    assert set(batch.model_seconds) == {"champion", "candidate"}
    assert batch.fitted_until == alone["1"].sandbox.rows("batches")[0].fitted_until


def run_cut_off(run: ModelRun, monkeypatch: pytest.MonkeyPatch, rows: pd.DataFrame | None = None) -> None:
    """The power goes between forecasts and observations of its first batch. rows: those of `first_file` by default."""
    append = MicroBatch.append

    def append_or_cut(batch: MicroBatch, frame: Any, table: str) -> None:
        if table == "observations":
            raise PowerCutError
        append(batch, frame, table)

    with monkeypatch.context() as patch:
        patch.setattr(MicroBatch, "append", append_or_cut)
        run.series.drop("a.csv", first_file() if rows is None else rows, age_seconds=300)
        with pytest.raises(PowerCutError):
            run.sandbox.run()


def test_a_canary_answers_its_series(
    folder: Path,
    registry: TestRegistry,
    spark: SparkSession,
    alone: dict[str, ModelRun],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half of the series are the candidate's, which has a fallback; the first batch is cut off, and finished later."""
    run = ModelRun.of(
        folder / "canary", registry, spark, MODEL, champion="1", candidate="2", mode="canary", fraction=0.5
    )
    run_cut_off(run, monkeypatch)
    run.done(run.sandbox.run())
    further_batches(run)
    sampled = sampled_series(spark, run)
    assert 10 < len(sampled) < 30
    for found, champion, candidate in zip(run.answers, alone["1"].answers, alone["2"].answers, strict=True):
        met = assert_answered(found, champion, candidate, sampled=sampled, is_canary=True)
        kinds = ("candidate beside champion", "candidate beside None", "champion beside None", "None beside None")
        assert all(met[kind] > 2 for kind in kinds), met
        forecasts = found.forecasts.values()
        assert {row.series_id for row in forecasts if row.role.startswith("candidate")} == sampled
        assert {row.role for row in forecasts} == {"champion", "candidate", "candidate_fallback"}
    assert {row.shadow_version for row in run.sandbox.rows("forecasts")} == {None, "1"}
    assert reconciled(run.sandbox).differences == ()


def test_where_the_candidate_of_a_canary_has_no_forecast_the_champions_stands(
    folder: Path, registry: TestRegistry, spark: SparkSession, alone: dict[str, ModelRun]
) -> None:
    """All series are sampled. The champion has a fallback, and the candidate none."""
    run = ModelRun.of(folder / "reversed", registry, spark, MODEL, champion="2", candidate="1", mode="canary")
    first_batch(run)
    [found] = run.answers
    champion, candidate = (alone[version].answers[0] for version in ("2", "1"))
    met = assert_answered(found, champion, candidate, sampled=set(SERIES), is_canary=True)
    assert min(met["champion beside None"], met["candidate beside champion"]) > 10
    assert {row.role for row in found.forecasts.values()} == {"champion", "candidate", "fallback"}
    errors = {row.shadow_error for row in found.observations.values()}
    assert errors == {None, "warming_up", "unknown_series", "gap", f"refused_by_fit: {REFUSED}"}
    assert reconciled(run.sandbox).differences == ()


def test_a_candidate_that_fails_costs_no_forecast(
    folder: Path, registry: TestRegistry, spark: SparkSession, alone: dict[str, ModelRun]
) -> None:
    version = register_broken_fleet(registry, MODEL)
    run = ModelRun.of(folder / "broken", registry, spark, MODEL, champion="1", candidate=version, mode="canary")
    run.sandbox.changes["model"] |= {"max_failed_fraction": 1.0}
    first_batch(run)
    [found], expected = run.answers, alone["1"].answers[0]
    assert set(found.forecasts) == set(expected.forecasts)
    assert all(is_same(row.forecast, expected.forecasts[key].forecast) for key, row in found.forecasts.items())
    assert {(row.role, row.shadow_version) for row in found.forecasts.values()} == {("champion", None)}
    assert {key: row.error for key, row in found.observations.items()} == {
        key: row.error for key, row in expected.observations.items()
    }
    reasons = {row.shadow_error for row in found.observations.values()}
    assert all(
        reason is not None and reason.startswith("model: RuntimeError: nothing works here") for reason in reasons
    )
    [batch] = run.sandbox.rows("batches")
    assert batch.shadow_rows == batch.shadow_failed == len(found.observations)


def test_a_candidate_that_is_lost_in_the_middle_of_a_batch_ends_no_stream(
    folder: Path, registry: TestRegistry, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are gone after a batch's forecasts are committed; then it ends the process of a batch with a row in
    quarantine, which is committed before anything is scored."""
    run = ModelRun.of(folder / "lost", registry, spark, MODEL, champion="1", candidate="2", mode="canary")
    two = SERIES[10:12]
    run_cut_off(run, monkeypatch, observed(0, 3, two))
    with monkeypatch.context() as patch:

        def lost(*_: object) -> None:
            raise CandidateRefusedError("its files are gone")

        patch.setattr(ModelSelector, "pair_scorer", lost)
        run.done(run.sandbox.run())
    assert len(run.records[0].plan.models) == 2
    [found] = run.answers
    assert {row.role for row in found.forecasts.values()} == {"candidate", "candidate_fallback"}
    assert len(found.observations) == 6
    # S10 and S11, each with a quarter too few for the champion (lag order 2), and two that both had answered.
    assert {row.error and kind_of(row.error) for row in found.observations.values()} <= {None, "fallback"}
    assert {row.shadow_error for row in found.observations.values()} == {"warming_up", None}
    assert reconciled(run.sandbox).differences == ()

    rows = observed(3, 4, two).astype({"realgdp": object}).reset_index(drop=True)
    rows.loc[0, "realgdp"] = "none"
    run.series.drop("b.csv", rows, age_seconds=200)
    append = MicroBatch.append

    def ends(batch: MicroBatch, frame: Any, table: str) -> None:
        if batch.plan.candidate is not None:
            raise Py4JNetworkError("the JVM is gone")
        append(batch, frame, table)

    monkeypatch.setattr(MicroBatch, "append", ends)
    for _ in range(2):
        with pytest.raises(Py4JNetworkError):
            run.sandbox.run()
    [record] = run.sandbox.run()
    assert (record.quarantined, record.accepted, len(record.plan.models)) == (1, 1, 1)
    assert record.plan.refused_candidates["2"].startswith("it ended runs of a batch")
