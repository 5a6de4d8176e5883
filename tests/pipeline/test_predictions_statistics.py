"""Predictions are found by their time: the table keeps its bounds of each file."""

from typing import Any

import pytest
from batch_records import CONFIG
from pyspark.sql.types import DoubleType
from sample_contracts import ORDERS

from penstock.config.pipeline import PipelineConfig
from penstock.pipeline.workload import workload_of

LABELS = {"conf": "labels.yaml", "key": ["order_id"], "value": "quality"}
USUAL = ("query_id", "batch_id", "model_version", "scored_at")


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({}, USUAL),
        ({"labels": LABELS}, USUAL),
        ({"labels": LABELS | {"time": "placed_at"}}, (*USUAL, "placed_at")),
    ],
)
def test_a_new_table_has_the_bounds_of_the_time_of_labels(sections: dict[str, Any], expected: tuple[str, ...]) -> None:
    config = PipelineConfig.model_validate(CONFIG | sections)
    [table] = workload_of(config).tables(config, ORDERS, DoubleType)
    assert table.statistics == expected
