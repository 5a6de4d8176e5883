"""`revisions: newest` through the whole job: published vintages, late observations, a re-based history. The truth is
statsmodels' forecast of the values as they were known at each time."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from power_cuts import PowerCutError, cut_after
from pyspark.sql import Row, SparkSession
from sandbox import Sandbox, TestRegistry
from series_sandbox import FITTED, HORIZON, VARIABLES, SeriesSandbox, forecasts_after, quarters, two_series_model
from snapshots import Snapshot

from penstock.errors import ConfigError
from penstock.interfaces.sql.duckdb_queries import connect_duckdb, run_duckdb_query
from penstock.models.training.var_data import read_fit_data
from penstock.operations.reconcile.reconcile import reconcile
from penstock.series.lags import rebuild_lags

#: Of a US series, each with points of the one before off by up to 4 %, and a new quarter.
VINTAGES = Path(__file__).parents[1] / "vintages"
#: A quarter of the hole in the other series.
MISSING = FITTED + 5


def vintage(number: int) -> pd.DataFrame:
    found = pd.read_csv(VINTAGES / f"vintage{number}.csv", parse_dates=["t"])
    names = dict(zip(("t", "x", "y", "z"), ("ds", *VARIABLES), strict=True))
    return found.rename(columns=names).assign(series_id="US").drop(columns="id")


@dataclass
class Published:
    """What a reader of the files knows. made: the forecasts that are due, by series, cutoff, and how many were made
    from it before."""

    known: dict[str, dict[pd.Timestamp, tuple[float, ...]]] = field(default_factory=dict)
    made: dict[tuple[str, pd.Timestamp, int], dict[str, Any]] = field(default_factory=dict)

    def publish(self, rows: pd.DataFrame) -> None:
        for row in rows.itertuples():
            self.known.setdefault(row.series_id, {})[row.ds] = tuple(getattr(row, name) for name in VARIABLES)

    def history(self, series_id: str = "US") -> pd.DataFrame:
        known = dict(sorted(self.known[series_id].items()))
        rows = [(series_id, ds, *values) for ds, values in known.items()]
        return pd.DataFrame(rows, columns=["series_id", "ds", *VARIABLES])

    def forecast(self, series_id: str, *, cutoff: pd.Timestamp) -> None:
        """Expect statsmodels' forecast of what is known now."""
        history = self.history(series_id)
        levels = history[history["ds"] <= cutoff][list(VARIABLES)].to_numpy()
        vintage = sum(key[:2] == (series_id, cutoff) for key in self.made)
        self.made[series_id, cutoff, vintage] = forecasts_after(levels)


def rebased(history: pd.DataFrame, factor: float = 1.07) -> pd.DataFrame:
    return history.assign(**{name: history[name] * factor for name in VARIABLES})


@dataclass(frozen=True)
class Scenario:
    series: SeriesSandbox
    published: Published

    def run(self, name: str, rows: pd.DataFrame) -> None:
        self.series.drop(name, rows, age_seconds=10)
        self.published.publish(rows)
        self.series.sandbox.run()

    def outcomes(self, name: str) -> dict[tuple[str, str], str | None]:
        rows = self.series.sandbox.rows("observations", file=name)
        return {(row.series_id, f"{row.ds:%Y-%m}"): row.error for row in rows}


def new_scenario(spark: SparkSession, registry: TestRegistry, root: Path) -> Scenario:
    series = SeriesSandbox(
        Sandbox(root=root, spark=spark, registry=registry), two_series_model(registry), revisions="newest"
    )
    return Scenario(series, Published())


@pytest.fixture(scope="module")
def whole(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """US in four vintages, then one revision without a new quarter, then re-based as a whole, twice, then a revision
    that is beyond the model's three quarters and within the state's six. CA with a hole, which a late observation
    fills."""
    scenario = new_scenario(spark, registry, tmp_path_factory.mktemp("revised"))
    published = scenario.published
    ca = quarters(FITTED, FITTED + 8, "CA").drop(index=MISSING)
    scenario.run("0.csv", pd.concat([vintage(0), ca]))
    for cutoff in vintage(0)["ds"][2:]:
        published.forecast("US", cutoff=cutoff)
    for cutoff in ca["ds"][2:5]:
        published.forecast("CA", cutoff=cutoff)
    for number in (1, 2, 3):
        scenario.run(f"{number}.csv", vintage(number))
        published.forecast("US", cutoff=vintage(number)["ds"].iloc[-1])
    newest = vintage(3)["ds"].iloc[-1]
    revised = rebased(vintage(3).iloc[-2:-1], 1.01)
    scenario.run("4.csv", pd.concat([revised, quarters(MISSING, MISSING + 1, "CA")]))
    published.forecast("US", cutoff=newest)
    published.forecast("CA", cutoff=ca["ds"].iloc[-1])
    whole_history = rebased(published.history())
    scenario.run("5.csv", whole_history)
    published.forecast("US", cutoff=newest)
    scenario.run("6.csv", whole_history)
    scenario.run("7.csv", rebased(published.history().iloc[-4:-3], 1.1))
    return scenario


def with_vintage(series: SeriesSandbox) -> pd.DataFrame:
    """The forecasts, with how many were made before from their cutoff."""
    made = [row.asDict() for row in series.sandbox.rows("forecasts")]
    frame = pd.DataFrame(made)
    by_cutoff = frame.groupby(["series_id", "cutoff"])["scored_at"]
    return frame.assign(vintage=by_cutoff.rank(method="dense").astype(int) - 1)


def test_each_forecast_is_that_of_statsmodels_for_what_was_known(whole: Scenario) -> None:
    """Those made before are kept, and there is one more from the newest cutoff alone, if it would be another one."""
    found = with_vintage(whole.series)
    keys = [(key[0], pd.Timestamp(key[1]), key[2]) for key in found.groupby(["series_id", "cutoff", "vintage"]).groups]
    assert sorted(keys) == sorted(whole.published.made)
    assert len(found) == len(keys) * HORIZON * len(VARIABLES)
    for (series_id, cutoff, number), expected in whole.published.made.items():
        is_it = (found["series_id"] == series_id) & (found["cutoff"] == cutoff) & (found["vintage"] == number)
        mine = found[is_it].sort_values(["step", "variable"])
        for bound, values in expected.items():
            # by name the variables are in the order realcons, realgdp, realinv
            np.testing.assert_allclose(mine[bound], values[:, [1, 0, 2]].ravel(), rtol=1e-9)


def test_what_became_of_each_observation(whole: Scenario) -> None:
    first = whole.outcomes("1.csv")
    assert list(first.values()) == ["revised", "revised", "revised", None]
    assert whole.outcomes("4.csv") == {("US", "2001-04"): "revised", ("CA", "2000-04"): "inserted"}
    again = whole.outcomes("5.csv")
    assert [again[key] for key in sorted(again)] == ["revised"] * 10 + [None]
    assert set(whole.outcomes("6.csv").values()) == {"unchanged"}
    assert whole.outcomes("7.csv") == {("US", "2000-10"): "revised"}
    [record] = [row for row in whole.series.sandbox.rows("batches") if row.batch_id == 6]
    assert (record.rows_in, record.accepted, record.failed) == (11, 11, 0)


def test_the_state_is_the_last_values_of_each_ds(spark: SparkSession, whole: Scenario) -> None:
    columns = ["series_id", "number", "slot", "ds", *VARIABLES]

    def state() -> list[tuple[Any, ...]]:
        return sorted(tuple(row[name] for name in columns) for row in whole.series.sandbox.rows("lags"))

    streamed = state()
    for series_id in ("US", "CA"):
        newest = whole.published.history(series_id).tail(6)
        assert [row[4:] for row in streamed if row[0] == series_id] == [
            tuple(row) for row in newest[list(VARIABLES)].to_numpy()
        ]
        assert [row[3] for row in streamed if row[0] == series_id] == list(newest["ds"])
    rebuild_lags(spark, whole.series.sandbox.config())
    assert state() == streamed


def test_a_fit_sees_the_last_values(spark: SparkSession, whole: Scenario) -> None:
    data = read_fit_data(spark, whole.series.sandbox.config(), from_table=True).frame.toPandas()
    newest = data.sort_values("recency").groupby(["series_id", "ds"]).last().reset_index()
    for series_id in ("US", "CA"):
        mine = newest[newest["series_id"] == series_id].sort_values("ds")
        expected = whole.published.history(series_id)
        np.testing.assert_array_equal(mine[list(VARIABLES)].to_numpy(), expected[list(VARIABLES)].to_numpy())
        assert list(mine["ds"]) == list(expected["ds"])


def test_nothing_differs_from_what_was_delivered(spark: SparkSession, whole: Scenario) -> None:
    assert reconcile(spark, whole.series.sandbox.config()).differences == ()


def test_forecasts_are_compared_as_they_were_made_or_as_they_are_now(whole: Scenario) -> None:
    published = whole.published
    newest = vintage(3)["ds"].iloc[-1]
    with connect_duckdb(whole.series.sandbox.config()) as connection:
        compared = connection.execute(
            "SELECT * FROM forecast_vs_actual WHERE series_id = 'US' AND variable = 'realgdp' AND step = 1"
        ).df()
    compared["cutoff"] = compared["cutoff"].dt.tz_convert(None)
    final = published.history().set_index("ds")["realgdp"]
    cutoffs = list(final.index[2:-1])
    assert sorted(compared["cutoff"]) == cutoffs
    assert set(compared["vintage"]) == {1}
    for row in compared.itertuples():
        ds = row.cutoff + pd.DateOffset(months=3)
        made = published.made["US", row.cutoff, 0]["forecast"][0, 0]
        assert row.actual == final[ds]
        assert row.first_actual == first_published()[ds]
        assert row.error == pytest.approx(made - final[ds])
    accuracy = run_duckdb_query(whole.series.sandbox.config(), "forecast_accuracy").to_pylist()
    [one] = [row for row in accuracy if (row["variable"], row["step"]) == ("realgdp", 1)]
    # CA's cutoffs 2 to 4 come true; its last two quarters have no forecast before them.
    assert one["forecasts_compared"] == len(cutoffs) + 3
    latest = run_duckdb_query(whole.series.sandbox.config(), "latest_forecast").to_pylist()
    us = [row for row in latest if row["series_id"] == "US" and row["variable"] == "realgdp"]
    expected = published.made["US", newest, 2]["forecast"][:, 0]
    assert [row["forecast"] for row in sorted(us, key=lambda row: row["step"])] == pytest.approx(list(expected))


def first_published() -> dict[pd.Timestamp, float]:
    found: dict[pd.Timestamp, float] = {}
    for number in range(4):
        for row in vintage(number).itertuples():
            found.setdefault(row.ds, row.realgdp)
    return found


def test_a_late_replay_is_for_pipelines_that_wait_for_it(whole: Scenario) -> None:
    with pytest.raises(ConfigError, match=r"series\.revisions is newest: .* have been put to use as they came"):
        whole.series.sandbox.replay(late=True)


@pytest.fixture(scope="module")
def half(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Before a batch with all that there is: revisions within the state and before it, a hole filled, a new quarter."""
    scenario = new_scenario(spark, registry, tmp_path_factory.mktemp("cut-off"))
    scenario.run("0.csv", pd.concat([vintage(0), quarters(FITTED, FITTED + 8, "CA").drop(index=MISSING)]))
    scenario.series.drop("1.csv", pd.concat([rebased(vintage(0)), vintage(1).tail(1)]))
    scenario.series.drop("2.csv", quarters(MISSING, MISSING + 1, "CA"))
    return Snapshot.of(scenario.series.sandbox)


def contents(sandbox: Sandbox) -> dict[str, list[tuple[Any, ...]]]:
    """All tables without the clock."""
    found = {
        name: sorted(map(without_times, sandbox.rows(name)), key=str) for name in ("forecasts", "observations", "lags")
    }
    counts = [(row.batch_id, row.rows_in, row.accepted, len(row.files)) for row in sandbox.rows("batches")]
    return found | {"batches": sorted(counts)}


def without_times(row: Row) -> tuple[Any, ...]:
    return tuple(value for name, value in row.asDict().items() if name not in ("observed_at", "scored_at"))


@pytest.fixture(scope="module")
def uncut(half: Snapshot) -> dict[str, list[tuple[Any, ...]]]:
    sandbox = half.restored()
    sandbox.run()
    return contents(sandbox)


@pytest.mark.parametrize("writes_done", range(1, 5), ids=["forecasts", "observations", "lags", "marker"])
def test_a_batch_with_revisions_that_was_cut_off_gives_the_same_tables(
    half: Snapshot,
    uncut: dict[str, list[tuple[Any, ...]]],
    monkeypatch: pytest.MonkeyPatch,
    writes_done: int,
) -> None:
    sandbox = half.restored()
    with monkeypatch.context() as patch:
        cut_after(patch, "penstock.pipeline.batch.append_once", times=writes_done)
        with pytest.raises(PowerCutError):
            sandbox.run()
    sandbox.run()
    assert contents(sandbox) == uncut
    assert all(uncut.values())
    outcomes = {row.error for row in sandbox.rows("observations") if row.batch_id == 1}
    assert outcomes == {"revised", "inserted", None}
