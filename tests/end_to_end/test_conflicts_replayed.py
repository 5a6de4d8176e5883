"""Replays where rows contradict each other: one of the quarantine whose plan is lost, and a path delivered twice."""

import logging
import shutil

import numpy as np
import pandas as pd
import pytest
from power_cuts import PowerCutError, cut_after
from sandbox import Sandbox
from series_sandbox import FITTED, HORIZON, VARIABLES, SeriesSandbox, forecasts_after, macro, quarters, two_series_model

DATES = macro()["ds"]
SETTLED, LATE, REVISED, LAST = FITTED + 4, FITTED + 4, FITTED + 6, FITTED + 8


@pytest.fixture
def series(sandbox: Sandbox) -> SeriesSandbox:
    return SeriesSandbox(sandbox, two_series_model(sandbox.registry), revisions="first")


def test_a_replay_that_settles_a_conflict_and_whose_plan_is_lost_is_rolled_back(
    series: SeriesSandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its forecast is of a ds of which there were rows before it. But those contradict each other, so that it is no
    recomputation, whose forecasts would stay: the next replay makes it again."""
    sandbox = series.sandbox
    wrong = [quarters(SETTLED, SETTLED + 1).assign(realgdp=value) for value in (1.0, 2.0)]
    series.drop("a.csv", pd.concat([quarters(FITTED, SETTLED), *wrong]))
    sandbox.drop("b.csv", b"series_id,ds\n")
    sandbox.run()
    series.drop("b.csv", quarters(SETTLED, SETTLED + 1), age_seconds=40)
    with monkeypatch.context() as patch:
        cut_after(patch, "penstock.pipeline.batch.append_once")
        with pytest.raises(PowerCutError):
            sandbox.replay()
    assert {row.batch_id for row in sandbox.rows("forecasts") if row.query_id == "replay"} == {0}
    shutil.rmtree(sandbox.root / "tables" / "_replays")

    with caplog.at_level(logging.WARNING):
        [record] = sandbox.replay()
    assert "replay 0 was cut off" in caplog.text
    assert "its rows are rolled back" in caplog.text
    assert (record.plan.batch_id, record.accepted) == (1, 1)
    made = [(row.query_id, row.batch_id) for row in sandbox.rows("forecasts") if row.cutoff == DATES[SETTLED]]
    assert made == [("replay", 1)] * HORIZON * len(VARIABLES)
    found = [row.error for row in sandbox.rows("observations") if row.ds == DATES[SETTLED]]
    assert sorted(found, key=str) == [None, "conflict", "conflict"]


def test_two_deliveries_under_one_path_are_revisions_of_each_other(series: SeriesSandbox) -> None:
    """In a late replay too: only rows of one delivery contradict each other."""
    sandbox = series.sandbox
    series.drop("a.csv", pd.concat([quarters(FITTED, LATE), quarters(LATE + 1, LAST)]))
    sandbox.run()
    shutil.rmtree(sandbox.root / "checkpoint")
    revised = quarters(REVISED, REVISED + 1)
    revised["realgdp"] *= 1.01
    series.drop("a.csv", pd.concat([quarters(LATE, LATE + 1), revised]), age_seconds=30)
    sandbox.run(resume=True)
    sandbox.replay(late=True)

    found = {(row.ds, row.realgdp): row.error for row in sandbox.rows("observations")}
    published = macro()["realgdp"][REVISED]
    assert found[DATES[REVISED], published] == "superseded"
    assert found[DATES[REVISED], revised["realgdp"].iloc[0]] is None
    levels = macro()[list(VARIABLES)].to_numpy()[:LAST]
    levels[REVISED, 0] *= 1.01
    made = series.forecasts()
    newest = made[(made["cutoff"] == DATES[LAST - 1]) & (made["variable"] == "realgdp")].sort_values("step")
    np.testing.assert_allclose(newest["forecast"], forecasts_after(levels)["forecast"][:, 0], rtol=1e-10)
