"""A file with two values for one ds: none of them counts, until another file settles it."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry
from series_sandbox import FITTED, VARIABLES, SeriesSandbox, expected_forecasts, macro, quarters, two_series_model

from penstock.interfaces.sql.duckdb_queries import connect_duckdb
from penstock.models.training.var_data import read_fit_data
from penstock.operations.reconcile.reconcile import reconcile
from penstock.series.lags import rebuild_lags
from penstock.udfs.var.histories import histories

AT, COPIED, KNOWN, LAST = FITTED + 3, FITTED + 5, FITTED + 2, FITTED + 7
DATES = [f"{ds:%Y-%m-%d}" for ds in macro()["ds"]]
Pipeline = tuple[SeriesSandbox, list[Any]]


def errors_of(series: SeriesSandbox, number: int) -> list[str | None]:
    rows = [row for row in series.sandbox.rows("observations") if f"{row.ds:%Y-%m-%d}" == DATES[number]]
    return sorted((row.error for row in rows), key=str)


def state_of(series: SeriesSandbox) -> list[tuple[str, int, float]]:
    return sorted((f"{row.ds:%Y-%m-%d}", row.number, row.realgdp) for row in series.sandbox.rows("lags"))


def due_state(numbers: list[int]) -> list[tuple[str, int, float]]:
    kept = [(DATES[number], place, macro()["realgdp"][number]) for place, number in enumerate(numbers, start=1)]
    return kept[-6:]


def wrong(number: int, value: float = 1.0) -> pd.DataFrame:
    return quarters(number, number + 1).assign(realgdp=value)


def check_newest_forecast(series: SeriesSandbox, cutoff: int) -> None:
    """Of all that was made from there, statsmodels' forecast of the correct values is the last one."""
    made = pd.DataFrame([row.asDict() for row in series.sandbox.rows("forecasts")])
    of_cutoff = made[made["cutoff"] == macro()["ds"][cutoff]]
    newest = of_cutoff[of_cutoff["scored_at"] == of_cutoff["scored_at"].max()]
    expected = expected_forecasts(cutoff=cutoff)["forecast"]
    for place, variable in enumerate(VARIABLES):
        mine = newest[newest["variable"] == variable].sort_values("step")["forecast"]
        np.testing.assert_allclose(mine, expected[:, place], rtol=1e-10)


@pytest.fixture(params=["first", "newest"])
def streamed(
    request: pytest.FixtureRequest, spark: SparkSession, registry: TestRegistry, tmp_path: Path
) -> tuple[str, Pipeline]:
    """Quarters FITTED to LAST in one file, the one at AT twice with different values, that at COPIED twice the same."""
    sandbox = Sandbox(root=tmp_path, spark=spark, registry=registry)
    series = SeriesSandbox(sandbox, two_series_model(registry), revisions=request.param)
    rows = pd.concat([quarters(FITTED, LAST), wrong(AT), quarters(COPIED, COPIED + 1)])
    series.drop("a.csv", rows.sample(frac=1, random_state=1))
    return request.param, (series, series.sandbox.run())


def test_no_row_counts_of_those_that_contradict_each_other(spark: SparkSession, streamed: tuple[str, Pipeline]) -> None:
    revisions, (series, [record]) = streamed
    copied = {"first": "revision", "newest": "unchanged"}[revisions]
    assert record.forecasts.without_forecast == {"warming_up": 2, "conflict": 2, "gap": 2, copied: 1}
    assert (record.accepted, record.failed) == (9, 0)
    assert errors_of(series, AT) == ["conflict", "conflict"]
    assert errors_of(series, COPIED) == ["gap", copied]
    without = due_state([number for number in range(FITTED, LAST) if number != AT])
    assert state_of(series) == without

    # A known value is not lost to a conflict; of one batch an older file settles it that does not contradict itself.
    settled = AT if revisions == "newest" else LAST
    series.drop("b.csv", quarters(settled, settled + 1))
    contrary = [wrong(KNOWN), wrong(KNOWN, 2.0), wrong(settled), wrong(settled, 2.0)]
    series.drop("c.csv", pd.concat(contrary), age_seconds=40)
    series.sandbox.run()
    assert errors_of(series, KNOWN) == [None, "conflict", "conflict"]
    if revisions == "newest":
        assert errors_of(series, AT) == ["conflict"] * 4 + ["inserted"]
        due = due_state(list(range(FITTED, LAST)))
    else:
        assert errors_of(series, LAST) == [None, "conflict", "conflict"]
        series.drop("d.csv", quarters(AT, AT + 1), age_seconds=30)
        series.sandbox.run()
        assert errors_of(series, AT) == ["conflict", "conflict", "late"]
        series.sandbox.replay(late=True)
        assert errors_of(series, AT) == [None, "conflict", "conflict"]
        assert errors_of(series, KNOWN) == [None, "conflict", "conflict"]
        due = due_state(list(range(FITTED, LAST + 1)))
    assert state_of(series) == due
    rebuild_lags(spark, series.sandbox.config())
    assert state_of(series) == due
    check_newest_forecast(series, LAST - 1 if revisions == "newest" else LAST)
    assert reconcile(spark, series.sandbox.config()).differences == ()

    frame = read_fit_data(spark, series.sandbox.config(), from_table=True).frame.toArrow()
    fitted = histories(frame, variables=list(VARIABLES), frequency="QS")
    known = macro()["realgdp"][FITTED : LAST + (revisions == "first")]
    assert fitted.levels[:, 0].tolist() == known.tolist()
    assert fitted.conflicts.tolist() == [0]
    with connect_duckdb(series.sandbox.config()) as connection:
        actual = connection.execute("SELECT DISTINCT actual FROM forecast_vs_actual WHERE variable = 'realgdp'").df()
    assert set(actual["actual"]) <= set(known)
    assert len(actual)
