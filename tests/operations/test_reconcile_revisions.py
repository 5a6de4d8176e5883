"""Forecasts against observations where revisions make several of them from one cutoff."""

from collections.abc import Sequence
from datetime import datetime

import pytest
from pyspark.sql import SparkSession

from penstock.operations.reconcile.forecasts import compare_forecasts
from penstock.operations.reconcile.ledger_rows import Batch

BATCHES = (Batch("q", 0), Batch("q", 1))
FORECASTS = "query_id string, batch_id long, series_id string, cutoff timestamp, step int, variable string"
OBSERVATIONS = "query_id string, batch_id long, series_id string, ds timestamp, error string"
Row = tuple[object, ...]


def month(number: int) -> datetime:
    return datetime(2000, number, 1)


def forecast(batch: int, cutoff: int, *, steps: int = 2) -> list[Row]:
    return [("q", batch, "a", month(cutoff), step, "x") for step in range(1, steps + 1)]


def observed(batch: int, ds: int, error: str | None = None) -> Row:
    return ("q", batch, "a", month(ds), error)


#: Month 3 was forecast twice. Month 2 came with a gap before it, which was filled by the second batch.
OBSERVED = [observed(0, 2, "gap"), observed(0, 3), observed(1, 1, "inserted"), observed(1, 2, "revised")]
MADE = [*forecast(0, 3), *forecast(1, 3), *forecast(1, 2)]


@pytest.mark.parametrize(
    ("made", "observations", "kinds"),
    [
        (MADE, OBSERVED, []),
        (MADE[:3] + MADE[4:], OBSERVED, ["forecast rows"]),
        (MADE[4:], OBSERVED, ["no forecast"]),
        (MADE, OBSERVED[1:3], ["orphan forecast"]),
        (MADE, [*OBSERVED[1:3], observed(1, 2, "unchanged")], ["orphan forecast"]),
    ],
    ids=["whole", "a row is missing", "a cutoff has none", "an observation is missing", "one counts no more"],
)
def test_forecasts_that_were_made_again(
    spark: SparkSession, made: Sequence[Row], observations: Sequence[Row], kinds: list[str]
) -> None:
    tables = {
        "forecasts": spark.createDataFrame(list(made), FORECASTS),
        "observations": spark.createDataFrame(list(observations), OBSERVATIONS),
    }
    found = compare_forecasts(tables, BATCHES, is_unfinished=lambda batch: False, is_trimmed=False, revisions="newest")
    assert [difference.kind for difference in found] == kinds
