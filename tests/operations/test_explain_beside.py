"""What an explanation says of the other version of an experiment, and which rows a candidate was given."""

from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from planned_experiments import version_by_hand

from penstock.models.explanation.again import Neighbours
from penstock.operations.explain.beside import beside as beside_forecast
from penstock.operations.explain.fact_lines import answered_text, beside_text
from penstock.operations.explain.neighbours import of_candidate
from penstock.operations.explain.predictions import beside
from penstock.operations.explain.report import Batch, ModelFacts
from penstock.operations.explain.series_rows import shadow_error_at

CUTOFF = datetime(2020, 1, 1, tzinfo=UTC)


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


def test_why_the_other_version_has_no_forecast() -> None:
    """Of the observation of the forecast's own batch; a rescored one stands alone."""
    made = {"series_id": "US", "cutoff": CUTOFF, "query_id": "q", "batch_id": 3, "rescore_id": None, "role": "champion"}
    made |= {"step": 1, "variable": "gdp", "shadow_version": None}
    with duckdb.connect() as tables:
        tables.execute("SET timezone = 'UTC'")
        tables.execute("CREATE TABLE observations (series_id TEXT, ds TIMESTAMPTZ, query_id TEXT, batch_id BIGINT)")
        assert shadow_error_at(tables, "US", made) is None
        tables.execute("ALTER TABLE observations ADD COLUMN shadow_error TEXT")
        tables.execute("ALTER TABLE observations ADD COLUMN observed_at TIMESTAMPTZ")
        tables.execute(
            "INSERT INTO observations VALUES ('US', $at, 'q', 2, 'gap', $at), ('US', $at, 'q', 3, 'warming_up', $at), "
            "('DE', $at, 'q', 3, 'late', $at)",
            {"at": CUTOFF},
        )
        error = shadow_error_at(tables, "US", made)
        assert error == "warming_up"
        assert shadow_error_at(tables, "US", made | {"rescore_id": 0}) is None
        assert shadow_error_at(tables, "US", made | {"batch_id": 4}) is None

    class Settings:
        variables = ("gdp",)

    class Pinned:
        champion, candidate = version_by_hand("7", "champion"), version_by_hand("8", "candidate")

    said = {
        (role, plan is not None): beside_text(
            beside_forecast([made | {"role": role}], Settings(), error=error, plan=plan)  # type: ignore[arg-type]
        )
        for role in ("fallback", "candidate")
        for plan in (Pinned, None)
    }
    assert said == {
        ("fallback", True): " (shadow: 8 has no forecast: warming_up)",
        ("candidate", True): " of a canary (champion: 7 has no forecast: warming_up)",
        ("fallback", False): " (shadow: another version has no forecast: warming_up)",
        ("candidate", False): " of a canary (champion: another version has no forecast: warming_up)",
    }


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
