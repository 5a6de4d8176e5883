"""Which observation is the actual of its ds, whatever a replay has made of its rows, and which forecast counts."""

from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from penstock.config.evaluation import EvaluateConfig
from penstock.config.series import SeriesConfig
from penstock.pipeline.evaluation.plans import EvaluationPlan, SeriesSpan
from penstock.pipeline.evaluation.series import actuals, forecast_pairs
from penstock.spark.local_frames import local_frame

START = datetime(2026, 1, 1, tzinfo=UTC)
#: series, query, batch, error: of one ds each, in the order in which they came.
ROWS = [
    ("new", "q", 5, None),
    ("without a forecast", "q", 5, "warming_up"),
    ("evaluated before", "q", 3, None),
    ("first one was replaced by a late replay", "q", 3, "superseded"),
    ("first one was replaced by a late replay", "q", 5, None),
    ("revised since", "q", 4, None),
    ("revised since", "q", 5, "revised"),
    ("revised at once", "q", 5, None),
    ("revised at once", "q", 6, "model: failed at the revision"),
    ("late", "q", 5, "late"),
    ("inserted", "q", 5, "inserted"),
    ("inserted after it was late", "q", 3, "late"),
    ("inserted after it was late", "q", 5, "inserted"),
    ("corrected after a conflict", "q", 3, "conflict"),
    ("corrected after a conflict", "q", 3, "conflict"),
    ("corrected after a conflict", "q", 5, None),
    ("twice in a batch", "q", 5, "revision"),
    ("twice in a batch", "q", 5, None),
    ("not finished", "q", 7, None),
    ("replayed", "replay", 0, None),
    ("replayed, but known", "q", 2, None),
    ("replayed, but known", "replay", 0, "revision"),
    ("of a new checkpoint", "r", 0, None),
    ("of a new checkpoint, but evaluated before", "q", 1, "revision"),
    ("of a new checkpoint, but evaluated before", "r", 0, None),
]
EXPECTED = [
    ("corrected after a conflict", "q", 5),
    ("inserted", "q", 5),
    ("inserted after it was late", "q", 5),
    ("new", "q", 5),
    ("of a new checkpoint", "r", 0),
    ("replayed", "replay", 0),
    ("revised at once", "q", 5),
    ("twice in a batch", "q", 5),
    ("without a forecast", "q", 5),
]


@pytest.fixture(scope="module")
def plan() -> EvaluationPlan:
    return EvaluationPlan(
        number=1,
        planned_at=START,
        penstock="",
        after={"q": 4},
        until={"q": 6, "replay": 0, "r": 0},
        taken={"q": 6, "replay": 0, "r": 0},
        actuals=0,
        actuals_version=0,
        answers_version=0,
        evaluate=EvaluateConfig(),
    )


def test_the_first_value_in_use_is_the_actual(spark: SparkSession, plan: EvaluationPlan) -> None:
    rows = [
        (query, batch, series, START, error, START + timedelta(seconds=number))
        for number, (series, query, batch, error) in enumerate(ROWS)
    ]
    frame = local_frame(
        spark,
        rows,
        "query_id string, batch_id long, series_id string, ds timestamp, error string, observed_at timestamp",
    )
    found = actuals(frame, plan).select("series_id", "query_id", "batch_id").collect()
    assert sorted(map(tuple, found)) == EXPECTED


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


DAY = timedelta(days=1)
ONE_SERIES = SeriesConfig.model_validate({"variables": ["x"], "frequency": "D", "horizon": 3})
OBSERVATIONS = (
    "query_id string, batch_id long, series_id string, ds timestamp, x double, error string, observed_at timestamp"
)
FORECASTS = (
    "query_id string, batch_id long, series_id string, cutoff timestamp, ds timestamp, step int, variable string, "
    "forecast double, lower double, upper double, level double, model_version string, rescore_id long, "
    "scored_at timestamp"
)
#: day, x, error, minute in which it came, batch. Day 1 was revised, from 10 to 20; the actual of day 3 is 13.
OBSERVED = [
    (1, 10.0, None, 1, 1),
    (2, 11.0, None, 2, 2),
    (1, 20.0, "revised", 3, 3),
    (3, 13.0, None, 5, 5),
    (4, float("nan"), None, 5, 5),
]
#: cutoff and day, forecast, lower, upper, version, rescore, batch, and minute in which it was made.
MADE = [
    (1, 3, 12.0, 11.0, 14.0, "1", None, 1, 1),  # made again at minute 3
    (1, 3, 12.5, 11.0, 14.0, "2", None, 3, 3),
    (1, 3, 99.0, 98.0, 99.5, "3", None, 6, 4),  # after the actual came, when the clock was set back
    (2, 3, None, None, None, "2", None, 2, 2),
    (2, 3, 99.0, 98.0, 99.5, "3", 0, 2, 6),  # a rescore after the actual came
    (0, 3, 14.0, 14.0, 14.0, "1", None, 0, 9),  # no width, no observation at its cutoff; the clock was ahead
    (2, 4, 15.0, 14.0, 16.0, "2", None, 2, 2),  # its actual is missing
]


def test_the_newest_forecast_before_the_actual_counts(spark: SparkSession, plan: EvaluationPlan) -> None:
    days = [START + number * DAY for number in range(5)]
    span = SeriesSpan(first_cutoff=days[0], first_ds=days[3], last_ds=days[4])
    of_span = plan.model_copy(update={"series": span})
    observations = [("q", batch, "a", days[day], x, error, at(came)) for day, x, error, came, batch in OBSERVED]
    forecasts = [
        ("q", batch, "a", days[cutoff], days[day], day - cutoff, "x", *values, 0.8, version, rescore, at(minute))
        for cutoff, day, *values, version, rescore, batch, minute in MADE
    ]
    pairs = forecast_pairs(
        local_frame(spark, observations, OBSERVATIONS), local_frame(spark, forecasts, FORECASTS), of_span, ONE_SERIES
    )
    found = {(row["champion"], row["step"]): row.asDict() for row in pairs.collect()}
    assert found.keys() == {("2", 2), ("2", 1), ("1", 3)}
    # a = 0.2: (0.5 * 0.5 + 0.1 * 3) / 1.5 over 1.5; the level of day 1 was 20 at minute 3.
    scored = found["2", 2]
    assert scored["loss"] == pytest.approx(0.55 / 1.5 / 1.5)
    assert (scored["error_abs"], scored["naive_abs"], scored["within"]) == (0.5, 7.0, True)
    assert (scored["answer_failed"], scored["delay_seconds"]) == (False, 120.0)
    failed = found["2", 1]
    assert [failed[name] for name in ("loss", "error_abs", "naive_abs", "within")] == [None] * 4
    assert failed["answer_failed"]
    without_width = found["1", 3]
    assert [without_width[name] for name in ("loss", "error_abs", "naive_abs", "within")] == [None, 1.0, None, None]
