"""Labels and predictions at the edges: values without a loss, equal times, a longer look_back, rows scored again."""

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyspark.sql import SparkSession

from penstock.config.evaluation import EvaluateConfig, LabelsConfig
from penstock.pipeline.evaluation.plans import EvaluationPlan, LabelSpan
from penstock.pipeline.evaluation.rows import (
    counting_labels,
    judged_labels,
    label_pairs,
    unlabelled,
    warn_of_improbable,
)
from penstock.pipeline.evaluation.rows_judge import RowsJudge
from penstock.spark.local_frames import local_frame

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
LABELS = "query_id string, batch_id long, id long, y double, error string, source_file string, labelled_at timestamp"
PREDICTIONS = (
    "query_id string, batch_id long, id long, prediction double, model_version string, rescore_id long, "
    "scored_at timestamp"
)


def config(**changes: Any) -> LabelsConfig:
    return LabelsConfig.model_validate({"conf": "labels.yaml", "key": ["id"], "value": "y"} | changes)


def span(**changes: Any) -> LabelSpan:
    values = {
        "first_labelled_at": NOW - 30 * DAY,
        "last_labelled_at": NOW,
        "predictions": {"q": 9},
        "mature_until": NOW,
        "look_back_seconds": 30 * 86400.0,
        "labels": config(),
    }
    return LabelSpan.model_validate(values | changes)


def plan(**changes: Any) -> EvaluationPlan:
    values = {
        "number": 1,
        "planned_at": NOW,
        "penstock": "",
        "after": {},
        "until": {"l": 9},
        "taken": {"l": 9},
        "actuals": 0,
        "actuals_version": 0,
        "answers_version": 0,
        "evaluate": EvaluateConfig(loss="log"),
        "labels": span(),
    }
    return EvaluationPlan.model_validate(values | changes)


def test_what_has_no_loss_log_is_counted_and_the_others_are_evaluated(
    spark: SparkSession, caplog: pytest.LogCaptureFixture
) -> None:
    """By id: a rounding error, no probability, no outcome, and an answer that is as it should be."""
    values = [(1, 1.0000001, 1.0), (2, 1.5, 1.0), (3, 0.5, 2.0), (4, 0.25, 1.0)]
    labels = local_frame(spark, [("l", 0, n, y, None, "f", NOW - DAY) for n, _, y in values], LABELS)
    made = [("q", 0, n, p, str(n), None, NOW - 2 * DAY) for n, p, _ in values]
    judged = judged_labels(labels, local_frame(spark, made, PREDICTIONS), plan(), answer="prediction").cache()
    pairs = {int(row["champion"]): row for row in label_pairs(judged, plan(), of_numbers=True).collect()}
    assert {n: row["answer_failed"] for n, row in pairs.items()} == {1: False, 2: True, 3: False, 4: False}
    assert [pairs[n]["loss"] for n in (1, 2, 3, 4)] == [0.0, None, None, pytest.approx(1.3862943611)]  # ln 4
    with caplog.at_level(logging.WARNING):
        warn_of_improbable(judged, plan())
    assert caplog.messages == [
        "evaluation 1, evaluate.loss log: 1 predictions that are no probability from 0 to 1, and count as failed "
        "(from 1.5 to 1.5)",
        "evaluation 1, evaluate.loss log: 1 labels whose y is neither 0 nor 1, and have no loss (from 2 to 2)",
    ]


def test_the_newest_label_is_the_same_one_each_time(spark: SparkSession) -> None:
    """All came in one batch, at one time; a revision comes after the first."""
    made = [(1, 9.0, None, "z"), (1, 2.0, "revision", "b"), (1, 3.0, "revision", "b"), (1, 8.0, "revision", "a")]
    rows = [("l", 0, *values, NOW) for values in made]
    for order in (rows, rows[::-1]):
        labels = local_frame(spark, order, LABELS).repartition(2)
        assert [row.y for row in counting_labels(labels, plan(is_final=True), config()).collect()] == [3.0]


def test_a_longer_look_back_finds_the_row_of_a_label_that_had_none(spark: SparkSession) -> None:
    """The row was 20 days old, and the last look_back 10 days; that of the other label was 5 days old, and is taken."""
    labels = local_frame(spark, [("l", 0, n, 1.0, None, "f", NOW - DAY) for n in (1, 2)], LABELS)
    ages = {1: 21, 2: 6}
    made = [("q", 0, n, 0.5, "1", None, NOW - age * DAY) for n, age in ages.items()]
    predictions = local_frame(spark, made, PREDICTIONS)
    earlier = span(look_back_seconds=10 * 86400.0, labels=config(look_back="10 days"), open_from={"l": 0})
    later = plan(after={"l": 0}, earlier=earlier)
    judged = judged_labels(labels, predictions, later, answer="prediction")
    assert {row._key_id: row._state for row in judged.collect()} == {1: "paired", 2: "taken"}


def test_rows_that_were_scored_again_are_not_unlabelled(spark: SparkSession) -> None:
    """Their labels came before; without a time of their own, their age is not known."""
    made = [("q", 0, n, 0.5, "1", rescore, NOW - DAY) for n, rescore in ((1, None), (2, 0))]
    found = unlabelled(
        local_frame(spark, [], LABELS), local_frame(spark, made, PREDICTIONS), span(), at=NOW, until={"l": 9}
    )
    assert found == 1


@pytest.mark.parametrize(
    ("earlier", "look_back", "predictions", "expected"),
    [
        ({"open_from": {}}, "30 days", {"q": 10}, False),
        ({"open_from": {"l": 3}, "has_waiting": False}, "30 days", {"q": 9}, False),
        ({"open_from": {"l": 3}, "has_waiting": True}, "30 days", {"q": 9}, True),
        ({"open_from": {"l": 3}, "has_waiting": False}, "31 days", {"q": 9}, True),
        ({"open_from": {"l": 3}, "has_waiting": False}, "30 days", {"q": 10}, True),
    ],
)
def test_open_labels_are_looked_at_where_something_may_have_come(
    earlier: dict[str, Any], look_back: str, predictions: dict[str, int], expected: bool
) -> None:
    source = SimpleNamespace(labels=config(look_back=look_back))
    judge = RowsJudge(evaluated=cast(Any, None), source=cast(Any, source))
    assert judge.may_close(span(**earlier), predictions) is expected
