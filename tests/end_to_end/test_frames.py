"""The plain frame gives the job's numbers."""

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame
from sandbox import WINE, WINE_SCORE, Sandbox, csv_file, wine

from penstock.pipeline.scored_stream import scored_stream


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
