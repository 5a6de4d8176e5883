"""The observations of a batch by outcome, and its series: from data files, and by Spark's own query."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from penstock.spark import series_counts
from penstock.spark.commit_log import NotInFilesError
from penstock.spark.series_counts import SeriesCount, committed_observations, observations_in_files
from penstock.spark.tables import append_once
from penstock.storage.delta_transactions import Transaction
from penstock.storage.files import LocalStorage

#: US has a forecast in the second file, CA in the first, FR and DE in none.
FILES = (
    [("a", "warming_up", "US"), ("a", None, "CA"), ("a", "gap", "FR")],
    [("a", None, "US"), ("b", "gap", "FR"), ("b", "late", "CA"), ("b", "model: E: x", "DE")],
)
GROUPS = {
    ("a", "warming_up"): 1,
    ("a", None): 2,
    ("a", "gap"): 1,
    ("b", "gap"): 1,
    ("b", "late"): 1,
    ("b", "model: E: x"): 1,
}
NAMES = ("source_file", "error", "series_id")


def write(folder: Path, names: tuple[str, ...] = NAMES) -> list[str]:
    paths = []
    for number, rows in enumerate(FILES):
        columns = {
            name: pa.array(values, pa.string()) for name, values in zip(names, zip(*rows, strict=True), strict=True)
        }
        paths.append(str(folder / f"{number}.parquet"))
        pq.write_table(pa.table(columns), paths[-1])
    return paths


@pytest.mark.parametrize("merged_rows", [1, 1_000_000])
def test_a_series_with_a_forecast_in_any_file_has_one(tmp_path: Path, monkeypatch, merged_rows: int) -> None:
    monkeypatch.setattr(series_counts, "MERGED_ROWS", merged_rows)
    groups, series = observations_in_files(LocalStorage(), write(tmp_path))
    assert groups == GROUPS
    assert series == SeriesCount(series=4, without_forecast=2)


def test_nothing_has_no_series() -> None:
    assert observations_in_files(LocalStorage(), []) == ({}, SeriesCount(series=0, without_forecast=0))


def test_files_that_are_gone_or_named_otherwise_are_left_to_a_query(tmp_path: Path) -> None:
    paths = write(tmp_path, ("source_file", "error", "col-1"))
    for asked in (paths, [str(tmp_path / "gone.parquet")]):
        with pytest.raises(NotInFilesError):
            observations_in_files(LocalStorage(), asked)


def test_a_query_finds_the_same(spark: SparkSession, tmp_path: Path, monkeypatch) -> None:
    table, batch = str(tmp_path / "observations"), Transaction(pipeline="macro", query_id="q", batch_id=3)
    schema = "query_id string, batch_id long, source_file string, error string, series_id string"
    spark.createDataFrame([], schema).write.format("delta").save(table)
    rows = [row for file in FILES for row in file]
    append_once(spark.createDataFrame(rows, "source_file string, error string, series_id string"), table, batch)
    expected = (GROUPS, SeriesCount(series=4, without_forecast=2))
    assert committed_observations(spark, LocalStorage(), table, batch) == expected
    monkeypatch.setattr(series_counts, "committed_files", lambda *_: None)
    assert committed_observations(spark, LocalStorage(), table, batch) == expected
