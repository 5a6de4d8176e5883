"""The series workload through the whole job, with statsmodels as the truth."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry
from series_sandbox import (
    FITTED,
    HORIZON,
    KEEP_LAGS,
    VARIABLES,
    SeriesSandbox,
    expected_forecasts,
    macro,
    quarters,
    register_fleet,
    two_series_model,
)
from service import predict, service

from penstock.errors import ModelRefusedError
from penstock.interfaces.sql.spark_queries import run_query
from penstock.models.resolved import ModelAtStart
from penstock.operations.doctor.checks import check_model
from penstock.pipeline.batch_record import BatchRecord

IDS = ("US", "HOLE", "EMPTY", "TWICE", "CA")
DATES = macro()["ds"]


@dataclass(frozen=True)
class TwoBatches:
    """A pipeline after two micro-batches, and the forecasts as they were after the first."""

    series: SeriesSandbox
    record: BatchRecord
    first_forecasts: pd.DataFrame


@pytest.fixture(scope="module")
def two_batches(spark: SparkSession, registry: TestRegistry, tmp_path_factory: pytest.TempPathFactory) -> TwoBatches:
    """US: ten quarters, then one more. HOLE: twelve less two, then late ones. EMPTY: a quarter without investment.
    TWICE: in two files. MARS: not in the model. CA: in the second batch only."""
    register_fleet(registry, "macro-many", ids=IDS)
    series = SeriesSandbox(
        Sandbox(root=tmp_path_factory.mktemp("series"), spark=spark, registry=registry), "macro-many"
    )
    empty = quarters(FITTED, FITTED + 8, "EMPTY")
    empty.loc[FITTED + 3, "realinv"] = np.nan
    hole = quarters(FITTED, FITTED + 12, "HOLE").drop(index=[FITTED + 1, FITTED + 4])
    us, mars = quarters(FITTED, FITTED + 10), quarters(FITTED, FITTED + 1, "MARS")
    twice = quarters(FITTED, FITTED + 4, "TWICE")
    series.drop("a.csv", pd.concat([us, hole, empty, mars]))
    series.drop("z_old.csv", twice.assign(realgdp=twice["realgdp"] * 2), age_seconds=100)
    series.drop("a_new.csv", twice, age_seconds=50)
    [record] = series.sandbox.run()
    first = series.forecasts()
    late = quarters(FITTED + 1, FITTED + 2, "HOLE")
    revised = [quarters(FITTED + at, FITTED + at + 1, "HOLE").assign(realgdp=1.0) for at in (0, 11)]
    series.drop("b.csv", pd.concat([late, *revised]))
    series.drop("c.csv", pd.concat([quarters(FITTED + 10, FITTED + 11), quarters(FITTED, FITTED + 2, "CA")]))
    series.sandbox.run()
    return TwoBatches(series=series, record=record, first_forecasts=first)


def test_forecasts_are_those_of_statsmodels(two_batches: TwoBatches) -> None:
    found = two_batches.series.forecasts()
    found = found[found["series_id"] == "US"]
    assert sorted(found["cutoff"].unique()) == list(DATES[FITTED + 2 : FITTED + 11])
    for cutoff in range(FITTED + 2, FITTED + 11):
        expected = expected_forecasts(cutoff=cutoff)
        mine = found[found["cutoff"] == DATES[cutoff]]
        assert list(mine["ds"].unique()) == list(pd.date_range(DATES[cutoff], periods=HORIZON + 1, freq="QS")[1:])
        for number, variable in enumerate(VARIABLES):
            rows = mine[mine["variable"] == variable].sort_values("step")
            for bound, values in expected.items():
                np.testing.assert_allclose(rows[bound], values[:, number], rtol=1e-10)


def test_the_batch_record_adds_up(two_batches: TwoBatches) -> None:
    """Observations without a forecast have not failed: 10 + 10 + 8 + 1 + 2 * 4 came in."""
    record = two_batches.record
    assert (record.rows_in, record.accepted, record.quarantined, record.failed) == (37, 37, 0, 0)


def test_the_batch_record_counts_forecasts(two_batches: TwoBatches) -> None:
    """As the observations in the table say, by pandas."""
    sandbox, record = two_batches.series.sandbox, two_batches.record
    rows = [row for row in sandbox.rows("observations") if row.batch_id == record.plan.batch_id]
    observed = pd.DataFrame([row.asDict() for row in rows])
    reasons = observed["error"].dropna().value_counts().to_dict()
    assert record.forecasts is not None
    assert record.forecasts.without_forecast == reasons
    assert record.with_forecast == observed["error"].isna().sum() > 0
    series = observed["error"].isna().groupby(observed["series_id"]).any()
    assert (record.forecasts.series.series, record.forecasts.series.without_forecast) == (len(series), (~series).sum())
    [marker] = [row for row in sandbox.rows("batches") if row.batch_id == record.plan.batch_id]
    assert (marker.without_forecast, marker.series) == (reasons, len(series))


def test_why_an_observation_has_no_forecast(two_batches: TwoBatches) -> None:
    """Two lags of log differences need three consecutive quarters."""
    rows = two_batches.series.sandbox.rows("observations")
    errors = {(row.series_id, row.ds): row.error for row in rows if row.source_file.endswith("/a.csv")}
    warm, gap = "warming_up", "gap"
    hole = [number for number in range(12) if number not in (1, 4)]
    assert [errors["HOLE", DATES[FITTED + number]] for number in hole] == [warm, gap, gap, gap, gap, *[None] * 5]
    empty = [errors["EMPTY", DATES[FITTED + number]] for number in range(8)]
    assert empty == [warm, warm, None, gap, gap, gap, None, None]
    assert errors["MARS", DATES[FITTED]] == "unknown_series"


def test_late_observations_and_revisions_are_kept_and_not_used(two_batches: TwoBatches) -> None:
    series, first = two_batches.series, two_batches.first_forecasts
    now = series.forecasts()
    for name in ("HOLE", "EMPTY", "TWICE"):
        mine, before = (frame[frame["series_id"] == name].reset_index(drop=True) for frame in (now, first))
        pd.testing.assert_frame_equal(mine, before)
    rows = [row for row in series.sandbox.rows("observations") if row.source_file.endswith("/b.csv")]
    assert {(row.ds, row.error) for row in rows} == {
        (DATES[FITTED + 1], "late"),
        (DATES[FITTED], "revision"),
        (DATES[FITTED + 11], "revision"),
    }


def test_of_two_observations_of_one_moment_the_newer_file_wins(two_batches: TwoBatches) -> None:
    found = two_batches.series.forecasts()
    expected = expected_forecasts(cutoff=FITTED + 3)["forecast"][:, 0]
    mine = found[(found["series_id"] == "TWICE") & (found["cutoff"] == DATES[FITTED + 3])]
    mine = mine[mine["variable"] == "realgdp"]
    np.testing.assert_allclose(mine.sort_values("step")["forecast"], expected, rtol=1e-10)
    rows = two_batches.series.sandbox.rows("observations")
    assert {row.error for row in rows if row.source_file.endswith("z_old.csv")} == {"revision"}


def test_the_lags_table_holds_the_newest_observations(two_batches: TwoBatches) -> None:
    rows = [row for row in two_batches.series.sandbox.rows("lags") if row.series_id in ("US", "CA")]
    rows = sorted(rows, key=lambda row: (row.series_id, row.number))
    levels = macro()["realgdp"]
    kept = [FITTED, FITTED + 1, *range(FITTED + 5, FITTED + 11)]
    numbers = [1, 2, *range(6, 12)]
    assert [(row.series_id, row.number) for row in rows] == [
        ("CA", 1),
        ("CA", 2),
        *[("US", number) for number in numbers[2:]],
    ]
    assert [row.slot for row in rows] == [number % KEEP_LAGS for number in numbers]
    assert [row.ds for row in rows] == [DATES[number] for number in kept]
    assert [row.realgdp for row in rows] == [levels[number] for number in kept]


def test_the_queries_answer_what_forecasters_ask(two_batches: TwoBatches) -> None:
    sandbox = two_batches.series.sandbox
    accuracy = run_query(sandbox.spark, sandbox.config(), "forecast_accuracy").collect()
    [first] = [row for row in accuracy if (row.variable, row.step) == ("realgdp", 1)]
    forecasts = {number: expected_forecasts(cutoff=number)["forecast"][0, 0] for number in range(FITTED, FITTED + 11)}
    # The cutoffs whose next quarter is there, by series; EMPTY's quarter 3 lacks investment only.
    cutoffs = [*range(2, 10), *range(7, 11), 2, 6, 2]
    errors = [abs(forecasts[FITTED + number] - macro()["realgdp"][FITTED + number + 1]) for number in cutoffs]
    assert first.forecasts_compared == len(cutoffs)
    assert first.mean_absolute_error == pytest.approx(np.mean(errors), rel=1e-9)
    outcomes = run_query(sandbox.spark, sandbox.config(), "observations_by_outcome").collect()
    assert sum(row.observations for row in outcomes) == sandbox.count("observations")
    assert {row.outcome: row.observations for row in outcomes}["late"] == 1
    newest = run_query(sandbox.spark, sandbox.config(), "latest_forecast").where("series_id = 'US'").collect()
    assert {row.cutoff for row in newest} == {DATES[FITTED + 10]}
    assert len(newest) == HORIZON * len(VARIABLES)


@pytest.fixture(scope="module")
def latest(shared_sandbox: Sandbox) -> SeriesSandbox:
    """Forecasts from the newest observation only; the newest dates of one series are at the end of time."""
    series = SeriesSandbox(shared_sandbox, two_series_model(shared_sandbox.registry))
    shared_sandbox.changes["forecast"] = {"at": "latest"}
    us = quarters(FITTED, FITTED + 6)
    ends = pd.concat([us.head(1).assign(ds=text) for text in ("9999-12-31", "0001-01-01", "2262-04-12")])
    series.drop("a.csv", pd.concat([us, quarters(FITTED, FITTED + 5, "CA")]))
    series.drop("ends.csv", ends)
    [record] = shared_sandbox.run()
    assert (record.accepted, record.quarantined) == (11, 3)
    return series


def test_latest_makes_one_forecast_a_series_and_batch(latest: SeriesSandbox) -> None:
    found = latest.forecasts()
    assert set(zip(found["series_id"], found["cutoff"], strict=True)) == {
        ("US", DATES[FITTED + 5]),
        ("CA", DATES[FITTED + 4]),
    }
    assert list(latest.errors().values()).count("not_latest") == 9


def test_an_observation_at_the_end_of_time_costs_itself(latest: SeriesSandbox) -> None:
    """As the newest one of its series it would make all others late."""
    sandbox = latest.sandbox
    [reason] = {reason for row in sandbox.rows("quarantine") for reason in row.reasons}
    assert reason.startswith("rule ds_in_time_range: not true: ds BETWEEN TIMESTAMP'1677-09-21 00:12:43")
    assert set(latest.errors().values()) == {"not_latest", None}
    levels = quarters(FITTED, FITTED + 1).iloc[0][list(VARIABLES)].to_dict()
    rows = [{"series_id": "US", "ds": ds, **levels} for ds in ("9999-12-31", "2000-01-01")]
    with service(sandbox.spark, sandbox.config()) as client:
        found = predict(client, sandbox.config().model.name, *rows)
    assert found == [{"reasons": [reason]}, {"error": "warming_up"}]


def model_line(series: SeriesSandbox) -> str:
    """What the doctor says of the model."""
    config = series.sandbox.config()
    return check_model(config, ModelAtStart.of(config), with_digest=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level": 0.9}, "it was fitted with level 0.95, series.level is 0.9"),
        ({"horizon": HORIZON + 1}, f"its outputs lack realgdp_forecast_{HORIZON + 1}"),
        ({"point": "mean"}, "it was fitted with point median, series.point is mean"),
        ({"frequency": "MS"}, "it was fitted with frequency QS, series.frequency is MS"),
        ({"keep_lags": 2}, "'realgdp_lag2' is in no field"),
    ],
)
def test_a_model_that_was_fitted_for_something_else_is_refused(
    series: SeriesSandbox, settings: dict[str, object], message: str
) -> None:
    series.sandbox.changes["series"] |= settings
    with pytest.raises(ModelRefusedError, match=message):
        model_line(series)


def test_the_doctor_tells_the_volume(series: SeriesSandbox) -> None:
    found = model_line(series)
    assert "forecast.at is every: one new observation of each makes 24 rows in forecasts" in found


def test_every_forecast_of_many_series_is_asked_for_twice(
    series: SeriesSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.models.fleet_check.MANY_SERIES", 1)
    with pytest.raises(ModelRefusedError, match=r"2 series, and forecast\.at is every: .* 24 rows in forecasts"):
        model_line(series)
    for changes in ({"every_of_many": True}, {"at": "latest"}):
        series.sandbox.changes["forecast"] = changes
        model_line(series)
