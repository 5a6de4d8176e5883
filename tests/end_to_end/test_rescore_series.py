"""Past cutoffs are forecast again: beside the forecasts, or in their place, whatever interrupts it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from power_cuts import PowerCutError, cut_after, cut_off
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry
from series_sandbox import FITTED, SeriesSandbox, expected_forecasts, macro, quarters, register_fleet

from penstock.errors import RescoreError
from penstock.operations.reconcile.reconcile import reconcile
from penstock.operations.run_rescore import give_up_rescore, run_rescore
from penstock.pipeline.replay.plans import replay_numbers
from penstock.pipeline.rescore.opening import opened_beside
from penstock.pipeline.rescore.plans import (
    RescoreRecord,
    RescoreRequest,
    refuse_unfinished_replacement,
    unfinished_rescore,
)
from penstock.pipeline.rescore.swap import replace_answers
from penstock.spark.tables import table_version
from penstock.storage.routing import storage_of

MODEL = "macro-rescored"
#: Quarters after the fit. CA has a hole that is longer than what is read before the window, US one within it.
FIRST = pd.concat([quarters(FITTED, FITTED + 8, "US"), quarters(FITTED, FITTED + 2, "CA")])
SECOND = pd.concat([quarters(FITTED + 9, FITTED + 16, "US"), quarters(FITTED + 11, FITTED + 16, "CA")])
LATE = quarters(FITTED + 8, FITTED + 9, "US")
NEXT = quarters(FITTED + 16, FITTED + 17, "US")
#: The window, in quarters after the fit.
BEGIN, END = 6, 15
CHUNK_ROWS = 4


def start_of(quarter: int) -> datetime:
    return macro()["ds"].iloc[FITTED + quarter].to_pydatetime().replace(tzinfo=UTC)


def request(*, purpose: Any, version: str = "2") -> RescoreRequest:
    return RescoreRequest(begin=start_of(BEGIN), end=start_of(END), version=version, purpose=purpose)


def rescore(sandbox: Sandbox, *, purpose: Any, version: str = "2") -> RescoreRecord | None:
    return run_rescore(sandbox.config(), request(purpose=purpose, version=version), chunk_rows=CHUNK_ROWS)


@pytest.fixture(scope="module")
def versions(registry: TestRegistry) -> dict[str, str]:
    """Version 1 has 2 lags, version 2 has 4, so that it needs two more observations."""
    return {alias: register_fleet(registry, MODEL, ids=("US", "CA"), lags=lags) for alias, lags in (("a", 2), ("b", 4))}


@pytest.fixture(scope="module")
def streamed(shared_sandbox: Sandbox, versions: dict[str, str]) -> SeriesSandbox:
    """By version 1, in three batches; the last brings an observation too late."""
    series = SeriesSandbox(shared_sandbox, MODEL)
    shared_sandbox.changes["model"] = {"name": MODEL, "version": versions["a"]}
    for name, rows in (("a.csv", FIRST), ("b.csv", SECOND), ("c.csv", LATE)):
        series.drop(name, rows)
        shared_sandbox.run()
    return series


@pytest.fixture(scope="module")
def by_second(
    spark: SparkSession, registry: TestRegistry, versions: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> SeriesSandbox:
    """The same files, but for the late one, in a pipeline of version 2."""
    sandbox = Sandbox(root=tmp_path_factory.mktemp("second"), spark=spark, registry=registry)
    series = SeriesSandbox(sandbox, MODEL)
    sandbox.changes["model"] = {"name": MODEL, "version": versions["b"]}
    series.drop("a.csv", FIRST)
    series.drop("b.csv", SECOND, age_seconds=30)
    sandbox.run()
    return series


@dataclass(frozen=True)
class Replaced:
    """before: forecasts and errors. unfinished: the forecasts after each interruption before the replacement."""

    series: SeriesSandbox
    before: tuple[pd.DataFrame, dict[tuple[str, str], str | None]]
    unfinished: list[pd.DataFrame]
    record: RescoreRecord | None


@pytest.fixture(scope="module")
def replaced(streamed: SeriesSandbox) -> Replaced:
    """Interrupted within each chunk, and before, between and after the two replacements: each run gets one further."""
    sandbox, unfinished = streamed.sandbox, list[pd.DataFrame]()
    before = streamed.forecasts(), streamed.errors()
    sandbox.changes["evaluate"] = {"every": None}
    swap = "penstock.pipeline.rescore.swap"

    def interrupted(prepare: Callable[[pytest.MonkeyPatch], None]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            prepare(patch)
            with pytest.raises(PowerCutError):
                rescore(sandbox, purpose="replace")
        unfinished.append(streamed.forecasts())

    interrupted(lambda patch: cut_after(patch, "penstock.pipeline.rescore.chunks.commit_append", times=1))
    interrupted(lambda patch: cut_after(patch, "penstock.pipeline.rescore.chunks.commit_append", times=4))
    interrupted(lambda patch: patch.setattr(f"{swap}.replace_forecasts", cut_off))
    shown = unfinished.copy()
    refuse_what_lacks_rows(sandbox)
    refuse_late_replay(sandbox)
    assert streamed.forecasts().equals(before[0])
    interrupted(lambda patch: cut_after(patch, f"{swap}.replace_forecasts"))
    with pytest.raises(RescoreError, match="rescore 0 has replaced the answers in forecasts already"):
        give_up_rescore(sandbox.config())
    interrupted(lambda patch: cut_after(patch, f"{swap}.replace_errors"))
    return Replaced(streamed, before, shown, rescore(sandbox, purpose="replace"))


def refuse_what_lacks_rows(sandbox: Sandbox) -> None:
    """Of 4 of the 12 observations each version has a forecast of 4 steps of 3 variables."""
    config, spark = sandbox.config(), sandbox.spark
    plan = unfinished_rescore(config, storage_of(config))
    assert plan is not None
    with opened_beside(spark, config) as pipeline:
        for table, condition, found, expected in (
            ("rescored_observations", "series_id = 'CA'", 8, 12),
            ("rescored_forecasts", "step = 4", 36, 48),
            ("forecasts", "step = 4", 72, 96),
        ):
            path = config.table_path(table)
            version = table_version(spark, path)
            spark.sql(f"DELETE FROM delta.`{path}` WHERE {condition}")
            with pytest.raises(
                RescoreError, match=f"{table} has {found} rows of its window, and there were {expected}"
            ):
                replace_answers(pipeline, plan)
            spark.sql(f"RESTORE TABLE delta.`{path}` TO VERSION AS OF {version}")


def refuse_late_replay(sandbox: Sandbox) -> None:
    """The rescore is planned after the replay has asked for one, at its start and before its own plan."""
    asked: list[None] = []

    def ask(*arguments: Any) -> None:
        asked.append(None)
        if len(asked) == 3:
            refuse_unfinished_replacement(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penstock.operations.run_replay.refuse_unfinished_replacement", ask)
        with pytest.raises(RescoreError, match=r"rescore 0 of .* would replace forecasts that a replay"):
            sandbox.replay(late=True)
    assert replay_numbers(sandbox.config(), storage_of(sandbox.config())) == []


def in_window(forecasts: pd.DataFrame, *, inside: bool = True) -> pd.DataFrame:
    begin, end = (start_of(quarter).replace(tzinfo=None) for quarter in (BEGIN, END))
    is_inside = (forecasts["cutoff"] >= begin) & (forecasts["cutoff"] < end)
    return forecasts[is_inside == inside].reset_index(drop=True)


def test_it_is_what_a_pipeline_of_that_version_says(replaced: Replaced, by_second: SeriesSandbox) -> None:
    """The observation that came too late is not used, as in the stream."""
    found = replaced.series.forecasts()
    pd.testing.assert_frame_equal(in_window(found), in_window(by_second.forecasts()), rtol=1e-12)
    us = in_window(found)[lambda rows: (rows["series_id"] == "US") & (rows["cutoff"] == "2000-07-01")]
    expected = expected_forecasts(cutoff=FITTED + BEGIN, lags=4)
    for bound, values in expected.items():
        # by name the variables are in the order realcons, realgdp, realinv
        np.testing.assert_allclose(us[bound], values[:, [1, 0, 2]].ravel(), rtol=1e-10)


def test_what_is_outside_of_the_window_stays(replaced: Replaced) -> None:
    forecasts, errors = replaced.before
    pd.testing.assert_frame_equal(
        in_window(replaced.series.forecasts(), inside=False), in_window(forecasts, inside=False)
    )
    assert all(unfinished.equals(forecasts) for unfinished in replaced.unfinished)
    begin, end = (f"{start_of(quarter):%Y-%m-%d}" for quarter in (BEGIN, END))
    outside = {key for key in errors if not begin <= key[1] < end}
    found = replaced.series.errors()
    assert {key: found[key] for key in outside} == {key: errors[key] for key in outside}


def test_what_had_come_true_is_evaluated_by_the_answers_that_it_was_given(replaced: Replaced) -> None:
    """Once, and also where the stream does not evaluate."""
    rows = replaced.series.sandbox.rows("evaluations")
    assert {(row.batch_id, row.champion) for row in rows} == {(0, "1")}
    assert max(row.unit for row in rows).replace(tzinfo=UTC) == start_of(15)


def test_the_errors_are_those_of_that_version(replaced: Replaced, by_second: SeriesSandbox) -> None:
    """CA has observations before those that are read for its windows, so that it is no new series after its hole."""
    found, expected = replaced.series.errors(), by_second.errors()
    begin, end = (f"{start_of(quarter):%Y-%m-%d}" for quarter in (BEGIN, END))
    inside = {key for key in expected if begin <= key[1] < end}
    assert {key: found[key] for key in inside} == {key: expected[key] for key in inside}
    assert found["CA", "2002-04-01"] == "gap"
    assert replaced.before[1]["CA", "2002-04-01"] is None
    assert found["US", "2001-01-01"] == "late"


def test_rows_keep_their_batch_and_the_row_counts_balance(replaced: Replaced) -> None:
    sandbox = replaced.series.sandbox
    batches = {(row.series_id, row.ds): row.batch_id for row in sandbox.rows("observations") if row.error != "late"}
    rescored = [row for row in sandbox.rows("forecasts") if row.rescore_id is not None]
    assert {(row.role, row.model_version) for row in rescored} == {("rescored", "2")}
    assert all(row.batch_id == batches[row.series_id, row.cutoff] for row in rescored)
    assert reconcile(sandbox.spark, sandbox.config()).differences == ()
    record = replaced.record
    assert record is not None
    # Of 12 observations 4 had no forecast by version 1, and 8 have none by version 2.
    assert (record.rows, record.failed_before, record.failed_after) == (12, 4, 8)
    assert (record.answers, record.changed) == (4 * 4 * 3, 4 * 4 * 3)
    keys = ["series_id", "cutoff", "step", "variable"]
    both = replaced.before[0].merge(in_window(replaced.series.forecasts()), on=keys, suffixes=("_before", ""))
    change = (both["forecast"] - both["forecast_before"]).abs()
    assert len(change) == record.answers
    assert record.mean_absolute_change == pytest.approx(change.mean(), rel=1e-12)


def test_the_stream_continues_after_it(replaced: Replaced) -> None:
    series = replaced.series
    series.drop("d.csv", NEXT)
    series.sandbox.run()
    found = series.forecasts()
    newest = found[(found["series_id"] == "US") & (found["cutoff"] == start_of(16).replace(tzinfo=None))]
    expected = expected_forecasts(cutoff=FITTED + 16, lags=2)["forecast"]
    np.testing.assert_allclose(newest["forecast"], expected[:, [1, 0, 2]].ravel(), rtol=1e-10)
    assert reconcile(series.sandbox.spark, series.sandbox.config()).differences == ()
