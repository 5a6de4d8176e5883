"""Which observation is the actual of its ds, whatever a replay has made of the rows since."""

from datetime import UTC, datetime, timedelta

import pytest
from pyspark.sql import SparkSession

from penstock.config.evaluation import EvaluateConfig
from penstock.pipeline.evaluation.plans import EvaluationPlan
from penstock.pipeline.evaluation.series import actuals
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
