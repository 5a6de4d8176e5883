"""Late observations and revisions: after their replay, all is as if the observations had come in order."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from delta.tables import DeltaTable
from power_cuts import PowerCutError
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry
from series_sandbox import (
    FITTED,
    HORIZON,
    VARIABLES,
    SeriesSandbox,
    expected_forecasts,
    macro,
    quarters,
    register_broken_fleet,
    register_fleet,
)
from snapshots import Snapshot

from penstock.errors import LedgerError
from penstock.operations.reconcile.reconcile import reconcile
from penstock.pipeline import microbatch
from penstock.pipeline.replay import late_observations

MODEL = "macro-late"
START = FITTED
STEPS = range(1, HORIZON + 1)
CALM = quarters(START, START + 8, "CA")


@pytest.fixture(scope="module")
def first_version(registry: TestRegistry) -> str:
    return register_fleet(registry, MODEL, ids=("US", "CA"))


def new_series(spark: SparkSession, registry: TestRegistry, root: Path) -> SeriesSandbox:
    return SeriesSandbox(Sandbox(root=root, spark=spark, registry=registry), MODEL)


def doubled(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(realgdp=rows["realgdp"] * 1.01)


@pytest.fixture(scope="module")
def before_replay(
    spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory, first_version: str
) -> Snapshot:
    """US: the quarter START+4 comes late, START+6 is revised, START+9 revised by an older file, which loses."""
    series = new_series(spark, registry, tmp_path_factory.mktemp("pipelines") / "disordered")
    first = pd.concat([quarters(START, START + 4), quarters(START + 5, START + 12), CALM])
    series.drop("a.csv", first, age_seconds=300)
    series.sandbox.run()
    late = pd.concat([quarters(START + 4, START + 5), doubled(quarters(START + 6, START + 7))])
    series.drop("b.csv", late, age_seconds=200)
    series.drop("c.csv", doubled(quarters(START + 9, START + 10)), age_seconds=400)
    series.sandbox.run()
    return Snapshot.of(series.sandbox)


@pytest.fixture
def disordered(before_replay: Snapshot) -> SeriesSandbox:
    return SeriesSandbox(before_replay.restored(), MODEL)


@pytest.fixture(scope="module")
def in_order(
    spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory, first_version: str
) -> SeriesSandbox:
    """What should come out: each series once, in order, with its last values."""
    series = new_series(spark, registry, tmp_path_factory.mktemp("in-order"))
    us = quarters(START, START + 12).reset_index(drop=True)
    us.loc[6, "realgdp"] *= 1.01
    series.drop("a.csv", pd.concat([us, CALM]))
    series.sandbox.run()
    return series


def lags(series: SeriesSandbox) -> list[tuple[Any, ...]]:
    columns = ("series_id", "slot", "number", "ds", *VARIABLES)
    return sorted(tuple(row[column] for column in columns) for row in series.sandbox.rows("lags"))


def used(series: SeriesSandbox) -> dict[tuple[Any, ...], str | None]:
    """The `error` of each observation that a forecast may rest on."""
    rows = series.sandbox.rows("observations")
    return {(row.series_id, row.ds, row.realgdp): row.error for row in rows if row.error != "superseded"}


def assert_in_order(series: SeriesSandbox, expected: SeriesSandbox) -> None:
    ours, theirs = series.forecasts(), expected.forecasts()
    keys = ["series_id", "cutoff", "step", "variable", "ds", "level"]
    pd.testing.assert_frame_equal(ours[keys], theirs[keys])
    np.testing.assert_allclose(ours[["forecast", "lower", "upper"]], theirs[["forecast", "lower", "upper"]], rtol=1e-13)
    assert used(series) == used(expected)
    assert lags(series) == lags(expected)


def test_late_observations_and_revisions_are_put_to_use(
    spark: SparkSession, disordered: SeriesSandbox, in_order: SeriesSandbox
) -> None:
    series = disordered
    errors = Counter(row.error for row in series.sandbox.rows("observations"))
    assert (errors["late"], errors["revision"]) == (1, 2)
    untouched = [row for row in series.sandbox.rows("forecasts") if row.series_id == "CA"]

    [record] = series.sandbox.replay(late=True)
    assert (record.plan.batch_id, record.rows_in) == (0, 0)
    assert_in_order(series, in_order)
    assert sorted(row for row in series.sandbox.rows("forecasts") if row.series_id == "CA") == sorted(untouched)
    superseded = [row for row in series.sandbox.rows("observations") if row.error == "superseded"]
    ours = sorted((row.source_file.rsplit("/", 1)[1], row.ds.month) for row in superseded)
    assert [name for name, _ in ours] == ["a.csv", "c.csv"]
    assert reconcile(spark, series.sandbox.config()).differences == ()
    recomputed = [row.cutoff for row in series.sandbox.rows("forecasts") if row.query_id == "replay"]
    assert min(recomputed) == quarters(START + 4, START + 5)["ds"].iloc[0]
    origins = {row.query_id for row in series.sandbox.rows("observations")}
    assert [origin == "replay" for origin in origins] == [False]
    [marker] = [row for row in series.sandbox.rows("batches") if row.query_id == "replay"]
    assert marker.fitted_until == macro()["ds"][FITTED - 1]

    assert series.sandbox.replay(late=True) == []
    assert reconcile(spark, series.sandbox.config()).differences == ()
    # The stream continues from the state after the replay.
    series.drop("z.csv", quarters(START + 12, START + 13), age_seconds=10)
    series.sandbox.run()
    found = series.forecasts()
    newest = found[(found["cutoff"] == macro()["ds"][START + 12]) & (found["series_id"] == "US")]
    expected = expected_forecasts(cutoff=START + 12)["forecast"]
    for place, variable in enumerate(VARIABLES):
        mine = newest[newest["variable"] == variable].sort_values("step")["forecast"]
        np.testing.assert_allclose(mine, expected[:, place], rtol=1e-10)


@pytest.fixture(scope="module")
def cut_off(before_replay: Snapshot) -> dict[str, Snapshot]:
    """A recomputation interrupted before forecasts (planned again), then observations, then lags: each gets one write
    further. By the last write that is done."""
    sandbox = before_replay.restored()
    found = {}
    for number, done in ((1, ""), (2, "forecasts"), (3, "observations")):
        replay_cut_off(sandbox, before=number)
        if done:
            found[done] = Snapshot.of(sandbox)
    return found


def replay_cut_off(sandbox: Sandbox, *, before: int) -> None:
    """before: which of its writes, from 1; they are forecasts, observations, lags, batches."""
    writes: list[None] = []

    def cut_before(function: Any) -> Any:
        def write_or_cut(*arguments: Any) -> Any:
            writes.append(None)
            if len(writes) == before:
                raise PowerCutError
            return function(*arguments)

        return write_or_cut

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(late_observations, "replace_once", cut_before(late_observations.replace_once))
        patch.setattr(microbatch, "commit_marker", cut_before(microbatch.commit_marker))
        with pytest.raises(PowerCutError):
            sandbox.replay(late=True)


def test_a_recomputation_cut_off_before_each_of_its_writes(
    cut_off: dict[str, Snapshot], in_order: SeriesSandbox
) -> None:
    series = SeriesSandbox(cut_off["observations"].restored(), MODEL)
    replay_cut_off(series.sandbox, before=4)
    assert [record.plan.batch_id for record in series.sandbox.replay(late=True)] == [1]
    assert_in_order(series, in_order)


@pytest.mark.parametrize("last_write", ["forecasts", "observations"])
def test_a_recomputation_whose_versions_are_gone_is_planned_again(
    spark: SparkSession, cut_off: dict[str, Snapshot], in_order: SeriesSandbox, last_write: str
) -> None:
    """It was cut off, and maintenance has removed the files that its plan names."""
    series = SeriesSandbox(cut_off[last_write].restored(), MODEL)
    table = DeltaTable.forPath(spark, f"{series.sandbox.root}/tables/observations")
    key = "spark.databricks.delta.retentionDurationCheck.enabled"
    spark.conf.set(key, "false")
    if last_write == "forecasts":
        table.optimize().executeCompaction()
    table.vacuum(0)
    spark.conf.unset(key)
    with pytest.raises(LedgerError, match="was cut off"):
        series.sandbox.run()
    series.sandbox.replay(late=True)
    assert_in_order(series, in_order)
    assert reconcile(spark, series.sandbox.config()).differences == ()
    assert series.sandbox.replay(late=True) == []


@pytest.mark.parametrize("last_write", ["forecasts", "observations"])
def test_a_recomputation_whose_plan_is_lost_keeps_what_it_has_replaced(
    registry: TestRegistry,
    cut_off: dict[str, Snapshot],
    in_order: SeriesSandbox,
    first_version: str,
    last_write: str,
) -> None:
    """Of the forecasts that it has replaced, no others are left. It is planned again where observations wait still: a
    version that fails on their windows replaces no forecast."""
    series = SeriesSandbox(cut_off[last_write].restored(), MODEL)
    shutil.rmtree(series.sandbox.root / "tables" / "_replays")
    broken = register_broken_fleet(registry, MODEL)
    try:
        records = series.sandbox.replay(late=True)
    finally:
        registry.client.set_registered_model_alias(MODEL, "champion", first_version)
    if last_write == "forecasts":
        [record] = records
        assert record.plan.champion.version == first_version
        assert "nothing works here" in record.plan.refused_versions[broken]
    assert_in_order(series, in_order)
    assert series.sandbox.run() == []
