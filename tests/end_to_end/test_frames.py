"""The plain frame gives the job's numbers; its queries read what the job wrote."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame
from sandbox import WINE, WINE_SCORE, Sandbox, csv_file, wine

from penstock.frames import scored_stream
from penstock.queries import QUERIES, run_query

ROWS_QUERIES = ("predictions_per_hour", "quarantine_by_reason", "error_rate_by_version", "latency_per_batch")
#: Tested in test_series.py.
SERIES_QUERIES = ("forecast_accuracy", "latest_forecast", "observations_by_outcome")


def collect_once(frame: DataFrame, folder: Path) -> list[Any]:
    """Run a streaming frame once into memory."""
    query = (
        frame.writeStream.format("memory")
        .queryName("plain_frame")
        .option("checkpointLocation", str(folder))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    return frame.sparkSession.table("plain_frame").collect()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_plain_frame_scores_like_the_job(sandbox: Sandbox, tmp_path: Path, kind: str) -> None:
    import pandas as pd

    sandbox.changes = {"source": {"format": kind}}
    rows = [WINE, wine(alcohol=-3), wine(alcohol=12)]
    sandbox.inbox.mkdir()
    if kind == "csv":
        sandbox.drop("a.csv", csv_file(*rows, wine(alcohol="abc")))
    else:
        pd.DataFrame(rows).to_parquet(sandbox.inbox / "a.parquet")
    frame = scored_stream(sandbox.spark, sandbox.config())
    assert frame.isStreaming
    found = collect_once(frame, tmp_path / "plain")
    scored = {row.alcohol: row.prediction for row in found if row.reasons is None}
    assert scored == {9.4: pytest.approx(WINE_SCORE), 12.0: pytest.approx(123.51)}
    rejected = sorted(row.reasons[0] for row in found if row.reasons)
    expected = ["rule alcohol_in_range: not true: alcohol BETWEEN 0 AND 25"]
    assert rejected == (["alcohol: 'abc' is not a double", *expected] if kind == "csv" else expected)
    assert {row.prediction for row in found if row.reasons} == {None}


def test_every_query_is_tested() -> None:
    assert {path.stem for path in QUERIES.glob("*.sql")} == {*ROWS_QUERIES, *SERIES_QUERIES}


def test_the_queries_answer_what_bi_asks(sandbox: Sandbox) -> None:
    sandbox.changes = {"model": {"name": sandbox.registry.wine_model("fussy")}}
    sandbox.drop("a.csv", csv_file(WINE, WINE, wine(alcohol=15), wine(alcohol="abc"), wine(alcohol="xyz")))
    sandbox.drop("b.csv", b"")
    sandbox.run()
    answers = {name: run_query(sandbox.spark, sandbox.config(), name).collect() for name in ROWS_QUERIES}
    [hour] = answers["predictions_per_hour"]
    assert (hour.rows_scored, hour.rows_failed, hour.mean_prediction) == (3, 1, pytest.approx(9.4))
    reasons = [(row.reason, row.rows_quarantined) for row in answers["quarantine_by_reason"]]
    assert reasons == [("alcohol: '...' is not a double", 2), ("file: is empty (0 bytes)", 1)]
    [version] = answers["error_rate_by_version"]
    assert (version.error_rate, version.most_frequent_error) == (
        pytest.approx(1 / 3, abs=1e-6),
        "ValueError: this is no table wine",
    )
    [batch] = answers["latency_per_batch"]
    assert (batch.files, batch.rows_in) == (2, 5)
    assert 0 < batch.predictions_seconds < batch.seconds
