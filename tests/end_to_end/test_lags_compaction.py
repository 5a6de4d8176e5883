"""The table `lags`: batches append to it, and what they supersede is removed between two of them. The truth is
statsmodels' forecast of the values as they were known at each batch."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from power_cuts import PowerCutError, cut_after
from pyspark.sql import SparkSession
from sandbox import Sandbox, TestRegistry
from series_sandbox import FITTED, KEEP_LAGS, VARIABLES, SeriesSandbox, forecasts_after, quarters, two_series_model
from table_rows import read_rows

from penstock.errors import PlanError
from penstock.series import lags
from penstock.series.lags import COMPACTED_BYTES, COMPACTED_FILES, MAX_NEW_FILES, SMALL_BYTES, is_compaction_due
from penstock.spark.tables import TableSize, table_properties

#: The quarters of each file; those of one before it have other values than they had.
FILES = ((0, 8), (6, 9), (7, 10), (8, 12))


def published(low: int, high: int, *, file: int) -> pd.DataFrame:
    rows = quarters(FITTED + low, FITTED + high)
    rows[list(VARIABLES)] *= 1 + 0.01 * file
    return rows


def check_newest_forecast(series: SeriesSandbox, known: pd.DataFrame) -> None:
    found = series.forecasts()
    newest = found[found["cutoff"] == known["ds"].max()].sort_values(["step", "variable"])
    expected = forecasts_after(known[list(VARIABLES)].to_numpy())
    for bound, values in expected.items():
        # by name the variables are in the order realcons, realgdp, realinv
        np.testing.assert_allclose(newest[bound], values[:, [1, 0, 2]].ravel(), rtol=1e-10)


def rows_of_lags(sandbox: Sandbox) -> int:
    """With those that are superseded."""
    return len(read_rows(str(sandbox.root / "tables" / "lags")))


def test_what_is_superseded_has_no_effect_and_leaves(
    spark: SparkSession, registry: TestRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Revisions in three batches, compacted after the third; then a table that has no `sequence` yet, as of an earlier
    version; then `revisions: first`, for which no two rows may have one number."""
    series = SeriesSandbox(
        Sandbox(root=tmp_path, spark=spark, registry=registry), two_series_model(registry), revisions="newest"
    )
    sandbox, path = series.sandbox, str(tmp_path / "tables" / "lags")
    known = pd.DataFrame()
    counts = []
    for number, (low, high) in enumerate(FILES):
        rows = published(low, high, file=number)
        known = pd.concat([known, rows]).drop_duplicates("ds", keep="last").sort_values("ds")
        series.drop(f"{number}.csv", rows, age_seconds=10)
        if number == 2:
            monkeypatch.setattr(lags, "MAX_NEW_FILES", 0)
        sandbox.run()
        monkeypatch.undo()
        check_newest_forecast(series, known)
        assert sandbox.count("lags") == KEEP_LAGS
        counts.append(rows_of_lags(sandbox))
        if number == 2:
            assert int(table_properties(spark, path)[COMPACTED_FILES]) > 0
            without = spark.read.format("delta").load(path).drop("sequence")
            without.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)
    assert counts == [KEEP_LAGS, KEEP_LAGS + 3, KEEP_LAGS, KEEP_LAGS + 4]

    sandbox.changes["series"]["revisions"] = "first"
    rows = quarters(FITTED + 12, FITTED + 13)
    series.drop("9.csv", rows)
    sandbox.run()
    check_newest_forecast(series, pd.concat([known, rows]))
    assert rows_of_lags(sandbox) == KEEP_LAGS + 1


@pytest.mark.parametrize(
    ("files", "size_bytes", "is_due"),
    [
        (10 + MAX_NEW_FILES, 1000, False),
        (11 + MAX_NEW_FILES, 1000, True),
        (10, SMALL_BYTES + 2_500_000, False),
        (10, SMALL_BYTES + 2_500_001, True),
    ],
)
def test_when_a_compaction_is_due(files: int, size_bytes: int, is_due: bool) -> None:
    compacted = {COMPACTED_FILES: "10", COMPACTED_BYTES: "1000000"}
    assert is_compaction_due(TableSize(files=files, bytes=size_bytes), compacted) is is_due


def test_a_changed_state_waits_for_a_batch_that_was_cut_off(
    spark: SparkSession, registry: TestRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its `lags`: rebuilt from `observations`, the state would have the batch's rows, and the batch adds them
    again when the setting is changed back."""
    series = SeriesSandbox(Sandbox(root=tmp_path, spark=spark, registry=registry), two_series_model(registry))
    sandbox = series.sandbox
    series.drop("0.csv", quarters(FITTED, FITTED + 4), age_seconds=10)
    sandbox.run()
    series.drop("1.csv", quarters(FITTED + 4, FITTED + 6), age_seconds=10)
    with monkeypatch.context() as patch:
        cut_after(patch, "penstock.pipeline.batch.append_once", times=2)
        with pytest.raises(PowerCutError):
            sandbox.run()
    sandbox.changes["series"]["keep_lags"] = KEEP_LAGS + 2
    with pytest.raises(PlanError, match="was planned under another config"):
        sandbox.run()
    sandbox.changes["series"]["keep_lags"] = KEEP_LAGS
    sandbox.run()
    series.drop("2.csv", quarters(FITTED + 6, FITTED + 8))
    sandbox.run()
    known = quarters(FITTED, FITTED + 8)
    check_newest_forecast(series, known)
    assert rows_of_lags(sandbox) == len(known)
