"""What an explanation says of the other version of an experiment, and which rows a candidate was given."""

from typing import Any

import pyarrow as pa
import pytest

from penstock.models.explanation.again import Neighbours
from penstock.operations.explain.fact_lines import answered_text
from penstock.operations.explain.forecasts import beside as beside_forecast
from penstock.operations.explain.neighbours import of_candidate
from penstock.operations.explain.predictions import beside
from penstock.operations.explain.report import Batch, ModelFacts


def answered(row: dict[str, Any]) -> str:
    batch = Batch(
        query_id="q",
        batch_id=0,
        started_at=None,
        finished_at=None,
        scored_at=None,
        role=row["role"],
        rescore_id=None,
    )
    return answered_text(batch, ModelFacts(name="wine-quality", version=row["model_version"]), beside(row))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"role": "candidate", "model_version": "8", "shadow_version": "7", "shadow_prediction": 6.7},
            "by candidate wine-quality/8 of a canary (champion: 7 said 6.7), unknown UTC",
        ),
        (
            {"role": "champion", "model_version": "7", "shadow_version": "8", "shadow_prediction": 6.702},
            "by champion wine-quality/7 (shadow: 8 said 6.702), unknown UTC",
        ),
        (
            {"role": "champion", "model_version": "7", "shadow_version": "8", "shadow_error": "ValueError: no"},
            "by champion wine-quality/7 (shadow: 8 failed: ValueError: no), unknown UTC",
        ),
        ({"role": "champion", "model_version": "7"}, "by champion wine-quality/7, unknown UTC"),
    ],
)
def test_whose_answer_stands_and_what_the_other_one_said(row: dict[str, Any], said: str) -> None:
    row = {"shadow_version": None, "shadow_prediction": None, "shadow_error": None, **row}
    assert answered(row) == said


def test_a_table_from_before_the_first_experiment() -> None:
    assert beside({"role": "champion", "model_version": "7"}) is None


def test_of_forecasts_the_first_one_that_both_have() -> None:
    class Settings:
        variables = ("gdp", "cons")

    rows = [
        {"step": step, "variable": name, "role": "candidate_fallback", "shadow_version": "7", "shadow_forecast": value}
        for step, name, value in ((2, "gdp", 3.0), (1, "cons", 2.0), (1, "gdp", 1.0))
    ]
    found = beside_forecast(rows, Settings())  # type: ignore[arg-type]
    assert found is not None
    assert (found.role, found.model_version, found.answer, found.of) == ("champion", "7", 1.0, "gdp, step 1")
    assert beside_forecast([{"step": 1, "variable": "gdp", "role": "champion"}], Settings()) is None  # type: ignore[arg-type]


def test_a_candidate_was_given_the_rows_of_its_keys() -> None:
    """It answered the third and the fifth, and failed on the second."""
    rows = pa.table(
        {
            "x": [1, 2, 3, 4, 5],
            "role": ["champion", "champion", "candidate", "champion", "candidate"],
            "shadow_version": [None, "8", "7", None, "7"],
        }
    )
    found = of_candidate(Neighbours(rows=rows, place=4), "8")
    assert found.rows["x"].to_pylist() == [2, 3, 5]
    assert found.place == 2
